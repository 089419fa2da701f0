"""Candidates for the calibrated fingerprint: inputs of several kinds; reference models show which of them tell.

Some are made with the models that saw a third of the reference part, so that those which choose and weigh queries have
had no part in making them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F  # the field's standard name

from fingerprinting.core import runtime
from fingerprinting.data.datasets import physical
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.owner import Owner, Queries, UnsuitedError
from fingerprinting.fingerprints.queries.descent import descend, some_responses
from fingerprinting.fingerprints.queries.plain import wrong
from fingerprinting.models import suspects, trained
from fingerprinting.models.kinds import EXTRACTED, INDEPENDENT, MODIFIED

PIECES = 8  # of a channel, along its last dimension
COARSE = 4  # elements of an input along each side for one of the grid of a contrasted candidate's shift
SURE = 0.1  # weight of the source's own certainty in what contrasted candidates are moved for


@dataclass(frozen=True)
class Making:
    """How candidates are made: the constants of calibrated.py. Counts are of each kind, at most."""

    candidates: int
    contrasted: int  # the same of kinds WITH_MODELS
    steps: int
    step_size: float  # of Adam
    epsilon: float  # infinity norm of the shift
    sampled: int  # models of each origin in one step


def stored(name: str) -> Callable[[Owner, Making], Queries]:
    """The queries of a fingerprint that is there already."""

    def read(owner: Owner, _making: Making) -> Queries:
        found = store.load(owner.study, name, trained.weights_sha256(owner.study, owner.study.source_id))
        return Queries(found.inputs, found.truth)

    return read


def mistaken(owner: Owner, making: Making) -> Queries:
    """Examples that the source gets wrong: who learned from it repeats its mistakes."""
    return _some(owner, wrong(owner), making.candidates, "wrong")


def boundary(owner: Owner, making: Making) -> Queries:
    """Examples whose two most probable classes are nearest: a copy's boundary runs where the source's does."""
    first, second = owner.source_logits.softmax(1).topk(2).values.unbind(1)
    return _of_part(owner, (first - second).argsort(stable=True)[: making.candidates])


def mixed(owner: Owner, making: Making) -> Queries:
    """A piece of one example laid into another."""
    return _mixed(owner, _some(owner, torch.arange(len(owner.part)), making.candidates, "mixed"), "mixed")


def mixed_twice(owner: Owner, making: Making) -> Queries:
    """Pieces of two examples, one after the other, laid into a third."""
    once = _mixed(owner, _some(owner, torch.arange(len(owner.part)), making.candidates, "mixed twice"), "once")
    return _mixed(owner, once, "twice")


def mixed_mistakes(owner: Owner, making: Making) -> Queries:
    """A piece of one example that the source gets wrong laid into another."""
    chosen, size = wrong(owner), (making.candidates,)
    draw = owner.generator("mixed mistakes")
    first, second = (chosen[torch.randint(len(chosen), size, generator=draw)] for _ in range(2))
    return Queries(owner.mixed(owner.inputs(first), owner.inputs(second), draw), owner.part.targets[first])


def patched(owner: Owner, making: Making) -> Queries:
    """Every channel's pieces from other examples each: of no class, so that only the boundary decides the response."""
    owner.movable()
    part, draw, count = owner.part.inputs, owner.generator("patched"), making.candidates
    inputs, channels = torch.empty(count, *part.shape[1:]), torch.arange(part.shape[1])
    for piece in torch.arange(part.shape[-1]).tensor_split(PIECES):
        drawn = torch.randint(len(part), (count, part.shape[1]), generator=draw)
        inputs[..., piece] = physical(part[drawn, channels])[..., piece]
    return Queries(inputs, torch.full((count,), -1))


