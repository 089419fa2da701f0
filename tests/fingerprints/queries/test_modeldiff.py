"""ModelDiff: its distance and score against numpy, and its pairs."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.spatial.distance import cosine as cosine_distance

from fingerprinting.fingerprints.distances import cosine
from fingerprinting.fingerprints.queries.modeldiff import diverged, modeldiff, score
from fingerprinting.fingerprints.representations import decision_distances, distance_matrix
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.methods import METHODS
from tests.fingerprints.queries.perceptrons import BOUNDS, CONSTANTS, images, network

ROWS = {(method.output, method.representation): method for method in METHODS if method.name == "modeldiff"}


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def distances_by_hand(outputs: np.ndarray) -> np.ndarray:
    half = len(outputs) // 2
    return np.array(
        [
            1 - one @ other / np.sqrt(one @ one * (other @ other))
            for one, other in zip(outputs[:half], outputs[half:], strict=True)
        ]
    )


def fingerprint_of(source: torch.Tensor) -> Fingerprint:
    return Fingerprint(images(), source.argmax(1), source.argmax(1), torch.full((12,), -1), source, {})


@pytest.mark.parametrize("output", ["probabilities", "logits"])
def test_modeldiffs_distance_against_numpy_also_between_tasks(output):
    source, suspect = network(0)(images()), network(1, classes=3)(images())
    fingerprint, method = fingerprint_of(source), ROWS[output, decision_distances]
    first, second = (
        distances_by_hand(softmax(logits.numpy()) if output == "probabilities" else logits.numpy())
        for logits in (suspect, source)
    )
    expected = 1 - first @ second / np.sqrt(first @ first * (second @ second))
    assert method.score(suspect, fingerprint) == pytest.approx(expected)
    assert method.score(source, fingerprint) == 0
    assert method.distance is cosine and method.judges == "any"


def released(source: np.ndarray, suspect: np.ndarray) -> float:
    """The number that the released comparison returns, from what its formulas say: it falls with similarity."""
    matrices = [cdist(logits, logits) for logits in (source, suspect)]
    similar = 1 - cosine_distance(*(matrix.ravel() for matrix in matrices))
    return 1 - (similar + 1) / 2


def test_the_matrix_of_distances_orders_suspects_as_the_released_comparison_does_the_other_way_round():
    source, method = network(0)(images()), ROWS["logits", distance_matrix]
    fingerprint = fingerprint_of(source)
    suspects = [network(seed, classes)(images()) for seed, classes in ((1, 3), (2, 5), (3, 7))]
    np.testing.assert_allclose(
        distance_matrix(source, fingerprint).view(12, 12).numpy(), cdist(source.numpy(), source.numpy()), atol=1e-12
    )
    for logits in suspects:
        assert method.score(logits, fingerprint) == pytest.approx(2 * released(source.numpy(), logits.numpy()))
    assert method.score(source, fingerprint) == 0 == pytest.approx(released(source.numpy(), source.numpy()))
    assert method.judges == "any"


def test_all_three_ways_to_read_modeldiff_are_rows_and_the_first_asks_least():
    assert list(ROWS) == [
        ("probabilities", decision_distances),
        ("logits", decision_distances),
        ("logits", distance_matrix),
    ]


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
