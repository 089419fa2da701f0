"""IPGuard (Cao, Jia and Gong, AsiaCCS 2021): points at a chosen distance behind the source's decision boundary."""

import math
from collections.abc import Callable

import torch
from torch import nn

from fingerprinting.core.errors import UserError
from fingerprinting.core.runtime import place
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.fingerprints.registry import agreement

IPGUARD_STEPS = dict(smoke=50, quick=300, cpu=300, paper=1_000)  # of Adam, at most; 1000 in the paper
IPGUARD_LEARNING_RATE = dict(cv=dict(smoke=0.01, quick=5e-3, cpu=5e-3, paper=1e-3), bci=0.5)  # EEG: microvolt
IPGUARD_MARGIN = dict(cv=dict(smoke=2.0, quick=2.0, cpu=2.0, paper=10.0), bci=2.0)  # k: how far behind the boundary
IPGUARD_TARGET = "runner_up"  # the class behind it: runner_up, least_likely or random


def ipguard(owner: Owner, n: int, *, steps: int, learning_rate: float, margin: float, target: str) -> Queries:
    """Examples moved across the boundary between the source's class, i, and a target class, j."""
    bounds = owner.movable()
    if target not in TARGETS:
        raise UserError(f"IPGUARD_TARGET={target} is unknown; take one of {', '.join(TARGETS)}")
    chosen = owner.drawn(n)
    logits = owner.source_logits[chosen]
    i, j = logits.argmax(1), TARGETS[target](logits, owner.generator("targets"))
    inputs = place(owner.inputs(chosen), owner.device)
    classes = i.to(owner.device), j.to(owner.device)
    moved = to_boundary(owner.source, inputs, *classes, steps, learning_rate, margin, bounds)
    return Queries(moved.cpu(), i)


registry.add(agreement("ipguard"), queries=ipguard, cheap=True)


def runner_up(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The second most probable class (n,) of logits (n, C)."""
    return logits.topk(2, dim=1).indices[:, 1]


def least_likely(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return logits.argmin(1)


def any_other(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Any class (n,) but the most probable one."""
    other = torch.randint(1, logits.shape[1], (len(logits),), generator=generator)
    return (logits.argmax(1) + other) % logits.shape[1]


TARGETS: dict[str, Callable[[torch.Tensor, torch.Generator], torch.Tensor]] = {
    "runner_up": runner_up,
    "least_likely": least_likely,
    "random": any_other,
}


def boundary_loss(logits: torch.Tensor, i: torch.Tensor, j: torch.Tensor, margin: float) -> torch.Tensor:
    """relu(z_i - z_j + margin) + relu(max over t other than i, j of z_t - z_i): logits (n, C), i and j (n,) -> (n,)."""
    pair = torch.stack([i, j], 1)
    z_i, z_j = logits.gather(1, pair).unbind(1)
    others = logits.scatter(1, pair, -math.inf).amax(1)
    return torch.relu(z_i - z_j + margin) + torch.relu(others - z_i)


def to_boundary(
    model: nn.Module,
    inputs: torch.Tensor,
    i: torch.Tensor,
    j: torch.Tensor,
    steps: int,
    learning_rate: float,
    margin: float,
    bounds: tuple[float, float],
) -> torch.Tensor:
    """Adam on `boundary_loss` from inputs (n, ...) on; a sample whose loss is 0 stays where it is."""
    moved = inputs.clone().requires_grad_(True)
    active = torch.arange(len(inputs), device=inputs.device)
    optimizer = torch.optim.Adam([moved], lr=learning_rate)
    for _ in range(steps):
        losses = boundary_loss(model(moved[active]), i[active], j[active], margin)
        optimizer.zero_grad()
        losses.sum().backward()
        before = moved.detach().clone()
        optimizer.step()
        active = active[losses > 0]
        with torch.no_grad():
            before[active] = moved[active].clamp(*bounds)
            moved.copy_(before)
        if not len(active):
            break
    return moved.detach()
