"""IrisFP (Geng et al., arXiv 2603.24996): points where all of the source's boundaries meet, each in several views.

The paper's code is not public; constants that could not be read are this project's choice.
"""

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.core import statistics
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.distances import hamming
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.fingerprints.queries.descent import descend
from fingerprinting.fingerprints.registry import Method
from fingerprinting.fingerprints.representations import votes
from fingerprinting.training.trainer import predict

IRISFP_VIEWS = 5  # inputs per fingerprint
IRISFP_CANDIDATES = 10.0  # points per fingerprint kept
IRISFP_MARGIN = 0.3  # by how much the target class is more probable than an even share
IRISFP_STEPS = dict(smoke=10, quick=100, cpu=100, paper=500)  # of Adam, towards the meeting point
IRISFP_LEARNING_RATE = dict(cv=0.03, bci=1.5)  # of Adam; EEG: microvolt
IRISFP_RADIUS = dict(cv=0.1, bci=5.0)  # infinity norm of the views' noise; EEG: microvolt


def irisfp(
    owner: Owner,
    n: int,
    *,
    views: int,
    candidates: float,
    margin: float,
    steps: int,
    learning_rate: float,
    radius: float,
) -> Queries:
    """n // views fingerprints of `views` inputs each, fingerprint by fingerprint; n counts the inputs.

    Of `candidates` times as many, those with the largest effect size between pirated and independent reference models.
    extra: thresholds (fingerprints,), the share of views on which a suspect must agree.
    """
    bounds = owner.movable()
    references = [owner.references(role) for role in ("pirated", "independent")]
    count, movable = max(1, n // views), owner.recorded
    chosen = owner.drawn(round(candidates * count))
    seeds = owner.inputs(chosen)
    classes = owner.source_logits.shape[1]
    other = torch.randint(1, classes, (len(chosen),), generator=owner.generator("targets"))
    targets = (owner.source_logits[chosen].argmax(1) + other) % classes
    points = to_meeting_point(
        owner.source,
        seeds.to(owner.device),
        targets.to(owner.device),
        movable.to(owner.device),
        bounds,
        margin,
        steps,
        learning_rate,
    ).cpu()
    inputs = viewed(points, views, radius * movable, bounds, owner.generator("views"))
    labels = predict(owner.source, inputs.flatten(0, 1), owner.device).argmax(1)
    pirated, independent = (
        torch.stack(
            [
                (owner.ask(model, inputs.flatten(0, 1)).argmax(1) == labels).double().view(-1, views).mean(1)
                for model in models
            ]
        )
        for models in references
    )
    effect = effect_size(pirated, independent)
    best = effect.argsort(descending=True, stable=True)[:count]
    print(f"irisfp: effect sizes of the {len(best)} fingerprints kept {effect[best].min():.2f} to {effect.max():.2f}")
    thresholds = torch.tensor([agreement_needed(pirated[:, index], independent[:, index]) for index in best])
    truth = owner.part.targets[chosen[best]].repeat_interleave(views)
    return Queries(inputs[best].flatten(0, 1), truth, {"thresholds": thresholds})


registry.add(
    Method("irisfp", "labels", votes, hamming, judges="source"), queries=irisfp, least=dict(views=1, candidates=1)
)


def to_meeting_point(
    model: nn.Module,
    seeds: torch.Tensor,
    targets: torch.Tensor,
    movable: torch.Tensor,
    bounds: tuple[float, float],
    margin: float,
    steps: int,
    learning_rate: float,
) -> torch.Tensor:
    """Seeds (N, ...) moved by Adam to where the model's output is uniform, but for `margin` more of the target class.

    The loss is the cross-entropy with that output.
    """

    def loss(moved: torch.Tensor) -> torch.Tensor:
        logits = model(moved)
        aim = (1 - margin) / logits.shape[1] + margin * F.one_hot(targets, logits.shape[1])
        return F.cross_entropy(logits, aim.to(logits.dtype), reduction="none")

    return descend(seeds, loss, steps, learning_rate, bounds, movable)


def viewed(
    points: torch.Tensor,
    views: int,
    radius: torch.Tensor,
    bounds: tuple[float, float],
    generator: torch.Generator,
) -> torch.Tensor:
    """Points (N, ...) -> (N, views, ...): the point itself, then it with uniform noise of up to `radius`."""
    noise = 2 * torch.rand(len(points), views, *points.shape[1:], generator=generator) - 1
    noise[:, 0] = 0
    return (points[:, None] + radius * noise).clamp(*bounds)


def effect_size(pirated: torch.Tensor, independent: torch.Tensor) -> torch.Tensor:
    """Cohen's d (N,) of values (models, N): difference of the means over the pooled deviation.

    Where neither group varies it is infinite, or 0 if they do not differ either.
    """
    counts = [len(values) for values in (pirated, independent)]
    variances = [values.var(0, correction=0) * len(values) for values in (pirated, independent)]
    pooled = ((variances[0] + variances[1]) / max(1, sum(counts) - 2)).sqrt()
    difference = pirated.mean(0) - independent.mean(0)
    return torch.where(difference == 0, 0, difference / pooled)


def agreement_needed(pirated: torch.Tensor, independent: torch.Tensor) -> float:
    """The share of views from which on a model counts as stolen: least errors on these reference models' shares.

    At most 1, so that the source itself is never acquitted.
    """
    return min(1.0, 1 - statistics.threshold((1 - pirated).numpy(), (1 - independent).numpy()))
