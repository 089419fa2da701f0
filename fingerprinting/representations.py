"""How a suspect's answers to a fingerprint are read."""

import torch
import torch.nn.functional as F  # the field's standard name

from fingerprinting.fingerprints import Fingerprint
from fingerprinting.queries.primary import COMPONENTS

OFF_LABEL = 0.01  # SAC's reading of a top-1 label: softmax of a one-hot vector with this off-value


def match_rate(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) -> (4,): per component the share of samples labelled as recorded (TIFS 2025)."""
    agreed = (labels == fingerprint.labels).double()
    return torch.stack([agreed[fingerprint.of_component(name)].mean() for name in COMPONENTS])


def correlation(outputs: torch.Tensor, _fingerprint: Fingerprint) -> torch.Tensor:
    """logits or probabilities (n, C), or labels (n,) -> (n, n) of (1 - cosine) / 2 between samples (SAC 2022)."""
    if outputs.dim() == 1:
        outputs = torch.softmax(F.one_hot(outputs).double().clamp_min(OFF_LABEL), 1)
    directions = F.normalize(outputs.double(), dim=1)
    return (1 - directions @ directions.T) / 2
