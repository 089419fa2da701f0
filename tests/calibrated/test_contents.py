"""What a calibrated fingerprint holds, as a class and in its file."""

import numpy as np
import pytest
import torch

from fingerprinting.calibrated.contents import CalibratedFingerprint, Calibration, Controls
from fingerprinting.calibrated.evidence import Weights, combined
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints.store import Fingerprint

# Digests of files that records hold depend on these names.
NAMES = {"centre", "coefficients", "intercepts", "honest", "thefts"}
CONTROLS = {"control_inputs", "control_truth", "honest_ability"}


def calibration(n: int, seed: int) -> Calibration:
    draw = np.random.default_rng(seed)
    weights = Weights(draw.random(n), draw.normal(size=(2, n)), draw.normal(size=2))
    return Calibration.of(weights, draw.integers(0, 2, (7, n)).astype(float), draw.normal(size=5))


def held(transfer: bool) -> CalibratedFingerprint:
    controls = Controls(torch.rand(3, 1, 8, 8), torch.arange(3), torch.linspace(0.5, 1, 7, dtype=torch.double))
    return CalibratedFingerprint(calibration(6, 0), calibration(15, 1) if transfer else None, controls)


def fingerprint(extra: dict[str, torch.Tensor]) -> Fingerprint:
    return Fingerprint(*(torch.zeros(6) for _ in range(5)), metadata={}, extra=extra)


@pytest.mark.parametrize("transfer", [True, False])
def test_what_is_written_is_read(transfer):
    written = held(transfer).extra
    assert set(written) == NAMES | CONTROLS | ({f"transfer_{name}" for name in NAMES} if transfer else set())
    again = CalibratedFingerprint.of(fingerprint(written))
    assert again.extra.keys() == written.keys()
    assert all(torch.equal(value, written[name]) for name, value in again.extra.items())


def test_the_evidence_of_calibration_models_is_that_of_their_features():
    weights = Weights(np.array([0.5, 0.25]), np.array([[1.0, 2.0]]), np.array([0.125]))
    features = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert Calibration.of(weights, features, np.zeros(1)).independent == pytest.approx([0.125, 1.125])
    assert combined(weights.evidence(features)) == pytest.approx([0.125, 1.125])


def test_a_suspect_of_another_task_needs_references_of_one():
    assert len(held(True).calibration(other_task=True).weights.centre) == 15
    assert len(held(False).calibration(other_task=False).weights.centre) == 6
    with pytest.raises(
        UserError, match="cannot judge a suspect of another task: it had no models of one to compare with"
    ):
        held(False).calibration(other_task=True)
