"""The floors: any examples, and AKH's, which the source gets wrong."""

import torch

from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.owner import Owner, Queries, UnsuitedError
from fingerprinting.fingerprints.registry import agreement


def random(owner: Owner, n: int) -> Queries:
    """Any of the owner's examples."""
    chosen = owner.drawn(n)
    return Queries(owner.inputs(chosen), owner.part.targets[chosen])


registry.add(agreement("random"), queries=random, cheap=True)


def akh(owner: Owner, n: int) -> Queries:
    """Examples that the source gets wrong, at random (the Anna Karenina Heuristic of Godinot et al., AAAI 2025)."""
    chosen = wrong(owner)
    chosen = chosen[torch.randperm(len(chosen), generator=owner.generator())[:n]]
    return Queries(owner.inputs(chosen), owner.part.targets[chosen])


registry.add(agreement("akh"), queries=akh, cheap=True)


def wrong(owner: Owner) -> torch.Tensor:
    """Indices of the owner's examples that the source gets wrong."""
    found = (owner.source_logits.argmax(1) != owner.part.targets).nonzero().flatten()
    if not len(found):
        raise UnsuitedError(f"{owner.method} needs examples that the source gets wrong, and it gets none wrong")
    return found
