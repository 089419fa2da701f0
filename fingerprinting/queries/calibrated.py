"""Candidates for the calibrated fingerprint: inputs of several kinds; reference models show which of them tell."""

from collections.abc import Callable

import torch

from fingerprinting import attacks, fingerprints
from fingerprinting.examples import physical
from fingerprinting.owner import Owner, Queries, UnsuitedError
from fingerprinting.queries.plain import wrong

PIECES = 8  # of a channel, along its last dimension


def stored(name: str) -> Callable[[Owner, int], Queries]:
    """The queries of a fingerprint that is there already."""

    def read(owner: Owner, _count: int) -> Queries:
        found = fingerprints.load(owner.study, name, attacks.weights_sha256(owner.study, owner.study.source_id))
        return Queries(found.inputs, found.truth)

    return read


def mistaken(owner: Owner, count: int) -> Queries:
    """Examples that the source gets wrong: who learned from it repeats its mistakes."""
    return _some(owner, wrong(owner), count, "wrong")


def boundary(owner: Owner, count: int) -> Queries:
    """Examples whose two most probable classes are nearest: a copy's boundary runs where the source's does."""
    first, second = owner.source_logits.softmax(1).topk(2).values.unbind(1)
    return _of_part(owner, (first - second).argsort(stable=True)[:count])


def mixed(owner: Owner, count: int) -> Queries:
    """A piece of one example laid into another."""
    return _mixed(owner, _some(owner, torch.arange(len(owner.part)), count, "mixed"), "mixed")


def mixed_twice(owner: Owner, count: int) -> Queries:
    """Pieces of two examples, one after the other, laid into a third."""
    once = _mixed(owner, _some(owner, torch.arange(len(owner.part)), count, "mixed twice"), "once")
    return _mixed(owner, once, "twice")


def mixed_mistakes(owner: Owner, count: int) -> Queries:
    """A piece of one example that the source gets wrong laid into another."""
    chosen = wrong(owner)
    draw = owner.generator("mixed mistakes")
    first, second = (chosen[torch.randint(len(chosen), (count,), generator=draw)] for _ in range(2))
    domain = owner.study.domain
    return Queries(domain.mix(owner.inputs(first), owner.inputs(second), draw), owner.part.targets[first])


def patched(owner: Owner, count: int) -> Queries:
    """Every channel's pieces from other examples each: no class at all, only how a boundary lies decides the answer."""
    owner.movable()
    part, draw = owner.part.inputs, owner.generator("patched")
    inputs, channels = torch.empty(count, *part.shape[1:]), torch.arange(part.shape[1])
    for piece in torch.arange(part.shape[-1]).tensor_split(PIECES):
        drawn = torch.randint(len(part), (count, part.shape[1]), generator=draw)
        inputs[..., piece] = physical(part[drawn, channels])[..., piece]
    return Queries(inputs, torch.full((count,), -1))


def extrapolated(owner: Owner, count: int) -> Queries:
    """An example plus the difference of two others, within the inputs' range: where no data lie."""
    bounds, draw = owner.movable(), owner.generator("extrapolated")
    one, more, less = (owner.inputs(torch.randint(len(owner.part), (count,), generator=draw)) for _ in range(3))
    return Queries((one + more - less).clamp(*bounds), torch.full((count,), -1))


# Kind of candidates -> make(owner, count); a fingerprint's own number of queries is not changed.
CANDIDATES: dict[str, Callable[[Owner, int], Queries]] = {
    "primary": stored("primary"),
    "evolved": stored("evolved"),
    "wrong": mistaken,
    "boundary": boundary,
    "mixed": mixed,
    "mixed_twice": mixed_twice,
    "mixed_mistakes": mixed_mistakes,
    "patched": patched,
    "extrapolated": extrapolated,
}


def candidates(owner: Owner, kinds: tuple[str, ...], count: int) -> tuple[Queries, torch.Tensor]:
    """All candidates, and the index (n,) into `kinds` of what each one is; kinds that find nothing are left out."""
    found, index = [], []
    for number, kind in enumerate(kinds):
        try:
            queries = CANDIDATES[kind](owner, count)
        except UnsuitedError as reason:
            print(f"no candidates of kind {kind}: {reason}")
            continue
        found.append(queries)
        index.append(torch.full((len(queries.inputs),), number))
    if not found:
        raise UnsuitedError(f"{owner.method} finds no candidates of {', '.join(kinds)}")
    inputs, truth = (torch.cat([getattr(queries, name) for queries in found]) for name in ("inputs", "truth"))
    return Queries(inputs, truth), torch.cat(index)


def _some(owner: Owner, indices: torch.Tensor, count: int, purpose: str) -> Queries:
    drawn = torch.randperm(len(indices), generator=owner.generator(purpose))[:count]
    return _of_part(owner, indices[drawn])


def _of_part(owner: Owner, indices: torch.Tensor) -> Queries:
    return Queries(owner.inputs(indices), owner.part.targets[indices])


def _mixed(owner: Owner, first: Queries, purpose: str) -> Queries:
    draw = owner.generator(purpose)
    second = torch.randint(len(owner.part), (len(first.inputs),), generator=draw)
    return Queries(owner.study.domain.mix(first.inputs, owner.inputs(second), draw), first.truth)
