"""ModelDiff: its distance and score against numpy, and its pairs."""

import numpy as np
import pytest
import torch

from fingerprinting.fingerprints.distances import cosine
from fingerprinting.fingerprints.queries.modeldiff import diverged, modeldiff, score
from fingerprinting.fingerprints.representations import decision_distances
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.methods import METHODS
from tests.fingerprints.queries.perceptrons import BOUNDS, CONSTANTS, images, network


def distances_by_hand(logits: np.ndarray) -> np.ndarray:
    outputs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    half = len(outputs) // 2
    return np.array(
        [
            1 - one @ other / np.sqrt(one @ one * (other @ other))
            for one, other in zip(outputs[:half], outputs[half:], strict=True)
        ]
    )


def test_modeldiffs_distance_against_numpy_also_between_tasks():
    source, suspect = network(0)(images()), network(1, classes=3)(images())
    fingerprint = Fingerprint(images(), source.argmax(1), source.argmax(1), torch.full((12,), -1), source, {})
    first, second = (distances_by_hand(logits.numpy()) for logits in (suspect, source))
    np.testing.assert_allclose(decision_distances(source.softmax(1), fingerprint).numpy(), second, atol=1e-12)
    (method,) = (method for method in METHODS if method.name == "modeldiff")
    expected = 1 - first @ second / np.sqrt(first @ first * (second @ second))
    assert method.score(suspect, fingerprint) == pytest.approx(expected)
    assert method.score(source, fingerprint) == 0
    assert method.distance is cosine and method.judges == "any"


def test_modeldiffs_score_by_hand():
    before = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    after = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    # pairs are sqrt(2), 0 and 0 apart; partners are sqrt(2), 0 and sqrt(2) apart
    assert score(before, after).item() == pytest.approx(2**0.5 / 3 * 2 * 2**0.5 / 3)
    assert score(before[:1], after[:1]).item() == pytest.approx(2**0.5)


@pytest.mark.parametrize("epsilon", [0.02, 0.2])
def test_modeldiffs_partners_stay_near_and_raise_the_score(epsilon):
    model, inputs = network(0), images()
    nudge = torch.rand(inputs.shape, generator=torch.Generator().manual_seed(2), dtype=torch.double) * 2 - 1
    moved = diverged(model, inputs, nudge, 20, epsilon, BOUNDS)
    assert moved.min() >= 0 and moved.max() <= 1
    assert 0.9 * epsilon < (moved - inputs).abs().max() <= epsilon + 1e-12
    before = model(inputs).softmax(1)
    start = (inputs + epsilon * nudge).clamp(*BOUNDS)
    assert score(before, model(moved).softmax(1)) > 1.5 * score(before, model(start).softmax(1))


def test_a_pair_that_is_alone_still_diverges():
    model, inputs = network(0), images(1)
    nudge = torch.full_like(inputs, 0.1)
    moved = diverged(model, inputs, nudge, 20, 0.2, BOUNDS)
    before = model(inputs).softmax(1)
    assert score(before, model(moved).softmax(1)) > score(before, model(inputs + 0.02).softmax(1))


def test_modeldiffs_first_half_are_examples_and_the_second_their_partners(owner):
    used = owner("modeldiff")
    queries = modeldiff(used, 21, **CONSTANTS["modeldiff"])
    first, second = queries.inputs.chunk(2)
    assert torch.equal(first, used.inputs(used.drawn(10)))
    step = (second - first).abs().flatten(1).amax(1)
    assert (step > 0.05).all() and step.max() <= 0.1 + 1e-6
