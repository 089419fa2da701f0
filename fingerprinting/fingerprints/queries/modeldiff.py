"""ModelDiff (Li et al., ISSTA 2021): pairs of inputs between which a model's decisions are far apart.

How far, pair by pair, is a model's behaviour, which survives a change of task. The paper looks for the pairs by random
changes of single elements, the score of which needs no gradient; the owner has the source's, and they find the same
in fewer steps.
"""

import torch
from torch import nn

from fingerprinting.core.runtime import place
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.distances import cosine
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.fingerprints.queries.descent import ball
from fingerprinting.fingerprints.registry import Method
from fingerprinting.fingerprints.representations import decision_distances, distance_matrix

MODELDIFF_STEPS = dict(smoke=10, quick=20, cpu=20, paper=100)  # up the score's gradient
MODELDIFF_EPSILON = dict(cv=0.2, bci=10.0)  # infinity norm of x' - x (0.2 in the released code); EEG: microvolt


def modeldiff(owner: Owner, n: int, *, steps: int, epsilon: float) -> Queries:
    """n // 2 examples, then their partners, which differ by `epsilon` at most in the infinity norm."""
    bounds = owner.movable()
    chosen = owner.drawn(max(1, n // 2))
    start = place(owner.inputs(chosen), owner.device)
    nudge = torch.rand(start.shape, generator=owner.generator("start")).to(owner.device) * 2 - 1
    partners = diverged(owner.source, start, nudge, steps, epsilon, bounds)
    return Queries(torch.cat([start, partners]).cpu(), owner.part.targets[chosen].repeat(2))


registry.add(
    Method("modeldiff", "probabilities", decision_distances, cosine),
    Method("modeldiff", "logits", decision_distances, cosine),
    Method("modeldiff", "logits", distance_matrix, cosine),
    queries=modeldiff,
    cheap=True,
)


def score(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Divergence times diversity of probabilities (n, C): mean distance of pairs, and among all partners.

    A single pair has no diversity: its score is its divergence.
    """
    divergence = torch.linalg.vector_norm(after - before, dim=1).mean()
    return divergence * torch.pdist(after).mean() if len(after) > 1 else divergence


def diverged(
    model: nn.Module,
    inputs: torch.Tensor,
    nudge: torch.Tensor,
    steps: int,
    epsilon: float,
    bounds: tuple[float, float],
) -> torch.Tensor:
    """Partners of inputs (n, ...): signed steps up the score's gradient, from `nudge` in [-1, 1] times epsilon on."""
    within = ball(inputs, epsilon, bounds)
    with torch.no_grad():
        before = torch.softmax(model(inputs), 1)
    moved = (inputs + epsilon * nudge).clamp(*within)
    for _ in range(steps):
        moved.requires_grad_(True)
        (gradient,) = torch.autograd.grad(score(before, torch.softmax(model(moved), 1)), moved)
        stepped = moved.detach() + 2 * epsilon / steps * gradient.sign()
        moved = stepped.clamp(*within)
    return moved