def contrasted(attack: int, owner: Owner, making: Making) -> Queries:
    """Examples shifted to where models of that attack respond as the source does, and independent ones do not.

    The shift is small and smooth, given on a coarse grid: an attacker that looks for strange inputs finds few of these.
    """
    bounds, purpose = owner.movable(), f"contrasted {attack}"
    if owner.part.inputs.dim() not in (3, 4):
        raise UnsuitedError(
            f"{owner.method} shifts signals and images smoothly, and {owner.study.dataset} holds others"
        )
    models = suspects.low_data_references(owner.study)
    stolen, independent = (
        [owner.opened(model) for model in models if suspects.origin(model) == of] for of in (attack, INDEPENDENT)
    )
    if not (stolen and independent):
        raise UnsuitedError(
            f"{owner.method} contrasts stolen and independent models; give low_data_references.py COPIES above 0"
        )
    draw = owner.generator(purpose)
    chosen = torch.randperm(len(owner.part), generator=owner.generator(f"{purpose} from"))[: making.contrasted]
    start, movable = owner.inputs(chosen).to(owner.device), owner.recorded.to(owner.device)
    sides, mode = start.shape[2:], ("linear", "bilinear")[start.dim() - 3]

    def shifted(grid: torch.Tensor) -> torch.Tensor:
        return (start + movable * F.interpolate(grid, sides, mode=mode)).clamp(*bounds)

    def loss(grid: torch.Tensor) -> torch.Tensor:
        moved = shifted(grid)
        responses = (some_responses(nets, moved, making.sampled, draw) for nets in (stolen, independent))
        return contrast(owner.source(moved), *responses)

    still = start.new_zeros(*start.shape[:2], *(max(1, side // COARSE) for side in sides))
    found = descend(still, loss, making.steps, making.step_size, (-making.epsilon, making.epsilon))
    return Queries(shifted(found).cpu(), owner.part.targets[chosen])


def contrast(source: torch.Tensor, stolen: torch.Tensor, independent: torch.Tensor) -> torch.Tensor:
    """(N,): how much more probable independent models find the source's response than stolen ones, on average.

    Less SURE times the source's own certainty. Logits (N, C), (models, N, C), (models, N, C).
    """
    label = source.argmax(1)

    def probability(logits: torch.Tensor) -> torch.Tensor:
        return logits.softmax(-1).gather(-1, label.expand(logits.shape[:-1])[..., None])[..., 0]

    return probability(independent).mean(0) - probability(stolen).mean(0) - SURE * probability(source)


# Kind of candidates -> make(owner, making); a fingerprint's own number of queries is not changed.
CANDIDATES: dict[str, Callable[[Owner, Making], Queries]] = {
    "primary": stored("primary"),
    "evolved": stored("evolved"),
    "wrong": mistaken,
    "boundary": boundary,
    "mixed": mixed,
    "mixed_twice": mixed_twice,
    "mixed_mistakes": mixed_mistakes,
    "patched": patched,
    "contrasted_extraction": partial(contrasted, EXTRACTED),
    "contrasted_modification": partial(contrasted, MODIFIED),
}
WITH_MODELS = ("contrasted_extraction", "contrasted_modification")  # kinds that low_data_references.py's models make


def candidates(owner: Owner, kinds: tuple[str, ...], making: Making) -> tuple[Queries, torch.Tensor]:
    """All candidates, and the index (n,) into `kinds` of what each one is; kinds that find nothing are left out."""
    found: list[Queries] = []
    index: list[torch.Tensor] = []
    owner.source_logits  # noqa: B018 (asked here once: the kinds, each in a thread, would ask each for itself)

    def make(kind: str) -> Queries | UnsuitedError:
        try:
            return CANDIDATES[kind](owner, making)
        except UnsuitedError as reason:
            return reason

    made = runtime.side_by_side(make, kinds, owner.study.at_a_time)
    for number, (kind, queries) in enumerate(zip(kinds, made, strict=True)):
        if isinstance(queries, UnsuitedError):
            print(f"no candidates of kind {kind}: {queries}")
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
    return Queries(owner.mixed(first.inputs, owner.inputs(second), draw), first.truth)
