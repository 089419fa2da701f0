"""DeepCore (Sun, Zhang, Li 2024): one point per class, as far inside the source's region of that class as it gets.

Points do not depend on each other, so all classes are one batch: the summed loss has each point's own gradient, and a
point that has settled leaves the batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.core import runtime
from fingerprinting.fingerprints.owner import Owner, Queries

FLAT = 1e-12  # a gradient this short points nowhere
AT_ONCE = 512  # inputs whose gradients are taken together


@dataclass(frozen=True)
class Ascent:
    """How core points are made: the constants of deepcore.py."""

    steps: int
    step_size: float
    radius_every: int
    tolerance: float
    overshoot: float
    boundary_steps: int


@dataclass(frozen=True)
class Moment:
    """The points at one step: inputs (n, ...), radius (n,), confidence (n,) in their class, who still moves (n,)."""

    step: int
    inputs: torch.Tensor
    radius: torch.Tensor
    confidence: torch.Tensor
    moving: torch.Tensor


def core_queries(
    owner: Owner, start: str, points: int, lengths: Sequence[int], ascent: Ascent
) -> tuple[Queries, list[Moment]]:
    """`points` core points of every class, begun at one of STARTS, and what they went through.

    extra: `snapshots` (len(lengths), n, ...), the points after so many steps.
    """
    bounds, movable = owner.movable(), owner.recorded.to(owner.device)
    targets = torch.arange(len(owner.study.classes)).repeat_interleave(points)
    inputs = STARTS[start](owner, targets).clamp(*bounds).to(owner.device)
    course = core_points(owner.source, inputs, targets.to(owner.device), ascent, bounds, lengths, movable)
    snapshots = torch.stack([next(m.inputs for m in reversed(course) if m.step <= length) for length in lengths])
    return Queries(course[-1].inputs.cpu(), targets, {"snapshots": snapshots.cpu()}), course


def examples(owner: Owner, targets: torch.Tensor) -> torch.Tensor:
    """Of the owner's examples one at random for each target (n,), of that class; none twice while they last."""
    shuffled = torch.randperm(len(owner.part), generator=owner.generator("start"))
    chosen = torch.empty_like(targets)
    for label in targets.unique():
        members = shuffled[owner.part.targets[shuffled] == label]
        wanted = targets == label
        chosen[wanted] = members[torch.arange(int(wanted.sum())) % len(members)]
    return owner.inputs(chosen)


def noise(owner: Owner, targets: torch.Tensor) -> torch.Tensor:
    """Independent normal elements with the mean and deviation of the owner's examples, one input per target (n,)."""
    like = owner.inputs(torch.arange(len(owner.part)))
    drawn = torch.randn(len(targets), *like.shape[1:], generator=owner.generator("start"))
    return (like.mean() + like.std() * drawn) * owner.recorded


# Both are random images, as the paper begins with.
STARTS: dict[str, Callable[[Owner, torch.Tensor], torch.Tensor]] = {"examples": examples, "noise": noise}


def core_points(
    model: nn.Module,
    start: torch.Tensor,
    targets: torch.Tensor,
    ascent: Ascent,
    bounds: tuple[float, float],
    lengths: Sequence[int] = (),
    movable: torch.Tensor | float = 1.0,
) -> list[Moment]:
    """Descend -log p_target from start (n, ...) inside `bounds`; targets (n,). Returns the course, the end last.

    movable: mask (1, ...) of the elements that may change. The radius is measured every `radius_every` steps and at
    `lengths`; a point stops when it lies in its class and its radius changed by less than `tolerance` since the last
    regular measurement.
    """
    points, moving = start.clone(), torch.ones(len(start), dtype=torch.bool, device=start.device)
    course: list[Moment] = []
    before = torch.full((len(start),), torch.inf, device=start.device)
    for step in range(ascent.steps + 1):
        regular = step % ascent.radius_every == 0
        if regular or step in lengths or step == ascent.steps:
            radius = course[-1].radius.clone() if course else torch.zeros(len(start), device=start.device)
            radius[moving] = deepfool(model, points[moving], ascent.overshoot, ascent.boundary_steps, movable)
            with torch.no_grad():
                probabilities = torch.softmax(model(points), 1)
            if regular:
                settled = ((radius - before).abs() < ascent.tolerance) & (probabilities.argmax(1) == targets)
                moving, before = moving & ~settled, radius
            confidence = probabilities.gather(1, targets[:, None]).flatten()
            course.append(Moment(step, points.clone(), radius, confidence, moving))
        if step == ascent.steps or not moving.any():
            return course
        change = ascent.step_size * movable * gradient(model, points[moving], targets[moving])
        points[moving] = (points[moving] - change).clamp(*bounds)
    return course


def gradient(model: nn.Module, points: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of every point's own -log p_target, by the point: points (n, ...), targets (n,) -> (n, ...)."""
    points = runtime.place(points, points.device).requires_grad_(True)
    return torch.autograd.grad(F.cross_entropy(model(points), targets, reduction="sum"), points)[0]


def deepfool(
    model: nn.Module, points: torch.Tensor, overshoot: float, limit: int, movable: torch.Tensor | float = 1.0
) -> torch.Tensor:
    """Distance (n,) in L2 from points (n, ...) to the boundary of the class they lie in (Moosavi-Dezfooli et al. 2016).

    Each step goes to the nearest boundary of the model's linear approximation, and a little beyond; as published, the
    range of inputs does not stop it. After `limit` steps without leaving its class, a point's distance so far is a
    lower bound.
    """
    moved, inside = points.clone(), torch.arange(len(points), device=points.device)
    home = None
    for _ in range(limit):
        logits, gradients = _linearised(model, moved[inside], movable)
        home = logits.argmax(1) if home is None else home
        still = logits.argmax(1) == home
        inside, home, logits, gradients = inside[still], home[still], logits[still], gradients[still]
        if not len(inside):
            break
        rows = torch.arange(len(inside), device=points.device)
        w = gradients - gradients[rows, home][:, None]  # (n, C, D)
        d = (logits - logits[rows, home][:, None]).abs()
        norm = w.norm(dim=2).clamp_min(FLAT)
        nearest = (d / norm).scatter(1, home[:, None], torch.inf).argmin(1)
        far = (1 + overshoot) * d[rows, nearest] / norm[rows, nearest].square()
        moved[inside] += (far[:, None] * w[rows, nearest]).view_as(moved[inside])
    return (moved - points).flatten(1).norm(dim=1)


def _linearised(
    model: nn.Module, points: torch.Tensor, movable: torch.Tensor | float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (n, C) and their gradients (n, C, D) by the points' movable elements.

    Each point stands in the batch once per class, so that one backward pass gives the gradients of all its logits.
    """
    with torch.no_grad():
        logits = model(points)
    classes = logits.shape[1]
    gradients = []
    for piece in points.split(max(1, AT_ONCE // classes)):
        copies = runtime.place(piece.repeat_interleave(classes, 0), piece.device).requires_grad_(True)
        own = model(copies).view(len(piece), classes, classes).diagonal(dim1=1, dim2=2)
        (gradient,) = torch.autograd.grad(own.sum(), copies)
        gradients.append((gradient * movable).reshape(len(piece), classes, -1))
    return logits, torch.cat(gradients)
