"""AnaFP (Yang et al., ICLR 2026, arXiv 2603.21411): how far behind the boundary a query may lie, between two bounds.

An example x is stretched beyond its nearest boundary: x + tau (x' - x), x' on the boundary. A larger tau outlasts more
modification, a smaller one is less often answered likewise by models that have nothing to do with the source. Only the
paper's abstract and reviews of it could be read: the two bounds are written from their description.
"""

from collections.abc import Sequence

import torch
from torch import nn

from fingerprinting.core.errors import UserError
from fingerprinting.core.runtime import place
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.fingerprints.queries.descent import descend
from fingerprinting.fingerprints.registry import agreement
from fingerprinting.training.trainer import predict

ANAFP_CANDIDATES = 3.0  # examples stretched per query kept
ANAFP_STEPS = dict(smoke=10, quick=60, cpu=60, paper=3_000)  # of Adam, over the boundary (Carlini and Wagner's attack)
ANAFP_LEARNING_RATE = dict(cv=0.01, bci=0.5)  # of Adam; EEG: microvolt
ANAFP_WEIGHT = dict(cv=1.0, bci=1e3)  # of being over the boundary, against the squared length of the way
ANAFP_GRID = dict(smoke=10, quick=40, cpu=40, paper=500)  # stretch factors tried; the paper has 500
ANAFP_LARGEST = 6.0  # stretch factor tried
ANAFP_ROBUST = 0.5  # quantile of the stolen reference models' logit differences that the lower bound outlasts
ANAFP_UNIQUE = 0.5  # quantile of the independent ones' upper bounds
BISECTIONS = 20  # of the way, to the boundary
CLEAR = 0.1  # logits by which the attack goes over the boundary
LEAST = 1e-9  # a length or slope below this is none


def anafp(
    owner: Owner,
    n: int,
    *,
    candidates: float,
    steps: int,
    learning_rate: float,
    weight: float,
    grid: int,
    largest: float,
    robust: float,
    unique: float,
) -> Queries:
    """Of `candidates` n examples the n whose stretch factor keeps the most room between both of its bounds."""
    if not (0 <= robust <= 1 and 0 <= unique <= 1):
        raise UserError(f"ANAFP_ROBUST={robust} and ANAFP_UNIQUE={unique} are quantiles; give 0 to 1")
    bounds = owner.movable()
    pirated, independent = ([owner.opened(m) for m in owner.references(role)] for role in ("pirated", "independent"))
    chosen = owner.drawn(round(candidates * n))
    start = place(owner.inputs(chosen), owner.device)
    movable = owner.recorded.to(owner.device)
    way = to_boundary(owner.source, start, movable, steps, learning_rate, weight, bounds) - start
    factors = torch.linspace(1, largest, grid + 1)[1:]
    stretched = (start + factors.view(-1, *[1] * start.dim()).to(start) * way).clamp(*bounds)
    lower = lower_bounds(owner.source, pirated, start + way, stretched, factors, way, robust)
    upper = upper_bounds(owner.source, independent, start, stretched, factors, way, unique)
    room = torch.minimum(factors[:, None] - lower, upper - factors[:, None])  # (grid, examples)
    most, at = room.max(0)
    best = most.argsort(descending=True, stable=True)[:n]
    print(
        f"anafp: {int((most[best] > 0).sum())} of {len(best)} queries lie between their bounds; stretch factors "
        f"{factors[at[best]].min():.2f} to {factors[at[best]].max():.2f}"
    )
    notes = {"between_bounds": int((most[best] > 0).sum()), "stretch": factors[at[best]].mean().item()}
    return Queries(stretched[at[best], best].cpu(), owner.part.targets[chosen[best]], notes=notes)


registry.add(agreement("anafp"), queries=anafp, least=dict(candidates=1, grid=1, largest=1))


