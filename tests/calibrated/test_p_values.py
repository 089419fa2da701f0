"""P-values by few independent models: exact ones by ranks, and those of a normal tail beyond the models seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t, ttest_ind

from fingerprinting.calibrated import p_values

shown = st.sampled_from([-1.0, 0.0, 0.5]) | st.floats(-5, 5)


@given(shown, st.lists(shown, max_size=12))
def test_a_p_value_counts_independent_models_with_as_much_evidence(found, independent):
    expected = (1 + len([value for value in independent if value >= found])) / (1 + len(independent))
    assert p_values.conformal(found, independent) == p_values.conformal(found, np.array(independent)) == expected


@given(st.lists(shown, min_size=1, max_size=12), st.floats(0, 1))
def test_no_level_flags_more_independent_models_than_it_says(drawn, alpha):
    """Each of the draws may be the suspect and the others calibrate: exact over the ranks, ties included."""
    values = [p_values.conformal(one, drawn[:place] + drawn[place + 1 :]) for place, one in enumerate(drawn)]
    for limit in (alpha, *values):
        assert sum(value <= limit for value in values) <= limit * len(drawn) + 1e-9
    if len(set(drawn)) == len(drawn):
        assert sorted(values) == pytest.approx([rank / len(drawn) for rank in range(1, len(drawn) + 1)])


@given(st.floats(-3, 3), st.lists(st.floats(-3, 3), min_size=3, max_size=12, unique=True))
def test_the_tail_is_the_two_sample_t_test_of_one_against_the_others(found, independent):
    """One more draw against m is Student's test with m - 1 degrees of freedom, pooled over the m alone."""
    if np.std(independent) > 1e-3:
        expected = ttest_ind([found], independent, alternative="greater").pvalue
        assert p_values.student(found, independent) == pytest.approx(expected, abs=1e-6)


def test_the_tail_keeps_its_level_where_evidence_is_normal():
    draws = np.random.default_rng(0).normal(size=(4_000, 13))
    found = np.array([p_values.student(row[0], row[1:]) for row in draws])
    for alpha in (0.001, 0.01, 0.05):
        assert (found <= alpha).mean() == pytest.approx(alpha, abs=4 * np.sqrt(alpha / len(draws)))


@pytest.mark.parametrize("independent", [[], [0.2], [0.2, 0.2, 0.2]])
def test_without_a_spread_there_is_no_tail(independent):
    assert p_values.student(1.0, independent) == p_values.conformal(1.0, independent) == 1 / (1 + len(independent))


def test_what_models_of_other_data_show_more_is_added_and_how_uncertain_it_is():
    same, other, matched = [0.0, 1.0, 2.0], [4.0, 6.0], [1.0, 2.0, 3.0]
    assert p_values.of_other_data(other, matched) == pytest.approx((3, 2 / 2 + 1 / 3))
    assert p_values.beside(4.5, (same, other, matched), "conformal") == p_values.conformal(1.5, same) == 0.5
    standard = (5 - 3 - 1) / np.sqrt(1 + 1 / 3 + 4 / 3)
    assert p_values.beside(5.0, (same, other, matched), "student") == pytest.approx(t.sf(standard, 2))
    assert p_values.of_other_data(matched, other)[0] == 0, "less is not taken off"


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=6), shown, st.sampled_from([0.01, 0.3]))
def test_alone_they_are_as_one_group(independent, found, alpha):
    for tail, p_value in p_values.TAILS.items():
        assert p_values.beside(found, (independent,), tail) == p_value(found, independent)
        expected = (
            p_value(found, independent) if len(independent) < 1 / alpha - 1 else p_values.conformal(found, independent)
        )
        assert p_values.p_value(found, (independent,), alpha, tail) == expected


def test_beside_models_of_other_data_no_level_flags_more_of_these_than_it_says():
    draw, alpha = np.random.default_rng(0), 0.05
    same, matched = draw.normal(size=(2, 4_000, 18))
    other = draw.normal(size=(4_000, 19)) + 1.5
    groups = zip(other[:, 0], same, other[:, 1:], matched, strict=True)
    found = np.array([p_values.beside(one, rest, "student") for one, *rest in groups])
    assert (found <= alpha).mean() == pytest.approx(alpha, abs=0.01)
    blind = np.array([p_values.student(one, rest) for one, rest in zip(other[:, 0], same, strict=True)])
    assert (blind <= alpha).mean() > 5 * alpha


def test_beyond_the_models_seen_a_level_is_extrapolated():
    assert p_values.extrapolated(0.01, 98) and not p_values.extrapolated(0.01, 99)
    assert p_values.extrapolated(0.05, 18) and not p_values.extrapolated(0.05, 19)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=5), st.lists(st.floats(-3, 3), min_size=2, max_size=6))
def test_many_at_once_are_as_one_by_one(found, independent):
    for p_value in p_values.TAILS.values():
        assert p_value(np.array(found), independent) == pytest.approx([p_value(one, independent) for one in found])
