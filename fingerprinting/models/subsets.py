"""Which examples a model is trained on: one part of a study's data or several, or a share of them."""

from functools import reduce

import torch

from fingerprinting.core import runtime
from fingerprinting.data.datasets import Examples
from fingerprinting.study.study import Study


def owners_share(study: Study, overlap: float) -> Examples:
    """As many examples as the owner has: a share `overlap` of the owner's own, the rest from the attacker's part."""
    owner, attacker = study.parts["owner"], study.parts["attacker"]
    draw = runtime.generator(f"overlap/{study.folder}/{study.split_seed}")
    own = torch.randperm(len(owner), generator=draw)[: round(overlap * len(owner))]
    other = torch.randperm(len(attacker), generator=draw)[: len(owner) - len(own)]
    return owner.take(own).joined(attacker.take(other))


def examples_of(study: Study, parts: str) -> Examples:
    """The examples of a part, or of several: owner+reference."""
    return reduce(Examples.joined, (study.parts[part] for part in parts.split("+")))


def drawn(study: Study, part: str, share: float, draw: str = "") -> Examples:
    """A random share of a part, in the part's order; a smaller share's examples are all in a larger one of its draw."""
    whole = examples_of(study, part)
    name = "/".join(filter(None, ("share", study.folder, str(study.split_seed), part, draw)))
    order = torch.randperm(len(whole), generator=runtime.generator(name))
    return whole.take(order[: round(share * len(whole))].sort().values)