def to_boundary(
    model: nn.Module,
    inputs: torch.Tensor,
    movable: torch.Tensor,
    steps: int,
    learning_rate: float,
    weight: float,
    bounds: tuple[float, float],
) -> torch.Tensor:
    """Points on the boundary of inputs (N, ...): over it by the least way that Adam finds, then back along that way.

    The loss is Carlini and Wagner's: the squared length, and `weight` times the margin of the class left.
    """
    home = model(inputs).argmax(1)

    def loss(moved: torch.Tensor) -> torch.Tensor:
        away = (moved - inputs).flatten(1).square().sum(1)
        return away + weight * torch.relu(margin(model(moved), home) + CLEAR)

    moved = descend(inputs, loss, steps, learning_rate, bounds, movable)
    near, far = torch.zeros(len(inputs), device=inputs.device), torch.ones(len(inputs), device=inputs.device)
    for _ in range(BISECTIONS):
        middle = (near + far) / 2
        shares = middle.view(-1, *[1] * (inputs.dim() - 1))
        with torch.no_grad():
            inside = model(inputs + shares * (moved - inputs)).argmax(1) == home
        near, far = torch.where(inside, middle, near), torch.where(inside, far, middle)
    return inputs + far.view(-1, *[1] * (inputs.dim() - 1)) * (moved - inputs)


def margin(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """By how much the logits (n, C) of labels (n,) lie above all others: (n,)."""
    own = logits.gather(1, labels[:, None])[:, 0]
    return own - logits.scatter(1, labels[:, None], -torch.inf).amax(1)


def lower_bounds(
    source: nn.Module,
    pirated: Sequence[nn.Module],
    boundary: torch.Tensor,
    stretched: torch.Tensor,
    factors: torch.Tensor,
    way: torch.Tensor,
    quantile: float,
) -> torch.Tensor:
    """1 + 2 e / (c |way|) (grid, N): what tau must exceed, so that a model with other logits by up to e still agrees.

    e is that quantile over stolen models of the largest difference of a logit from the source's, which itself depends
    on tau; c is by how much the source's margin grows a unit of length behind the boundary.
    """
    outputs = _asked(source, stretched)  # (grid, N, C)
    labels = outputs.argmax(2)
    differences = torch.stack([(_asked(model, stretched) - outputs).abs().amax(2) for model in pirated])
    length = way.flatten(1).norm(dim=1).cpu().clamp_min(LEAST)
    grown = margin(outputs.flatten(0, 1), labels.flatten()).view(labels.shape)
    begun = margin(_asked(source, boundary[None])[0].repeat(len(factors), 1), labels.flatten()).view(labels.shape)
    slope = ((grown - begun) / ((factors[:, None] - 1) * length)).clamp_min(LEAST)
    return 1 + 2 * differences.quantile(quantile, dim=0) / (slope * length)


def upper_bounds(
    source: nn.Module,
    independent: Sequence[nn.Module],
    start: torch.Tensor,
    stretched: torch.Tensor,
    factors: torch.Tensor,
    way: torch.Tensor,
    quantile: float,
) -> torch.Tensor:
    """m / (L |way|) (N,): below it an independent model has not left the source's class; that quantile over models.

    m is its margin where the way begins, L the largest slope of that margin along the way. A model that is of another
    opinion there already bounds nothing: it has 0.
    """
    labels = predict(source, start, start.device).argmax(1)
    length = way.flatten(1).norm(dim=1).cpu().clamp_min(LEAST)
    found = []
    for model in independent:
        begun = margin(predict(model, start, start.device), labels)
        along = _asked(model, stretched)
        margins = margin(along.flatten(0, 1), labels.repeat(len(factors))).view(len(factors), -1)
        slope = ((margins - begun).abs() / (factors[:, None] * length)).amax(0).clamp_min(LEAST)
        found.append(begun.clamp_min(0) / (slope * length))
    return torch.stack(found).quantile(quantile, dim=0)


def _asked(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Logits (grid, N, C) of inputs (grid, N, ...)."""
    return predict(model, inputs.flatten(0, 1), inputs.device).unflatten(0, inputs.shape[:2])
