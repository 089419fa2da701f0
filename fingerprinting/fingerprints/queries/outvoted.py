"""A floor with models: examples on which a handful of independent ones outvote the source."""

import torch

from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.fingerprints.queries.plain import wrong
from fingerprinting.fingerprints.registry import agreement

OUTVOTED_MODELS = 6  # independent reference models that vote, at most: a handful
OUTVOTED_AMONG = "mistakes"  # examples that are asked about: the source's mistakes, or all


def outvoted(owner: Owner, n: int, *, models: int, among: str) -> Queries:
    """Examples whose label by the source the fewest of a handful of independent models give: one to beat.

    What the source alone gets right is seldom what its copies learn from it, so that only its mistakes are asked about.
    """
    if among not in ("mistakes", "all"):
        raise UserError(f"OUTVOTED_AMONG={among} is unknown; take mistakes or all")
    chosen = wrong(owner) if among == "mistakes" else torch.arange(len(owner.part))
    inputs, labels = owner.inputs(chosen), owner.source_logits[chosen].argmax(1)
    votes = torch.zeros(len(chosen))
    voters, drawn_of = owner.some_independents(models)
    for voter in voters:
        votes += owner.ask(voter, inputs).argmax(1) == labels
    order = torch.randperm(len(votes), generator=owner.generator())  # among as many votes at random
    best = order[votes[order].argsort(stable=True)[:n]]
    return Queries(
        inputs[best], owner.part.targets[chosen[best]], notes={"votes": votes[best].mean().item(), "drawn_of": drawn_of}
    )


registry.add(agreement("outvoted"), queries=outvoted, cheap=True, least=dict(models=1))
