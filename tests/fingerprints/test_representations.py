"""How responses are read and compared: by hand, against a numpy double loop, never with more than a suspect gives."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fingerprinting.fingerprints.distances import euclidean, mean_absolute
from fingerprinting.fingerprints.queries.primary import COMPONENTS
from fingerprinting.fingerprints.registry import OUTPUTS
from fingerprinting.fingerprints.representations import correlation, match_rate
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.methods import METHODS, Method, and_minus_twins

# Their readings need what their queries learnt: tests of their own.
LEARNED = {"fuap", "irisfp", "dataset_inference", "calibrated"}
PLAIN = [method for method in METHODS if method.name not in LEARNED and not method.needs]
BY_LABELS = [method for method in PLAIN if method.output == "labels"]
BY_PROBABILITIES = [method for method in PLAIN if method.output == "probabilities"]


def keys(methods: list[Method]) -> dict:
    return dict(argvalues=methods, ids=[method.key for method in methods])


def logits_of(count: int = 24, classes: int = 10, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, classes, generator=torch.Generator().manual_seed(seed)) * 3


def fingerprint_of(logits: torch.Tensor, labels: list[int] | None = None, component: list[int] | None = None):
    count = len(logits)
    recorded = logits.argmax(1) if labels is None else torch.tensor(labels)
    indices = torch.arange(count) % len(COMPONENTS) if component is None else torch.tensor(component)
    return Fingerprint(torch.zeros(count, 1), recorded, recorded, indices, logits, {})


def double_loop(outputs: np.ndarray) -> np.ndarray:
    matrix = np.empty((len(outputs), len(outputs)))
    for i, one in enumerate(outputs):
        for j, other in enumerate(outputs):
            matrix[i, j] = (1 - (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())) / 2
    return matrix


def test_match_rate_by_hand():
    fingerprint = fingerprint_of(torch.zeros(7, 3), [0, 1, 2, 0, 1, 2, 0], [0, 0, 1, 1, 1, 2, 3])
    suspect = torch.tensor([0, 2, 2, 0, 2, 2, 1])
    assert match_rate(suspect, fingerprint).tolist() == [1 / 2, 2 / 3, 1.0, 0.0]


def test_match_rate_has_one_share_per_component_in_their_order():
    fingerprint = fingerprint_of(torch.zeros(8, 3), [0] * 8, [0, 0, 1, 1, 2, 2, 3, 3])
    for index, name in enumerate(COMPONENTS):
        rates = match_rate(torch.where(fingerprint.of_component(name), 0, 1), fingerprint)
        assert rates.tolist() == [float(position == index) for position in range(4)]


def test_match_rate_leaves_out_a_component_without_samples():
    fingerprint = fingerprint_of(torch.zeros(3, 3), [0, 1, 2], [0, 1, 3])
    assert match_rate(torch.tensor([0, 0, 2]), fingerprint).tolist() == [1.0, 0.0, 1.0]


def test_match_rate_compares_with_the_recorded_label_not_with_the_sources_response():
    logits = torch.eye(4)
    fingerprint = fingerprint_of(logits, [1, 1, 2, 0], [0, 1, 2, 3])
    assert match_rate(logits.argmax(1), fingerprint).tolist() == [0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("output", ["logits", "probabilities"])
@pytest.mark.parametrize("classes", [2, 10])
def test_correlation_equals_a_double_loop(output, classes):
    logits = logits_of(classes=classes)
    outputs = OUTPUTS[output](logits)
    found = correlation(outputs, fingerprint_of(logits))
    np.testing.assert_allclose(found.numpy(), double_loop(outputs.double().numpy()), atol=1e-12)


def test_correlation_of_labels_is_that_of_a_softened_one_hot():
    logits = torch.cat([torch.eye(10), logits_of()])
    labels = logits.argmax(1)
    one_hot = np.where(labels.numpy()[:, None] == np.arange(10), 1.0, 0.01)
    softened = np.exp(one_hot) / np.exp(one_hot).sum(1, keepdims=True)
    found = correlation(labels, fingerprint_of(logits))
    np.testing.assert_allclose(found.numpy(), double_loop(softened), atol=1e-12)
    assert len(np.unique(found.numpy().round(9))) == 2


@pytest.mark.parametrize("suspect", [[0, 1, 2, 2, 0], [7, 1, 2, 2, 7], [9, 8, 3, 3, 9], [99, 5, 41, 41, 99]], ids=str)
def test_correlation_of_labels_depends_on_which_are_equal_only(suspect):
    """Else a suspect would seem farther away because it has other classes, or never answers the last one."""
    source = torch.tensor([0, 1, 9, 9, 0])
    fingerprint = fingerprint_of(torch.eye(10)[source])
    found, expected = (correlation(torch.tensor(labels), fingerprint) for labels in (suspect, source.tolist()))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("output", list(OUTPUTS))
@pytest.mark.parametrize("classes", [2, 4, 100])
def test_correlation_takes_a_suspect_with_other_classes(output, classes):
    fingerprint = fingerprint_of(logits_of(classes=10))
    method = Method("primary", output, correlation, mean_absolute)
    score = method.score(logits_of(classes=classes, seed=1), fingerprint)
    assert 0 < score < 1


def test_correlation_sees_the_geometry_not_the_classes():
    """Rotated and rescaled logits with ten more classes have the same cosines."""
    logits = logits_of()
    rotation, _ = torch.linalg.qr(logits_of(20, 20, seed=2))
    moved = 5 * torch.cat([logits, torch.zeros_like(logits)], 1) @ rotation
    assert Method("primary", "logits", correlation, mean_absolute).score(moved, fingerprint_of(logits)) < 1e-6


def test_distances_by_hand():
    suspect, source = torch.tensor([1.0, 0.5, 0.0, 1.0]), torch.tensor([1.0, 0.0, 1.0, 0.5])
    assert euclidean(suspect, source) == pytest.approx(np.sqrt(0.25 + 1 + 0.25))
    assert mean_absolute(suspect, source) == pytest.approx(2 / 4)
    matrix = torch.tensor([[0.0, 0.3], [0.3, 0.0]])
    assert mean_absolute(matrix, torch.zeros(2, 2)) == pytest.approx(0.15)


@pytest.mark.parametrize("method", **keys(PLAIN))
def test_the_source_itself_has_distance_zero_and_another_model_has_not(method):
    fingerprint = fingerprint_of(logits_of())
    assert method.score(fingerprint.source_logits.clone(), fingerprint) == 0
    assert method.score(logits_of(seed=1), fingerprint) > 0.01


@pytest.mark.parametrize("method", **keys(PLAIN))
def test_a_nearer_suspect_scores_lower(method):
    source = logits_of(200)
    near, far = (source + share * logits_of(200, seed=5) for share in (0.1, 1.0))
    fingerprint = fingerprint_of(source)
    assert method.score(near, fingerprint) < method.score(far, fingerprint)


@pytest.mark.parametrize("method", **keys(BY_LABELS))
def test_labels_tell_nothing_but_the_argmax(method):
    fingerprint, suspect = fingerprint_of(logits_of()), logits_of(seed=1)
    other = logits_of(seed=2).abs().neg().scatter(1, suspect.argmax(1, keepdim=True), 0.25)
    assert torch.equal(other.argmax(1), suspect.argmax(1))
    assert method.score(suspect, fingerprint) == method.score(other, fingerprint)


@pytest.mark.parametrize("method", **keys(BY_PROBABILITIES))
def test_probabilities_do_not_tell_the_logits_offset(method):
    fingerprint, suspect = fingerprint_of(logits_of()), logits_of(seed=1)
    shifted = suspect + torch.arange(len(suspect))[:, None]
    assert method.score(suspect, fingerprint) == pytest.approx(method.score(shifted, fingerprint), abs=1e-6)
    by_logits = Method(method.name, "logits", correlation, mean_absolute)
    assert abs(by_logits.score(suspect, fingerprint) - by_logits.score(shifted, fingerprint)) > 0.01


@pytest.mark.parametrize("method", **keys(PLAIN))
def test_a_representation_gets_the_output_kind_that_its_row_names(method):
    seen = []

    def watching(outputs, fingerprint):
        seen.append(outputs)
        return method.representation(outputs, fingerprint)

    suspect, fingerprint = logits_of(seed=1), fingerprint_of(logits_of())
    Method(method.name, method.output, watching, method.distance).score(suspect, fingerprint)
    expected = {"labels": suspect.argmax(1), "probabilities": suspect.softmax(1), "logits": suspect}[method.output]
    assert torch.equal(seen[-1], expected)


def test_every_method_has_its_own_key():
    assert len({method.key for method in METHODS}) == len(METHODS)


MINUS_TWINS = [method for method in and_minus_twins(PLAIN) if method.minus_twins]


@pytest.mark.parametrize("method", **keys(MINUS_TWINS))
def test_minus_twins_is_the_distance_to_the_source_less_the_mean_distance_to_its_twins(method):
    suspect, source, *twins = (logits_of(seed=seed) for seed in range(4))
    published = next(other for other in PLAIN if other.key == method.key.removesuffix("_minus_twins"))
    own, others = (published.score(suspect, fingerprint_of(source)), [])
    for twin in twins:  # each as if its own fingerprint had been made of the same queries
        others.append(published.score(suspect, replace(fingerprint_of(twin), truth=fingerprint_of(source).truth)))
    assert method.score(suspect, fingerprint_of(source), twins) == pytest.approx(own - np.mean(others))
    assert method.score(source, fingerprint_of(source), twins) < method.score(suspect, fingerprint_of(source), twins)


def test_a_twin_is_as_far_from_the_source_as_from_the_other_twins_on_average():
    """What a suspect shares with all models of that recipe is not counted: the score of a further twin is about 0."""
    shared = logits_of(count=400, seed=0)
    draws = [shared + 0.5 * logits_of(count=400, seed=seed) for seed in range(1, 10)]
    source, twin, *twins = draws
    (method,) = (m for m in MINUS_TWINS if m.name == "akh")
    published = next(m for m in PLAIN if m.name == "akh")
    assert (
        published.score(twin, fingerprint_of(source))
        > 0.2
        > 0.05
        > abs(method.score(twin, fingerprint_of(source), twins))
    )


def test_evidence_is_no_distance_and_is_read_as_published_alone():
    compared = {method.name for method in and_minus_twins(METHODS) if method.minus_twins}
    assert compared == {method.name for method in METHODS} - {"calibrated", "dataset_inference", "fit_print"}
