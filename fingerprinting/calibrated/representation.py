"""How the calibrated fingerprint reads a suspect's labels, as evidence of stealing; its row of the table of methods."""

import numpy as np
import torch

from fingerprinting.calibrated import evidence
from fingerprinting.calibrated.contents import FOR_TRANSFER, TWINS, WEIGHTS, CalibratedFingerprint, TwinsCalibration
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
    """labels (n,) -> (k,): log-odds of each stealing attack, or twins' score; other_task: labels mean other things."""
    known = CalibratedFingerprint.of(fingerprint).calibration(other_task=other_task)
    return known.traces(labels.numpy(), fingerprint.labels.numpy(), other_task=other_task)


def agreement_minus_twins(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) of the source's classes -> (): agreement with the source less the mean agreement with its twins."""
    return torch.tensor(traces(labels, fingerprint)[0])


def pattern_minus_twins(labels: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    """labels (n,) of another task -> (): how much more their pattern shares with the source's than with its twins'."""
    found, source = TwinsCalibration.read(fingerprint.extra, ""), fingerprint.labels.numpy()
    return torch.tensor(found.traces(labels.numpy(), source, other_task=True)[0])


registry.add(
    Method("calibrated", "labels", stealing_evidence, shortfall, judges="source", needs=WEIGHTS[0]),
    Method("calibrated", "labels", transfer_evidence, shortfall, judges="target", needs=FOR_TRANSFER),
    Method("calibrated", "labels", agreement_minus_twins, shortfall, judges="source", needs=TWINS),
    Method("calibrated", "labels", pattern_minus_twins, shortfall, judges="target", needs=TWINS),
)
