"""Projected gradient descent in the infinity norm (Madry et al. 2018)."""

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

STEP_SHARE = 2.5  # Madry et al.: a step is 2.5 * epsilon / steps, so that the ball's edge can be reached from anywhere


def perturbed(
    model: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
    steps: int,
    bounds: tuple[float, float],
) -> torch.Tensor:
    """Inputs (N, ...) moved by at most `epsilon` towards a larger loss of labels (N,), inside `bounds`.

    Starts at a random point of the ball. The model's gradients and its running statistics stay untouched.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    low, high = (inputs - epsilon).clamp(*bounds), (inputs + epsilon).clamp(*bounds)
    moved = (inputs + torch.empty_like(inputs).uniform_(-epsilon, epsilon)).clamp(*bounds)
    for _ in range(steps):
        moved.requires_grad_(True)
        loss = F.cross_entropy(model(moved), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        moved = (moved.detach() + STEP_SHARE * epsilon / steps * gradient.sign()).clamp(low, high)
    for module, mode in modes.items():
        module.training = mode
    return moved.detach()
