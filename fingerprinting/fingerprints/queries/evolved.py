"""Evolved fingerprint (EFA, TIFS 2025): every primary sample is moved to where the source's response is more telling.

Samples do not depend on each other, so a whole set is one batch: the summed loss has each sample's own gradient, and
Adam's state is kept per element.
"""

from dataclasses import dataclass

import torch
from torch import nn

from fingerprinting.fingerprints.queries.descent import descend

LOG_WEIGHT = 0.1  # the paper's weight of the uncertain components' loss


@dataclass(frozen=True)
class Evolution:
    """The constants of evolved.py; the last two are those of text, where samples move by whole characters."""

    steps: int
    learning_rate: float
    mu: float
    omega: float
    substitutions: int
    candidates: int


def evolve(
    model: nn.Module,
    inputs: torch.Tensor,
    confident: torch.Tensor,
    constants: Evolution,
    bounds: tuple[float, float],
) -> torch.Tensor:
    """Evolved copies of inputs (N, ...), kept inside `bounds`; confident (N,) tells which of the two rules applies."""
    model.eval()
    model.requires_grad_(False)
    steps, rate = constants.steps, constants.learning_rate
    evolved = inputs.clone()
    if confident.any():
        evolved[confident] = evolve_confident(model, inputs[confident], steps, rate, constants.mu, bounds)
    if (~confident).any():
        evolved[~confident] = evolve_uncertain(model, inputs[~confident], steps, rate, constants.omega, bounds)
    return evolved


def evolve_confident(
    model: nn.Module,
    inputs: torch.Tensor,
    steps: int,
    learning_rate: float,
    mu: float,
    bounds: tuple[float, float],
) -> torch.Tensor:
    """Adam on -(p_a - p_b) / (1 - p_a + mu); a and b are the source's first and second class at the start."""
    with torch.no_grad():
        first, second = torch.softmax(model(inputs), 1).topk(2, dim=1).indices.split(1, dim=1)

    def loss(moved: torch.Tensor) -> torch.Tensor:
        probabilities = torch.softmax(model(moved), 1)
        top, next_best = probabilities.gather(1, first), probabilities.gather(1, second)
        return -(top - next_best) / (1 - top + mu)

    return descend(inputs, loss, steps, learning_rate, bounds)


def evolve_uncertain(
    model: nn.Module,
    inputs: torch.Tensor,
    steps: int,
    learning_rate: float,
    omega: float,
    bounds: tuple[float, float],
) -> torch.Tensor:
    """While p_a < top = p_a0 + omega (p_a0 - 1/C): x <- x - rate * gradient of -0.1 log clamp(p_a, p_a0, top).

    At most `steps` steps; a sample that reached its top stays where it is.
    """
    moved = inputs.clone()
    for step in range(steps):
        moved.requires_grad_(True)
        probabilities = torch.softmax(model(moved), 1)
        if step == 0:
            first = probabilities.detach().argmax(1, keepdim=True)
            start = probabilities.detach().gather(1, first)
            top = start + omega * (start - 1 / probabilities.shape[1])
        reached = probabilities.gather(1, first)
        (gradient,) = torch.autograd.grad((-LOG_WEIGHT * reached.log()).sum(), moved)
        # The clamp's slope is 1 from p_a0, where every sample starts, up to top, and 0 elsewhere. Written out, because
        # exactly at an edge torch.clamp has 1, 1/2 or 0, depending on its version, and torch.maximum 1/2.
        active = ((start <= reached) & (reached < top)).view(-1, *[1] * (inputs.dim() - 1))
        moved = torch.where(active, (moved.detach() - learning_rate * gradient).clamp(*bounds), moved.detach())
    return moved
