"""The floors: any examples, AKH's, which the source gets wrong, and those on which independent models outvote it."""

import torch

from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.owner import Owner, Queries, UnsuitedError
from fingerprinting.fingerprints.registry import agreement

OUTVOTED_MODELS = 6  # independent reference models that vote, at most: a handful
OUTVOTED_AMONG = "mistakes"  # examples that are asked about: the source's mistakes, or all


def random(owner: Owner, n: int) -> Queries:
    """Any of the owner's examples."""
    chosen = owner.drawn(n)
    return Queries(owner.inputs(chosen), owner.part.targets[chosen])


registry.add(agreement("random"), queries=random, cheap=True)


def akh(owner: Owner, n: int) -> Queries:
    """Examples that the source gets wrong, at random (Always be Knocking on Heaven's door, 2024)."""
    chosen = wrong(owner)
    chosen = chosen[torch.randperm(len(chosen), generator=owner.generator())[:n]]
    return Queries(owner.inputs(chosen), owner.part.targets[chosen])


registry.add(agreement("akh"), queries=akh, cheap=True)


def outvoted(owner: Owner, n: int, *, models: int, among: str) -> Queries:
    """Examples whose label by the source the fewest of a handful of independent models give: one to beat.

    What the source alone gets right is seldom what its copies learn from it, so that only its mistakes are asked about.
    """
    if among not in ("mistakes", "all"):
        raise UserError(f"OUTVOTED_AMONG={among} is unknown; take mistakes or all")
    chosen = wrong(owner) if among == "mistakes" else torch.arange(len(owner.part))
    inputs, labels = owner.inputs(chosen), owner.source_logits[chosen].argmax(1)
    votes = torch.zeros(len(chosen))
    for voter in owner.some_references("independent", models):
        votes += owner.ask(voter, inputs).argmax(1) == labels
    order = torch.randperm(len(votes), generator=owner.generator())  # among as many votes at random
    best = order[votes[order].argsort(stable=True)[:n]]
    return Queries(inputs[best], owner.part.targets[chosen[best]], notes={"votes": votes[best].mean().item()})


registry.add(agreement("outvoted"), queries=outvoted, cheap=True, least=dict(models=1))


def wrong(owner: Owner) -> torch.Tensor:
    """Indices of the owner's examples that the source gets wrong."""
    found = (owner.source_logits.argmax(1) != owner.part.targets).nonzero().flatten()
    if not len(found):
        raise UnsuitedError(f"{owner.method} needs examples that the source gets wrong, and it gets none wrong")
    return found
