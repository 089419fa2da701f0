"""Projected gradient descent in the infinity norm (Madry et al. 2018)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

STEP_SHARE = 2.5  # Madry et al.: a step is 2.5 * epsilon / steps, so that the ball's edge can be reached from anywhere


def perturbation(
    model: nn.Module,
    forward: Callable[[torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
    steps: int,
    bounds: tuple[float, float] | None,
) -> torch.Tensor:
    """What to add to start (N, ...), at most `epsilon` per element, for a larger loss of labels (N,) under `forward`.

    Begins at a random point of the ball and keeps start + perturbation inside `bounds`. The gradients and the running
    statistics of `model`, whose part `forward` is, stay untouched.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    start = start.detach()
    low, high = torch.full_like(start, -epsilon), torch.full_like(start, epsilon)
    if bounds is not None:
        low, high = torch.maximum(low, bounds[0] - start), torch.minimum(high, bounds[1] - start)
    moved = torch.empty_like(start).uniform_(-epsilon, epsilon).clamp(low, high)
    for _ in range(steps):
        moved.requires_grad_(True)
        loss = F.cross_entropy(forward(start + moved), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        moved = (moved.detach() + STEP_SHARE * epsilon / steps * gradient.sign()).clamp(low, high)
    for module, mode in modes.items():
        module.training = mode
    return moved.detach()
