"""DeepJudge: seeds, attack and both metrics against loops of its formulas; texts are misled by their domain."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # the field's standard name
from scipy.spatial.distance import jensenshannon

from fingerprinting.data.datasets import physical
from fingerprinting.fingerprints.distances import jensen_shannon
from fingerprinting.fingerprints.owner import UnsuitedError
from fingerprinting.fingerprints.queries import deepjudge as module
from fingerprinting.fingerprints.queries.deepjudge import deepjudge
from fingerprinting.methods import METHODS
from tests.fingerprints.queries.perceptrons import network

CONSTANTS = dict(candidates=3, steps=5, step=0.05, epsilon=0.2)
ROBD, JSD = (method for method in METHODS if method.name == "deepjudge")


@pytest.fixture
def own(owner, monkeypatch):
    """An owner whose source, a random network, is right about what it says of the first 150 examples."""
    own = owner("deepjudge")
    labels = own.source_logits.argmax(1)
    targets = torch.where(torch.arange(len(labels)) < 150, labels, (labels + 1) % 10)
    part = own.part.relabelled(targets)
    monkeypatch.setattr(type(own), "part", property(lambda _: part))
    return own


def probabilities(model, inputs: torch.Tensor) -> np.ndarray:
    exponentials = np.exp(model(inputs).double().numpy())
    return exponentials / exponentials.sum(1, keepdims=True)


def surest(own) -> list[int]:
    """The examples that the source gets right, by Gini's sum of squares, in plain Python."""
    said = probabilities(own.source, physical(own.part.inputs))
    right = [row for row in range(len(said)) if said[row].argmax() == own.part.targets[row]]
    return sorted(right, key=lambda row: -sum(said[row] ** 2))


def test_the_queries_are_the_surest_seeds_adversarial_examples_that_fool_the_source(own, capsys):
    queries = deepjudge(own, 10, **CONSTANTS)
    assert queries.inputs.shape == (10, 1, 8, 8) and queries.inputs.min() >= 0 and queries.inputs.max() <= 1
    assert not (own.source(queries.inputs).argmax(1) == queries.truth).any()
    seeds = surest(own)[: 3 * 10]
    places = []
    for query, truth in zip(queries.inputs, queries.truth, strict=True):
        apart = [(query - physical(own.part.inputs[row])).abs().max().item() for row in seeds]
        places.append(int(np.argmin(apart)))
        assert min(apart) <= 0.2 + 1e-6 and own.part.targets[seeds[places[-1]]] == truth
    assert places == sorted(set(places))
    assert 0 < queries.notes["fooling_rate"] <= 1 and "adversarial examples fool the source" in capsys.readouterr().out
    assert own.used == {}


@pytest.mark.parametrize("epsilon", [0.2, 0.06])
def test_the_attack_is_a_loop_of_signed_steps(own, epsilon):
    """As released, one example at a time; an epsilon below all steps together holds them inside the ball."""
    chosen = torch.arange(6)
    moved = module._misled(own, chosen, 4, 0.05, epsilon)
    nudge = 2 * torch.rand((6, 1, 8, 8), generator=own.generator("start")) - 1
    for row in chosen.tolist():
        start = physical(own.part.inputs[row : row + 1])
        low, high = (start - epsilon).clamp_min(0), (start + epsilon).clamp_max(1)
        here = torch.minimum(torch.maximum(start + 0.05 * nudge[row : row + 1], low), high)
        for _ in range(4):
            here = here.detach().requires_grad_(True)
            F.cross_entropy(own.source(here), own.part.targets[row : row + 1]).backward()
            here = torch.minimum(torch.maximum(here + 0.05 * here.grad.sign(), low), high)
        torch.testing.assert_close(moved[row : row + 1], here.detach())


def test_a_source_that_is_not_fooled_suits_it_not(own):
    with pytest.raises(
        UnsuitedError, match="no adversarial example of deepjudge fools the source; give more DEEPJUDGE_EPSILON"
    ):
        deepjudge(own, 10, candidates=1, steps=1, step=0.0, epsilon=0.0)


def test_both_metrics_against_scipy_and_counts(own):
    queries = deepjudge(own, 10, **CONSTANTS)
    fingerprint, other = own.fingerprint(queries), network(7, 10).float()
    pairs = zip(queries.inputs, queries.truth, strict=True)
    robust = [int(other(one[None]).argmax()) == int(truth) for one, truth in pairs]
    logits = other(queries.inputs)
    assert ROBD.score(logits, fingerprint) == pytest.approx(sum(robust) / 10)  # the source's own robustness is 0
    said, ours = (probabilities(model, queries.inputs) for model in (other, own.source))
    expected = np.mean([jensenshannon(*pair) ** 2 for pair in zip(said, ours, strict=True)])
    assert JSD.score(logits, fingerprint) == pytest.approx(expected, rel=1e-4)
    assert (ROBD.output, JSD.output) == ("labels", "probabilities")


def test_divergence_of_certain_and_opposite_answers():
    one, other = torch.eye(3)[[0, 1]], torch.eye(3)[[0, 2]]
    assert jensen_shannon(one, other) == pytest.approx(np.log(2) / 2)
    assert jensen_shannon(one, one) == 0


def test_inputs_that_are_no_numbers_are_misled_by_their_domain(own, monkeypatch):
    asked = []

    def mislead(model, inputs, labels, most):
        asked.append((model is own.source, labels.tolist(), most))
        return torch.rand(inputs.shape, generator=torch.Generator().manual_seed(1))

    inputs = replace(own.study.domain.inputs, mislead=mislead, input_range=None)
    monkeypatch.setitem(vars(own.study), "domain", replace(own.study.domain, inputs=inputs))
    queries = deepjudge(own, 10, candidates=3, steps=10, step=1.0, epsilon=3.0)
    assert asked[0] == (True, own.part.targets[surest(own)[:10]].tolist(), 3) and len(queries.inputs) <= 10
    monkeypatch.setitem(vars(own.study), "domain", replace(own.study.domain, inputs=replace(inputs, mislead=None)))
    with pytest.raises(UnsuitedError, match="deepjudge moves inputs as numbers"):
        deepjudge(own, 10, **CONSTANTS)
