"""How the calibrated fingerprint reads a suspect's labels, as evidence of stealing; its row of the table of methods."""

import numpy as np
import torch

from fingerprinting.calibrated import evidence
from fingerprinting.calibrated.contents import FOR_TRANSFER, CalibratedFingerprint
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.distances import shortfall
from fingerprinting.fingerprints.registry import Method
from fingerprinting.fingerprints.store import Fingerprint


def stealing_evidence(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) -> (): log-odds that a model of the source's task was stolen (calibrated fingerprint)."""
    return torch.tensor(evidence.combined(traces(labels, fingerprint)))


def transfer_evidence(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) of another task -> (): log-odds that its model was moved there from the source."""
    return torch.tensor(evidence.combined(traces(labels, fingerprint, other_task=True)))


def traces(labels: torch.Tensor, fingerprint: Fingerprint, *, other_task: bool = False) -> np.ndarray:
    """labels (n,) -> (k,): log-odds of each stealing attack; other_task: from labels that mean other things."""
    weights = CalibratedFingerprint.of(fingerprint).calibration(other_task=other_task).weights
    if other_task:
        return weights.evidence(evidence.same_response(labels.numpy()))
    return weights.evidence((labels == fingerprint.labels).double().numpy())


registry.add(
    Method("calibrated", "labels", stealing_evidence, shortfall, judges="source"),
    Method("calibrated", "labels", transfer_evidence, shortfall, judges="target", needs=FOR_TRANSFER),
)
