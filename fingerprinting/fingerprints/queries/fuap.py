"""FUAP (Peng et al., CVPR 2022): what a universal perturbation that fools the source does to a suspect's responses."""

import numpy as np
import torch
import torch.nn.functional as F  # the field's standard name
from sklearn.cluster import KMeans
from torch import nn

from fingerprinting.fingerprints import registry, representations
from fingerprinting.fingerprints.distances import cosine
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.fingerprints.registry import Method
from fingerprinting.fingerprints.representations import perceptron
from fingerprinting.training.trainer import predict

OVERSHOOT = 0.02  # DeepFool's: how far beyond the boundary a step goes


FUAP_XI = dict(
    cv=dict(smoke=0.1, quick=0.1, cpu=0.1, paper=10 / 255), bci=10.0
)  # infinity norm of the perturbation (10/255: Moosavi-Dezfooli et al. 2017); EEG: microvolt
FUAP_FOOLED = 0.8  # share of inputs whose label it is to change (Moosavi-Dezfooli et al. 2017)
FUAP_POINTS = dict(smoke=100, quick=500, cpu=500, paper=2_000)  # owner's examples it is made of
FUAP_STEPS = dict(smoke=5, quick=10, cpu=10, paper=50)  # at most
FUAP_NEAREST = 3  # classes to whose boundary the way is measured, the most probable ones
FUAP_VIEWS = dict(smoke=2, quick=8, cpu=8, paper=20)  # other anchors per cluster on which the encoder learns
FUAP_HIDDEN = 64  # units of the encoder
FUAP_CODE = 16  # its outputs
FUAP_TEMPERATURE = 0.1  # of the contrastive loss
FUAP_EPOCHS = dict(smoke=30, quick=100, cpu=100, paper=200)  # of the encoder
FUAP_LEARNING_RATE = 1e-3  # of the encoder


