"""IrisFP: meeting points, effect sizes, thresholds and votes by hand."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import ttest_ind

from fingerprinting.fingerprints.queries import irisfp
from fingerprinting.fingerprints.representations import votes
from fingerprinting.methods import METHODS
from tests.fingerprints.queries.linear import BOUNDS, EVERYWHERE, fingerprint_of, generator, images, linear_model


def test_points_meet_where_the_output_is_uniform_but_for_the_margin():
    model, seeds = linear_model(scale=1.0), images(20)
    targets = (model(seeds).argmax(1) + 1) % 3
    found = irisfp.to_meeting_point(model, seeds, targets, EVERYWHERE, BOUNDS, 0.3, 300, 0.03)
    expected = np.where(np.arange(3) == targets.numpy()[:, None], 0.7 / 3 + 0.3, 0.7 / 3)
    np.testing.assert_allclose(softmax(model(found).numpy(), 1), expected, atol=0.02)
    assert found.min() >= 0 and found.max() <= 1


def test_views_are_the_point_and_its_neighbours():
    points = images(10)
    found = irisfp.viewed(points, 4, 0.1 * EVERYWHERE, BOUNDS, generator())
    assert found.shape == (10, 4, 1, 4, 4)
    assert torch.equal(found[:, 0], points)
    away = (found[:, 1:] - points[:, None]).abs().flatten(2).amax(2)
    assert (away > 0.05).all() and (away <= 0.1 + 1e-6).all()


def test_the_effect_size_equals_cohens_d():
    pirated, independent = (torch.rand(count, 5, generator=generator(count), dtype=torch.double) for count in (7, 4))
    for index, found in enumerate(irisfp.effect_size(pirated, independent).tolist()):
        first, second = pirated[:, index].numpy(), independent[:, index].numpy()
        pooled = np.sqrt((6 * first.var(ddof=1) + 3 * second.var(ddof=1)) / 9)
        assert found == pytest.approx((first.mean() - second.mean()) / pooled)
        # Student's t of two samples is d over the root of the summed inverse counts.
        assert found == pytest.approx(ttest_ind(first, second).statistic * np.sqrt(1 / 7 + 1 / 4))


def test_an_effect_without_variance_is_infinite_or_none():
    ones, zeros = torch.ones(3, 1, dtype=torch.double), torch.zeros(2, 1, dtype=torch.double)
    assert irisfp.effect_size(ones, zeros).tolist() == [torch.inf]
    assert irisfp.effect_size(ones, ones[:2]).tolist() == [0]
    assert irisfp.effect_size(zeros, ones).tolist() == [-torch.inf]


def test_a_threshold_lies_between_the_groups_and_never_acquits_the_source():
    pirated, independent = torch.tensor([1.0, 0.8]).double(), torch.tensor([0.2, 0.4, 0.0]).double()
    assert irisfp.agreement_needed(pirated, independent) == pytest.approx(0.6)
    assert irisfp.agreement_needed(independent, pirated) <= 1


def test_votes_by_hand():
    recorded = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
    fingerprint = fingerprint_of(recorded, recorded, {"thresholds": torch.tensor([0.5, 0.5, 1.0]).double()})
    suspect = torch.tensor([0, 0, 1, 0, 0, 1, 2, 2, 2])
    assert votes(suspect, fingerprint).tolist() == [True, False, True]
    (method,) = [method for method in METHODS if method.name == "irisfp"]
    assert method.distance(votes(suspect, fingerprint), votes(recorded, fingerprint)) == pytest.approx(1 / 3)
