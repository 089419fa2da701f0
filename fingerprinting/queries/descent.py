"""Inputs moved down a loss by Adam, as many methods make their queries."""

from collections.abc import Callable

import torch

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
        moved.grad *= movable
        optimizer.step()
        with torch.no_grad():
            moved.clamp_(*bounds)
    return moved.detach()
