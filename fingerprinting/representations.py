"""How a suspect's answers to a fingerprint are read."""

import torch
import torch.nn.functional as F  # the field's standard name

from fingerprinting.fingerprints import Fingerprint
from fingerprinting.queries.primary import COMPONENTS

OFF_LABEL = 0.01  # SAC reads a top-1 label as the softmax of a one-hot vector with this value off the label


def answers(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) as they are."""
    return labels


def match_rate(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) -> (4,): per component the share of samples labelled as recorded (TIFS 2025).

    A component for which the source left no sample is left out.
    """
    agreed = (labels == fingerprint.labels).double()
    masks = [fingerprint.of_component(name) for name in COMPONENTS]
    return torch.stack([agreed[mask].mean() for mask in masks if mask.any()])


def correlation(outputs: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """logits or probabilities (n, C'), or labels (n,) -> (n, n) of (1 - cosine) / 2 between samples (SAC 2022).

    Of labels it only matters which are equal; the number of classes that sets the scale is the source's, so that a
    suspect is no farther away for having other classes.
    """
    if outputs.dim() == 1:
        classes = fingerprint.source_logits.shape[1]
        two = torch.softmax(F.one_hot(torch.tensor([0, 1]), classes).double().clamp_min(OFF_LABEL), 1)
        return (outputs[:, None] != outputs) * (1 - F.cosine_similarity(*two, dim=0)) / 2
    directions = F.normalize(outputs.double(), dim=1)
    return (1 - directions @ directions.T) / 2
