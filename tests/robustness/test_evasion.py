"""What an attacker gives out instead of its model's responses, by hand."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from fingerprinting.core.errors import UserError
from fingerprinting.robustness import evasion
from fingerprinting.robustness.attacker import Attacker
from fingerprinting.robustness.evasion import PERTURBATIONS
from tests.robustness.attacker import ATTACKER, CONSTANTS, draw

LOGITS = torch.tensor([[0.0, math.log(2.0), math.log(7.0)], [math.log(0.4996), math.log(0.5004), -30.0]])


def given(name: str, **changes) -> torch.Tensor:
    return PERTURBATIONS[name](LOGITS, replace(ATTACKER.evasion, **changes), draw())


def test_rounded_responses_by_hand():
    probabilities = torch.softmax(given("rounded", decimals=1), 1)
    assert torch.allclose(probabilities[0], torch.tensor([0.1, 0.2, 0.7]), atol=3e-3)
    assert torch.allclose(probabilities[1], torch.tensor([0.5, 0.5, 0.0]), atol=3e-3)
    assert torch.equal(given("rounded", decimals=1).argmax(1), LOGITS.argmax(1))  # a tie keeps the model's label


def test_top_1_responses_by_hand():
    expected = F.one_hot(LOGITS.argmax(1), 3).float()
    assert torch.allclose(torch.softmax(given("top_1"), 1), expected, atol=3e-3)
    assert torch.equal(given("top_1")[0, :2], torch.full((2,), math.log(evasion.NOUGHT)))


def test_a_temperature_by_hand():
    weights = torch.tensor([1.0, 2.0, 7.0]).sqrt()
    assert torch.allclose(torch.softmax(given("temperature", temperature=2.0), 1)[0], weights / weights.sum())
    assert torch.equal(given("temperature").argmax(1), LOGITS.argmax(1))


def test_noise_is_of_the_given_deviation_and_seeded():
    logits = torch.zeros(4000, 4)
    noisy = PERTURBATIONS["noise"](logits, replace(ATTACKER.evasion, noise=0.02), draw()).exp()
    assert noisy.std().item() == pytest.approx(0.02, rel=0.05) and noisy.mean().item() == pytest.approx(0.25, abs=1e-3)
    assert torch.equal(given("noise"), given("noise")) and not torch.equal(given("noise", noise=0.0), given("noise"))


def test_random_responses_only_where_flagged_and_every_label_alike():
    logits = torch.randn(3000, 3, generator=draw()) + torch.tensor([3.0, 0.0, 0.0])
    flagged = torch.arange(3000) % 2 == 0
    answered = evasion.at_random(logits, flagged, draw(1))
    assert torch.equal(answered[~flagged], logits[~flagged])
    assert torch.equal(answered.sort(1).values, logits.sort(1).values)  # as sure as it was
    shares = answered[flagged].argmax(1).bincount(minlength=3) / flagged.sum()
    assert torch.allclose(shares, torch.full((3,), 1 / 3), atol=0.04)
    assert torch.equal(answered, evasion.at_random(logits, flagged, draw(1)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("held_out", 1.0), ("evasion_fpr", 0.0), ("evasion_fpr", 5.0), ("temperature", 0.0), ("removal_copies", 0)],
)
def test_an_attacker_that_cannot_be(name, value):
    with pytest.raises(UserError, match=f"{name.upper()}={value} must"):
        Attacker.of(**{**CONSTANTS, name: value})
