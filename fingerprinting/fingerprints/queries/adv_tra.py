"""ADV-TRA (Xu et al., NeurIPS 2024): adversarial trajectories, small targeted steps across several classes in turn.

Towards a class, steps shrink up to its boundary, which the middle one crosses, and grow again behind it.
"""

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.core.runtime import place
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.distances import hamming
from fingerprinting.fingerprints.owner import Owner, Queries, UnsuitedError
from fingerprinting.fingerprints.queries.descent import Bound
from fingerprinting.fingerprints.registry import Method, agreement
from fingerprinting.fingerprints.representations import trajectories_kept

ADV_TRA_CANDIDATES = 2  # starts per trajectory kept
ADV_TRA_CLASSES = 4  # that a trajectory passes, its own included
ADV_TRA_LENGTH = dict(smoke=6, quick=8, cpu=8, paper=8)  # steps to each class, half of them before its boundary
ADV_TRA_STEP = dict(cv=0.01, bci=1.0)  # first guess of the longest step, which is then fitted; EEG: microvolt
ADV_TRA_DECAY = 0.9  # of the steps towards a boundary (released code)
ADV_TRA_ROUNDS = 15  # of fitting the steps


def adv_tra(
    owner: Owner, n: int, *, candidates: int, classes: int, length: int, step: float, decay: float, rounds: int
) -> Queries:
    """Trajectories, as many as n queries hold or one, through `classes` classes (or all) with `length` steps to each.

    Of `candidates` times as many starts, the first ones whose trajectories cross every boundary where they should.
    extra: how many points a trajectory has.
    """
    bounds = owner.movable()
    hops = min(classes, owner.source_logits.shape[1]) - 1
    count = max(1, n // (hops * length + 1))
    chosen = owner.drawn(candidates * count)
    tour = tours(owner.source_logits[chosen].argmax(1), owner.source_logits.shape[1], hops, owner.generator("tour"))
    start = place(owner.inputs(chosen), owner.device)
    paths, stable = trajectories(owner.source, start, tour.to(owner.device), length, step, decay, rounds, bounds)
    kept = stable.nonzero().flatten()[:count]
    if not len(kept):
        raise UnsuitedError(f"no trajectory of {owner.method} crosses the boundaries where it should")
    truth = torch.cat([owner.source_logits[chosen].argmax(1)[:, None], tour.repeat_interleave(length, 1)], 1)
    points = {"trajectory_points": torch.tensor(truth.shape[1])}
    return Queries(paths[kept].flatten(0, 1).cpu(), truth[kept.cpu()].flatten(), points)


registry.add(
    agreement("adv_tra"),
    Method("adv_tra", "labels", trajectories_kept, hamming, judges="source", needs="trajectory_points"),
    queries=adv_tra,
    cheap=True,
    least=dict(candidates=1, length=1, classes=2),
)


def tours(labels: torch.Tensor, classes: int, hops: int, generator: torch.Generator) -> torch.Tensor:
    """For labels (n,) the classes (n, hops) to go to, in random order and none twice."""
    order = torch.rand(len(labels), classes, generator=generator)
    return order.scatter(1, labels[:, None], -1.0).argsort(1)[:, 1 : hops + 1]


def trajectories(
    model: nn.Module,
    inputs: torch.Tensor,
    tour: torch.Tensor,
    length: int,
    step: float,
    decay: float,
    rounds: int,
    bounds: tuple[float, float],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (n, hops * length + 1, ...) from inputs (n, ...) on, and whether (n,) all hops of `tour` succeeded."""
    shrinking = decay ** torch.arange((length + 1) // 2, dtype=inputs.dtype, device=inputs.device)
    pattern = torch.cat([shrinking, shrinking.flip(0)])[:length]
    points, stable = [inputs], torch.ones(len(inputs), dtype=torch.bool, device=inputs.device)
    for targets in tour.unbind(1):
        scale, crossed = crossing_scale(model, points[-1], targets, shrinking, step, rounds, bounds)
        points += walk(model, points[-1], targets, scale[:, None] * pattern, bounds)
        stable = stable & crossed
    return torch.stack(points, 1), stable


def crossing_scale(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    pattern: torch.Tensor,
    step: float,
    rounds: int,
    bounds: tuple[float, float],
) -> tuple[torch.Tensor, torch.Tensor]:
    """The scale (n,) of the steps `pattern` with which the last one, and no earlier one, enters the target's class.

    It is bracketed and halved from `step` on, for at most `rounds` rounds. Also returned is whether (n,) it was found.
    """
    scale = torch.full((len(inputs),), step, dtype=inputs.dtype, device=inputs.device)
    low, high = torch.zeros_like(scale), torch.full_like(scale, torch.inf)
    found = torch.zeros(len(inputs), dtype=torch.bool, device=inputs.device)
    for _ in range(rounds):
        path = walk(model, inputs, targets, scale[:, None] * pattern, bounds)
        entered = torch.stack([model(point).argmax(1) == targets for point in path], 1)
        early = entered[:, :-1].any(1)
        found = found | (entered[:, -1] & ~early)
        if found.all():
            break
        high, low = torch.where(early, scale, high), torch.where(early, low, scale)
        halved = torch.where(high.isinf(), 2 * scale, (low + high) / 2)
        scale = torch.where(found, scale, halved)
    return scale, found


def walk(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, sizes: torch.Tensor, bounds: tuple[Bound, Bound]
) -> list[torch.Tensor]:
    """The points after each of the steps (n, steps), against the sign of the gradient of the target's cross-entropy.

    A step below 0 goes up it.
    """
    points, here = [], inputs
    for size in sizes.unbind(1):
        here = here.detach().requires_grad_(True)
        loss = F.cross_entropy(model(here), targets, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, here)
        stepped = here.detach() - size.view(-1, *[1] * (inputs.dim() - 1)) * gradient.sign()
        here = stepped.clamp(*bounds)  # type: ignore[arg-type]  # torch takes both kinds, its types one of them a call
        points.append(here)
    return points
