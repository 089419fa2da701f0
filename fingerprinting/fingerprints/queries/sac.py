"""SAC (Guan et al., NeurIPS 2022): samples whose responses' pairwise correlation reveals a stolen model."""

import torch

from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.distances import mean_absolute
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.fingerprints.queries.plain import wrong
from fingerprinting.fingerprints.registry import OUTPUTS, Method
from fingerprinting.fingerprints.representations import correlation


def sac_w(owner: Owner, n: int) -> Queries:
    """Of the source's mistakes, those that most stolen models get wrong and most independent ones right."""
    chosen = wrong(owner)
    inputs, truth = owner.inputs(chosen), owner.part.targets[chosen]
    merit = torch.zeros(len(chosen), dtype=torch.double)
    for role, sign in (("pirated", -1), ("independent", 1)):
        models = owner.references(role)
        for model in models:
            merit += sign * (owner.ask(model, inputs).argmax(1) == truth).double() / len(models)
    best = merit.argsort(descending=True, stable=True)[:n]
    return Queries(inputs[best], truth[best])


registry.add(*(Method("sac_w", output, correlation, mean_absolute) for output in OUTPUTS), queries=sac_w, cheap=True)


def sac_m(owner: Owner, n: int) -> Queries:
    """CutMix: a piece of one example laid into another."""
    chosen = owner.drawn(2 * n)
    first, second = chosen.tensor_split(2)
    inputs = owner.mixed(owner.inputs(first[: len(second)]), owner.inputs(second), owner.generator("mix"))
    return Queries(inputs, owner.part.targets[first[: len(second)]])


registry.add(*(Method("sac_m", output, correlation, mean_absolute) for output in OUTPUTS), queries=sac_m, cheap=True)
