"""Inputs moved down a loss by Adam, often by a few of many models' responses: how most methods make their queries."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

Bound = float | torch.Tensor  # for all elements, or one for each


def descend(
    inputs: torch.Tensor,
    loss: Callable[[torch.Tensor], torch.Tensor],
    steps: int,
    learning_rate: float,
    bounds: tuple[Bound, Bound],
    movable: torch.Tensor | float = 1.0,
) -> torch.Tensor:
    """Copies of inputs (N, ...) after `steps` updates, each by its own loss of loss(inputs) (N,), inside `bounds`.

    movable: mask (1, ...) of the elements that may change.
    """
    moved = inputs.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([moved], lr=learning_rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(moved).sum().backward()
        if moved.grad is not None:
            moved.grad.mul_(movable)
        optimizer.step()
        with torch.no_grad():
            moved.clamp_(*bounds)  # type: ignore[arg-type]  # torch takes both kinds, its types one of them a call
    return moved.detach()


def ball(
    inputs: torch.Tensor, epsilon: float | torch.Tensor, bounds: tuple[float, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the largest values within `epsilon` of inputs (N, ...), one or for each element, and `bounds`."""
    return (inputs - epsilon).clamp_min(bounds[0]), (inputs + epsilon).clamp_max(bounds[1])


def some_responses(
    models: Sequence[nn.Module], inputs: torch.Tensor, count: int, generator: torch.Generator
) -> torch.Tensor:
    """Logits (count, N, C) of as many of the models, drawn at random, on inputs (N, ...)."""
    drawn = torch.randperm(len(models), generator=generator)[:count].tolist()
    return torch.stack([models[index](inputs) for index in drawn])
