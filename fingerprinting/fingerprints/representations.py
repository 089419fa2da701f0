"""How a suspect's responses to a fingerprint are read."""

import torch
import torch.nn.functional as F  # the field's standard name
from scipy.stats import ttest_ind

from fingerprinting.fingerprints.queries.primary import COMPONENTS
from fingerprinting.fingerprints.store import Fingerprint

KEPT = 0.5  # share of a trajectory's labels below which ADV-TRA's released code takes the rest for the source's
OFF_LABEL = 0.01  # SAC reads a top-1 label as the softmax of a one-hot vector with this value off the label


def responses(outputs: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) or probabilities (n, C) as they are."""
    return outputs


def robustness(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) -> (): the accuracy that adversarial examples leave a model (DeepJudge's Rob, 2022)."""
    return (labels == fingerprint.truth).double().mean()


def match_rate(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) -> (4,): per component the share of samples labelled as recorded (TIFS 2025).

    A component for which the source left no sample is left out.
    """
    agreed = (labels == fingerprint.labels).double()
    masks = [fingerprint.of_component(name) for name in COMPONENTS]
    return torch.stack([agreed[mask].mean() for mask in masks if mask.any()])


def own_class(outputs: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """logits or probabilities (n, C) -> (n,): each core point's output for its own class (DeepCore's L1)."""
    return outputs.double().gather(1, fingerprint.truth[:, None]).flatten()


def cosines(outputs: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """logits or probabilities (n, C') -> (n, n) of cosines between samples (DeepCore's K)."""
    directions = F.normalize(outputs.double(), dim=1)
    return directions @ directions.T


def correlation(outputs: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """logits or probabilities (n, C'), or labels (n,) -> (n, n) of (1 - cosine) / 2 between samples (SAC 2022).

    Of labels it only matters which are equal; the number of classes that sets the scale is the source's, so that a
    suspect is no farther away for having other classes.
    """
    if outputs.dim() == 1:
        classes = fingerprint.source_logits.shape[1]
        one, other = torch.softmax(F.one_hot(torch.tensor([0, 1]), classes).double().clamp_min(OFF_LABEL), 1)
        return (outputs[:, None] != outputs) * (1 - F.cosine_similarity(one, other, dim=0)) / 2
    return cosines(outputs, fingerprint).mul_(-0.5).add_(0.5)  # in place: there are as many as pairs of queries


def decision_distances(outputs: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """logits or probabilities (2 m, C') -> (m,): 1 - cosine between each sample and its partner, m places on.

    ModelDiff's decision distance vector; its paper and both released codes take logits.
    """
    first, second = outputs.double().chunk(2)
    return 1 - F.cosine_similarity(first, second)


def signature_kept(outputs: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """logits or probabilities (2 m, C') -> (): the share of the signature's bits (m,) that a model's pairs show.

    A bit is shown where the pair's decision distance lies above their mean, or does not (FIT-ModelDiff 2025).
    """
    apart = decision_distances(outputs, fingerprint)
    return ((apart > apart.mean()) == fingerprint.extra["signature"].bool()).double().mean()


def distance_matrix(logits: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """logits (n, C') -> (n n,): the Euclidean distances of all pairs, by which ModelDiff's released code compares."""
    logits = logits.double()
    return torch.cdist(logits, logits, compute_mode="donot_use_mm_for_euclid_dist").flatten()


def local_weights(outputs: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """logits or probabilities (n, C') -> (references * pieces, C'): least squares of outputs on which pieces are seen.

    Of each reference input its own, without an intercept, one below the other (Zest 2022).
    """
    sizes = fingerprint.extra["sizes"].tolist()
    each = zip(fingerprint.extra["fit"].split(sizes), outputs.double().split(sizes), strict=True)
    return torch.cat([fit.T @ said for fit, said in each])


def code(probabilities: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """probabilities (n, C) -> (k,): what FUAP's encoder, whose weights the fingerprint carries, makes of them all."""
    return perceptron(probabilities.flatten(), fingerprint.extra)


def perceptron(inputs: torch.Tensor, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """inputs (..., d) -> (..., k) through one hidden layer of rectified units."""
    active = F.linear(inputs, weights["hidden"], weights["hidden_bias"]).relu()
    return F.linear(active, weights["out"], weights["out_bias"])


def votes(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) -> (fingerprints,): whether enough of its views are labelled as recorded (IrisFP 2026)."""
    thresholds = fingerprint.extra["thresholds"]
    agreed = (labels == fingerprint.labels).to(thresholds.dtype)
    return agreed.view(len(thresholds), -1).mean(1) >= thresholds


def trajectories_kept(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (trajectories * points,) -> (trajectories,): whether less than half of each one's labels are other ones.

    ADV-TRA's released decision (2024); the share of trajectories that a suspect keeps is its detection rate.
    """
    points = int(fingerprint.extra["trajectory_points"])
    return (labels != fingerprint.labels).view(-1, points).double().mean(1) < KEPT


def membership(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (points * walks * steps,) -> (): Welch's t of the confidence that an example was trained on.

    Of the owner's training examples against the held-out ones (Dataset Inference 2021): the larger, the more evidence;
    0 where the suspect makes no difference at all.
    """
    inside, steps = fingerprint.extra["inside"], int(fingerprint.extra["steps"])
    flips = steps_until_flip(labels.view(len(inside), -1, steps), fingerprint.truth.view(len(inside), -1)[:, 0])
    if (flips == flips[0]).all():
        return torch.zeros((), dtype=torch.double)
    confidence = membership_confidence(flips, fingerprint.extra).double().numpy()
    found = ttest_ind(confidence[inside.numpy()], confidence[~inside.numpy()], equal_var=False)
    return torch.tensor(found.statistic, dtype=torch.double)


def steps_until_flip(labels: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """labels (N, walks, steps) along walks, truth (N,) -> (N, walks): steps before the first that is not the truth."""
    return (labels == truth[:, None, None]).int().cumprod(2).sum(2).float()


def membership_confidence(flips: torch.Tensor, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """Steps until the flip (N, walks) -> (N,) in [-1, 1]: near 1 for what looks like a training example."""
    return perceptron((flips - weights["mean"]) / weights["deviation"], weights)[:, 0].tanh()
