"""What is flagged: thresholds that hold on new inputs, fitted on the attacker's own data alone."""

import math

import numpy as np
import pytest
import torch

from fingerprinting.robustness import evasion
from fingerprinting.robustness.evasion import QueryDetector
from fingerprinting.robustness.query_detector import FittedDetector
from tests.domains import changed
from tests.robustness.attacker import ATTACKER, draw


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_new_benign_inputs_are_flagged_no_more_often_than_promised_and_hardly_less(share):
    """Over 400 attackers of 199 held-out inputs each: the mean rate on new inputs, whatever the scores."""
    scores = torch.randn(400, 199 + 1000, generator=draw()).exp()
    rates = [(row[199:] > evasion.threshold(row[:199], share)).double().mean().item() for row in scores]
    error = 3 * np.std(rates) / math.sqrt(len(rates))
    assert share - 1 / 200 - error <= np.mean(rates) <= share + error


def test_a_threshold_by_hand():
    assert evasion.threshold(torch.arange(1.0, 100.0), 0.05) == 95  # the 95th of 99: (99 + 1) * 0.95
    assert evasion.threshold(torch.tensor([3.0, 1.0, 2.0]), 0.01) == 3  # too few for 1%: nothing seen is flagged


class Parts(dict):
    """The parts of a study, which remember who was asked for."""

    def __init__(self, parts: dict) -> None:
        super().__init__(parts)
        self.asked: set[str] = set()

    def __getitem__(self, name: str):
        self.asked.add(name)
        return super().__getitem__(name)


def test_the_attacker_fits_and_calibrates_on_disjoint_halves_of_the_attackers_part_alone(study, monkeypatch):
    parts, fitted_on, scored = Parts(study.parts), [], []

    def query_detector(inputs, detector, name, device, bounds) -> QueryDetector:
        fitted_on.append(inputs)
        return QueryDetector(lambda asked: scored.append(asked) or asked.flatten(1).double().mean(1), {})

    monkeypatch.setattr(type(study), "parts", property(lambda _: parts))
    study.__dict__["domain"] = changed(study.domain, query_detector=query_detector)
    fitted = FittedDetector(study, ATTACKER)
    assert parts.asked == {"attacker"}
    attacker = study.parts["attacker"].inputs
    (fitted_inputs,), (calibration,) = fitted_on, scored
    rows = [set(map(bytes, part.flatten(1).numpy())) for part in (fitted_inputs, calibration, attacker)]
    assert not rows[0] & rows[1] and rows[0] | rows[1] == rows[2]
    assert len(calibration) == round(ATTACKER.detector.held_out * len(attacker))
    parts.asked.clear()
    fitted.detection(attacker[:5])
    assert parts.asked == {"test"}  # measured on, after everything was chosen
    assert fitted.thresholds["fpr5"] == evasion.threshold(calibration.flatten(1).double().mean(1), 0.05)