def fuap(
    owner: Owner,
    n: int,
    *,
    xi: float,
    fooled: float,
    points: int,
    steps: int,
    nearest: int,
    views: int,
    hidden: int,
    code: int,
    temperature: float,
    epochs: int,
    learning_rate: float,
) -> Queries:
    """n // 2 anchors x, then the same anchors as x + v; n counts the queries.

    extra: the weights of an encoder that learnt from the source and every reference model (its fingerprints are
    drawn in several views, another member of each cluster as its anchor).
    """
    bounds = owner.movable()
    references = {role: owner.references(role) for role in ("pirated", "independent")}
    pool = owner.drawn(points)
    inputs = owner.inputs(pool)
    perturbation = universal(
        owner.source, inputs.to(owner.device), owner.recorded.to(owner.device), bounds, xi, fooled, steps, nearest
    ).cpu()
    reached = fooling_rate(owner, inputs, perturbation, bounds)
    if reached < fooled:
        print(
            f"fuap: the perturbation changes the source's label for {reached:.0%} of {len(inputs)} inputs, not for the "
            f"{fooled:.0%} that FUAP_FOOLED asks for; a larger FUAP_XI or more FUAP_STEPS change more"
        )
    outputs = torch.softmax(owner.source_logits[pool], 1)
    cluster, anchors = clustered(outputs, max(1, n // 2), owner.generator("clusters"))
    drawn = [anchors] + [_members(cluster, owner.generator(f"view {view}")) for view in range(views)]
    asked = torch.cat([paired(inputs[chosen], perturbation, bounds) for chosen in drawn])
    logits = [predict(owner.source, asked, owner.device)]
    logits += [owner.ask(model, asked) for models in references.values() for model in models]
    stolen = torch.tensor([True] * (1 + len(references["pirated"])) + [False] * len(references["independent"]))
    representations = torch.softmax(torch.stack(logits), 2).unflatten(1, (len(drawn), -1)).flatten(0, 1).flatten(1)
    weights = trained_encoder(
        representations.to(owner.device),
        stolen.repeat_interleave(len(drawn)).to(owner.device),
        initial_perceptron((representations.shape[1], hidden, code), owner.generator("encoder")),
        temperature,
        epochs,
        learning_rate,
    )
    truth = owner.part.targets[pool[anchors]]
    return Queries(asked[: 2 * len(anchors)], truth.repeat(2), weights, {"fooling_rate": reached})


registry.add(
    Method("fuap", "probabilities", representations.code, cosine, judges="source"),
    queries=fuap,
    least=dict(points=1, steps=1, nearest=1, views=1),
)


def paired(anchors: torch.Tensor, perturbation: torch.Tensor, bounds: tuple[float, float]) -> torch.Tensor:
    """Anchors (a, ...) and the same perturbed, inside the bounds: (2a, ...)."""
    return torch.cat([anchors, (anchors + perturbation).clamp(*bounds)])


def fooling_rate(owner: Owner, inputs: torch.Tensor, perturbation: torch.Tensor, bounds: tuple[float, float]) -> float:
    """The share of inputs (n, ...) whose label by the source the perturbation (1, ...) changes."""
    before, after = (
        predict(owner.source, some, owner.device).argmax(1) for some in paired(inputs, perturbation, bounds).chunk(2)
    )
    return (before != after).double().mean().item()


def universal(
    model: nn.Module,
    inputs: torch.Tensor,
    movable: torch.Tensor,
    bounds: tuple[float, float],
    xi: float,
    fooled: float,
    steps: int,
    nearest: int,
) -> torch.Tensor:
    """v (1, ...) with an infinity norm of at most xi that changes the model's label for a share `fooled` of the inputs.

    Moosavi-Dezfooli et al. (CVPR 2017), as one batch: every input whose label still stands offers one DeepFool step
    from x + v, and v moves by their sum, which is projected on the ball.
    """
    perturbation = torch.zeros_like(inputs[:1])
    best, most = perturbation, -1.0
    labels = None
    for number in range(steps + 1):
        moved = (inputs + perturbation).clamp(*bounds)
        step, now = deepfool_step(model, moved, labels, nearest)
        labels = now if labels is None else labels
        standing = now == labels
        share = 1 - standing.double().mean().item()
        if share > most:
            best, most = perturbation, share
        if share >= fooled or number == steps:
            break
        perturbation = (perturbation + step[standing].sum(0) * movable).clamp(-xi, xi)
    return best


def deepfool_step(
    model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor | None, nearest: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The least linear step (N, ...) over the closest boundary of `labels` (N,), and the model's labels (N,).

    Only the `nearest` most probable other classes are looked at. labels None: the model's own.
    """
    inputs = inputs.detach().requires_grad_(True)
    logits = model(inputs)
    now = logits.argmax(1)
    labels = now if labels is None else labels
    own = logits.gather(1, labels[:, None])
    others = logits.detach().scatter(1, labels[:, None], -torch.inf)
    classes = others.topk(min(nearest, logits.shape[1] - 1), dim=1).indices
    best, least = torch.zeros_like(inputs), torch.full_like(own[:, 0], torch.inf)
    for rank in range(classes.shape[1]):
        gap = (logits.gather(1, classes[:, rank : rank + 1]) - own)[:, 0]
        (normal,) = torch.autograd.grad(gap.sum(), inputs, retain_graph=True)
        squared = normal.flatten(1).square().sum(1).clamp_min(torch.finfo(gap.dtype).tiny)
        distance = gap.detach().abs() / squared.sqrt()
        nearer = distance < least
        step = (gap.detach().abs() / squared).view(-1, *[1] * (inputs.dim() - 1)) * normal
        best = torch.where(nearer.view(-1, *[1] * (inputs.dim() - 1)), step, best)
        least = torch.where(nearer, distance, least)
    return (1 + OVERSHOOT) * best, now


def clustered(outputs: torch.Tensor, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """k-means of outputs (N, C): the cluster (N,) of each, and per cluster the index of the member at its centre."""
    values = outputs.double().numpy()
    count = min(count, len(np.unique(values, axis=0)))
    seed = int(torch.randint(2**31, (), generator=generator))
    found = KMeans(count, n_init=1, random_state=seed).fit(values)
    away = torch.from_numpy(found.transform(values))
    cluster = away.argmin(1)
    away[cluster[:, None] != torch.arange(count)] = torch.inf
    return cluster, away.argmin(0)


def _members(cluster: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The index of one member of each cluster, at random."""
    order = torch.randperm(len(cluster), generator=generator)
    return torch.stack([order[cluster[order] == one][0] for one in cluster.unique()])


def initial_perceptron(sizes: tuple[int, int, int], generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Weights for `perceptron`: normal, with a deviation of 1 / sqrt(inputs); no bias yet."""
    into, hidden, out = sizes
    return {
        "hidden": torch.randn(hidden, into, generator=generator) / into**0.5,
        "hidden_bias": torch.zeros(hidden),
        "out": torch.randn(out, hidden, generator=generator) / hidden**0.5,
        "out_bias": torch.zeros(out),
    }


def trained_encoder(
    representations: torch.Tensor,
    stolen: torch.Tensor,
    weights: dict[str, torch.Tensor],
    temperature: float,
    epochs: int,
    learning_rate: float,
) -> dict[str, torch.Tensor]:
    """The weights (on the CPU) after `epochs` Adam steps on readings (m, d) and whether they are of stolen models."""
    weights = {name: value.clone().to(representations.device).requires_grad_(True) for name, value in weights.items()}
    optimizer = torch.optim.Adam(weights.values(), lr=learning_rate)
    for _ in range(epochs):
        loss = supervised_contrastive(perceptron(representations, weights), stolen, temperature)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {name: value.detach().cpu() for name, value in weights.items()}


def supervised_contrastive(codes: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """Khosla et al. (NeurIPS 2020), equation 2, of codes (m, k), which are put on the unit sphere, and labels (m,).

    Mean over i of -1/|P(i)| sum over p in P(i) of log softmax_{a != i}(cos(i, a) / temperature)_p.
    """
    codes = F.normalize(codes, dim=1)
    itself = torch.eye(len(codes), dtype=torch.bool, device=codes.device)
    similarity = (codes @ codes.T / temperature).masked_fill(itself, -torch.inf)
    log_share = similarity.log_softmax(1).masked_fill(itself, 0)
    positive = (labels[:, None] == labels) & ~itself
    return -((log_share * positive).sum(1) / positive.sum(1).clamp_min(1)).mean()
