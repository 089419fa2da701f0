"""Zest: pieces, masks, regressions and alignment against one input, mask and class at a time."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from fingerprinting.data.datasets import physical
from fingerprinting.fingerprints.distances import aligned_cosine
from fingerprinting.fingerprints.queries.zest import blocks, some_masks, zest
from fingerprinting.fingerprints.representations import local_weights
from fingerprinting.methods import METHODS
from nlp.data import LENGTH, decode, encode
from nlp.inputs import runs
from tests.fingerprints.queries.linear import fingerprint_of
from tests.fingerprints.queries.perceptrons import network

CONSTANTS = dict(references=5, masks=30, pieces=4)
BY_PROBABILITIES, BY_LOGITS = (method for method in METHODS if method.name == "zest")


def test_an_image_is_cut_into_a_grid():
    image, background = torch.arange(2 * 4 * 6.0).view(2, 4, 6), torch.tensor([-1.0, -2.0]).view(2, 1, 1)
    count, seen = blocks(image, 5, background)
    assert count == 4  # two by two; five would be no grid
    found = seen(torch.tensor([[True] * 4, [False, True, True, False]]))
    assert torch.equal(found[0], image)
    for channel, row, column in np.ndindex(2, 4, 6):
        kept = (row < 2) != (column < 3)  # the second and third piece: upper right, lower left
        expected = image[channel, row, column] if kept else -1.0 - channel
        assert found[1, channel, row, column] == expected


@pytest.mark.parametrize("shape", [(3, 10), (7,)], ids=["recording", "features"])
def test_one_axis_is_cut_into_windows(shape):
    one = torch.arange(1.0, 1 + np.prod(shape)).view(shape)
    count, seen = blocks(one, 3, torch.zeros(()))
    parts = [seen(torch.eye(3, dtype=torch.bool)[[piece]])[0] for piece in range(count)]
    assert count == 3 and torch.equal(sum(parts), one)
    edges = [part.flatten(0, -2).any(0) if part.dim() > 1 else part.bool() for part in parts]
    for own in edges:  # each is one run
        assert (own.int().diff() != 0).sum() == (1 if own[0] or own[-1] else 2)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=LENGTH), st.integers(1, 9))
def test_a_text_loses_whole_runs_and_stays_text(text, most):
    (inputs,) = encode([text])
    (text,) = decode(inputs[None])
    count, seen = runs(inputs, most)
    assert count == min(most, len(text))
    everything = seen(torch.ones(1, count, dtype=torch.bool))
    assert torch.equal(everything, inputs[None])
    alone = decode(seen(torch.eye(count, dtype=torch.bool)))
    assert "".join(alone) == text and all(alone)
    without = decode(seen(~torch.eye(count, dtype=torch.bool)))
    assert [len(one) for one in without] == [len(text) - len(run) for run in alone]


@given(st.integers(0, 70), st.integers(1, 40))
def test_masks_differ_and_the_first_hides_nothing(pieces, count):
    found = some_masks(pieces, count, random.Random(1))
    assert found.shape == (max(1, min(count, 2**pieces - 1)), pieces) and found[0].all()
    rows = {tuple(row) for row in found.tolist()}
    assert len(rows) == len(found) and (pieces == 0 or found.any(1).all())


def test_a_piece_is_hidden_half_of_the_time():
    assert some_masks(16, 4_000, random.Random(2)).double().mean() == pytest.approx(0.5, abs=0.01)


def test_the_weights_are_those_of_a_regression_of_each_reference_input(owner, capsys):
    own = owner("zest")
    queries = zest(own, 100, **CONSTANTS)
    assert len(queries.inputs) == 5 * 15 and "75 about 5 inputs" in capsys.readouterr().out  # all masks of four pieces
    other = network(7, 6).float()
    logits = other(queries.inputs)
    fingerprint = fingerprint_of(queries.truth, queries.truth, queries.extra)
    weights = local_weights(logits, fingerprint).view(5, 4, 6)
    originals = [physical(own.part.inputs[row]) for row in own.drawn(5)]
    for number, original in enumerate(originals):
        asked = queries.inputs[15 * number : 15 * (number + 1)]
        assert torch.equal(asked[0], original)
        corners = [
            (slice(0, 4), slice(0, 4)),
            (slice(0, 4), slice(4, 8)),
            (slice(4, 8), slice(0, 4)),
            (slice(4, 8),) * 2,
        ]
        seen = np.array([[torch.equal(one[0][c], original[0][c]) for c in corners] for one in asked], dtype=float)
        assert len(np.unique(seen, axis=0)) == 15
        hidden = asked[np.flatnonzero(seen[:, 0] == 0)[0], 0, :4, :4]
        assert hidden.unique().numel() == 1 and hidden[0, 0] == pytest.approx(own_mean(own), abs=1e-5)
        said = other(asked).numpy()
        expected = LinearRegression(fit_intercept=False).fit(seen, said).coef_.T
        np.testing.assert_allclose(weights[number].numpy(), expected, atol=1e-4)


def own_mean(own) -> float:
    return float(np.mean([physical(own.part.inputs[row]).mean() for row in own.drawn(1_000)]))


def by_hand(suspect: np.ndarray, source: np.ndarray) -> float:
    """The released way, in plain Python: of all pairs of classes still free the nearest, until one side has none."""

    def apart(one, other):
        return 1 - one @ other / np.sqrt((one @ one) * (other @ other))

    free = {(i, j): apart(suspect[:, i], source[:, j]) for i in range(suspect.shape[1]) for j in range(source.shape[1])}
    pairs = []
    while free:
        i, j = min(free, key=free.get)
        pairs.append((i, j))
        free = {pair: value for pair, value in free.items() if pair[0] != i and pair[1] != j}
    beside = [(suspect[:, i], source[:, j]) for i, j in pairs]
    return apart(*map(np.concatenate, zip(*beside, strict=True)))


@pytest.mark.parametrize("classes", [(4, 4), (2, 5), (5, 2)])
def test_classes_are_aligned_greedily(classes):
    draw = np.random.default_rng(3)
    suspect, source = (draw.normal(size=(12, count)) for count in classes)
    found = aligned_cosine(torch.tensor(suspect), torch.tensor(source))
    assert found == pytest.approx(by_hand(suspect, source))
    shuffled = torch.tensor(suspect[:, ::-1].copy())
    assert aligned_cosine(shuffled, torch.tensor(source)) == pytest.approx(found)


def test_the_source_is_at_no_distance_and_a_copy_nearer_than_another_network(owner):
    own = owner("zest")
    fingerprint = own.fingerprint(zest(own, 100, **CONSTANTS))
    copy = own.opened(own.references("pirated")[0])
    for method in (BY_PROBABILITIES, BY_LOGITS):
        assert method.score(fingerprint.source_logits, fingerprint) == 0
        near, far = (method.score(model(fingerprint.inputs), fingerprint) for model in (copy, network(7, 10).float()))
        assert 0 < near < far


def test_minus_twins_is_the_distance_less_the_mean_distance_to_twins(owner):
    own = owner("zest")
    fingerprint = own.fingerprint(zest(own, 100, **CONSTANTS))
    suspect, *twins = (network(seed, 10).float()(fingerprint.inputs) for seed in (7, 8, 9))
    less = replace(BY_LOGITS, minus_twins=True)
    apart = [BY_LOGITS.score(suspect, fingerprint.of(twin)) for twin in twins]
    expected = BY_LOGITS.score(suspect, fingerprint) - np.mean(apart)
    assert less.score(suspect, fingerprint, twins) == pytest.approx(expected)
