"""Evidence of stealing in responses: every formula against an independent reference."""

from functools import partial
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ttest_ind, ttest_ind_from_stats
from sklearn.linear_model import LogisticRegression

from fingerprinting.calibrated import evidence
from fingerprinting.models.kinds import EXTRACTED, INDEPENDENT, MODIFIED


def drawn_bits(counts: dict[int, int], n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bits (models, n) of so many models of each origin, each origin with its own chance per query; their origins."""
    draw = np.random.default_rng(seed)
    origins = draw.permutation(np.repeat(list(counts), list(counts.values())))
    chances = {origin: draw.uniform(0.1, 0.9, n) for origin in sorted(counts)}
    return np.stack([draw.random(n) < chances[origin] for origin in origins]).astype(float), origins


def test_separation_is_welchs_t_of_population_variances(monkeypatch):
    """Of two samples of one size m scipy's variances, which divide by m - 1, are all larger by m / (m - 1)."""
    monkeypatch.setattr(evidence, "SPREAD", 1e-15)
    draw, m = np.random.default_rng(0), 12
    stolen, independent = (draw.random((m, 30)) < draw.random(30) for _ in range(2))
    stolen[0], stolen[1], independent[0], independent[1] = True, False, True, False
    found = evidence.separation(stolen.astype(float), independent.astype(float))
    expected = ttest_ind(stolen.astype(float), independent.astype(float), equal_var=False).statistic
    assert found == pytest.approx(expected * np.sqrt(m / (m - 1)), rel=1e-6, abs=1e-9)


def test_separation_divides_each_variance_by_its_own_number_of_models(monkeypatch):
    monkeypatch.setattr(evidence, "SPREAD", 1e-15)
    stolen, independent = np.array([[1.0], [0.0], [1.0]]), np.array([[0.0], [1.0], [0.0], [0.0], [0.0], [1.0], [0.0]])
    moments = (stolen.mean(), stolen.std(), 3, independent.mean(), independent.std(), 7)
    assert evidence.separation(stolen, independent) == pytest.approx(ttest_ind_from_stats(*moments, False).statistic)


def test_a_query_on_which_few_models_agree_by_chance_is_no_sure_query():
    """Two stolen models that never differ have no variance; what is known of many models counts for more."""
    few = evidence.separation(np.ones((2, 1)), np.zeros((2, 1)))
    assert np.isfinite(few).all() and few == pytest.approx(1 / np.sqrt(evidence.SPREAD))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.75, 1.0])
def test_queries_are_the_best_against_extraction_and_then_against_modification(share):
    bits, origins = drawn_bits({INDEPENDENT: 9, EXTRACTED: 7, MODIFIED: 8}, n=40)
    chosen = evidence.choose(bits, origins, 12, share)
    assert len(chosen) == len(set(chosen.tolist())) == 12

    def merits(origin: int) -> np.ndarray:
        return np.abs(evidence.separation(bits[origins == origin], bits[origins == INDEPENDENT]))

    for_extraction = round(12 * share)
    first, second = set(chosen[:for_extraction].tolist()), set(chosen[for_extraction:].tolist())
    everything = set(range(40))
    for picked, offered, origin in (
        (first, everything, EXTRACTED),
        (second, everything - first, MODIFIED),
    ):
        left = offered - picked
        if picked and left:
            assert min(merits(origin)[[*picked]]) >= max(merits(origin)[[*left]])


def test_no_query_is_chosen_twice_when_both_stolen_models_want_the_same():
    bits, origins = drawn_bits({INDEPENDENT: 6, EXTRACTED: 6}, n=10)
    twice, both = np.concatenate([bits, bits[origins == EXTRACTED]]), np.append(origins, [MODIFIED] * 6)
    chosen = evidence.choose(twice, both, 6, 0.5)
    assert len(set(chosen.tolist())) == 6
    assert sorted(chosen) == sorted(evidence.choose(bits, origins, 6, 0.5))


@pytest.mark.parametrize("attack", [EXTRACTED, MODIFIED])
def test_one_kind_of_stealing_attack_gets_all_queries_where_the_other_is_absent(attack):
    bits, origins = drawn_bits({INDEPENDENT: 6, attack: 6}, n=20)
    merits = np.abs(evidence.separation(bits[origins == attack], bits[origins == INDEPENDENT]))
    chosen = evidence.choose(bits, origins, 7, 0.75)
    assert len(set(chosen.tolist())) == 7 and sorted(merits[chosen]) == sorted(np.sort(merits)[-7:])


def test_more_queries_than_candidates_are_all_candidates():
    bits, origins = drawn_bits({INDEPENDENT: 5, EXTRACTED: 5, MODIFIED: 5}, n=8)
    assert sorted(evidence.choose(bits, origins, 50, 0.75)) == list(range(8))


def test_weights_are_where_the_penalised_likelihood_is_flat():
    """Three origins of different sizes: the gradient of C sum w (log-loss) + |W|^2 / 2, written out, vanishes."""
    bits, origins = drawn_bits({INDEPENDENT: 30, EXTRACTED: 12, MODIFIED: 18}, n=6)
    found = evidence.fit(bits, origins)
    assert found.centre == pytest.approx(bits[origins == INDEPENDENT].mean(0))
    assert found.coefficients.shape == (2, 6) and found.intercepts.shape == (2,)
    seen = bits - found.centre
    # The penalty is least where the origins' coefficients sum to 0.
    independent = -found.coefficients.sum(0) / 3
    coefficients = np.stack([independent, *(independent + found.coefficients)])
    odds = np.exp(np.column_stack([np.zeros(len(bits)), found.evidence(bits)]))
    missed = odds / odds.sum(1, keepdims=True) - np.eye(3)[origins]
    missed *= (len(bits) / (3 * np.bincount(origins)))[origins][:, None]
    flat = 2e-4 * len(bits)
    assert np.abs(evidence.STRENGTH / 6 * missed.T @ seen + coefficients).max() < flat
    assert np.abs(missed.sum(0)).max() < flat
    assert np.abs(coefficients).max() > 10 * flat


@pytest.mark.parametrize("counts", [{INDEPENDENT: 9, EXTRACTED: 5, MODIFIED: 7}, {INDEPENDENT: 9, MODIFIED: 4}])
def test_evidence_is_the_log_odds_against_independence(counts):
    """Whatever the features were centred at: adding a constant to them all moves the intercepts only."""
    bits, origins = drawn_bits(counts, n=5)
    model = LogisticRegression(C=evidence.STRENGTH / 5, class_weight="balanced", max_iter=5_000).fit(bits, origins)
    logs = model.predict_log_proba(bits)
    assert evidence.fit(bits, origins).evidence(bits) == pytest.approx(logs[:, 1:] - logs[:, :1], abs=0.02)


def test_the_query_that_tells_weighs_most():
    draw = np.random.default_rng(1)
    origins = np.repeat([INDEPENDENT, EXTRACTED, MODIFIED], 20)
    bits = draw.integers(0, 2, (60, 5)).astype(float)
    bits[:, 1], bits[:, 3] = origins == EXTRACTED, origins == MODIFIED
    found = evidence.fit(bits, origins)
    assert np.abs(found.coefficients).argmax(1).tolist() == [1, 3] and (found.coefficients[[0, 1], [1, 3]] > 0).all()
    assert (found.evidence(bits[origins == INDEPENDENT]) < 0).all()


def test_with_one_kind_of_stealing_attack_its_log_odds_are_the_evidence():
    bits, origins = drawn_bits({INDEPENDENT: 9, EXTRACTED: 6}, n=4)
    found = evidence.fit(bits, origins)
    assert found.coefficients.shape == (1, 4) and found.intercepts.shape == (1,)
    assert evidence.combined(found.evidence(bits)) == pytest.approx(found.evidence(bits)[:, 0])


@given(arrays(float, (4, 2), elements=st.floats(-30, 30)))
def test_combined_evidence_is_of_either_stealing_attack(found):
    assert evidence.combined(found) == pytest.approx(np.log(np.exp(found).sum(1)))


def test_cross_fitted_evidence_comes_from_the_other_folds():
    bits, origins = drawn_bits({INDEPENDENT: 12, EXTRACTED: 9, MODIFIED: 9}, n=6)
    found = evidence.cross_fitted(bits, origins, 3)
    for number in range(len(bits)):
        others = np.array([other for other in range(len(bits)) if other % 3 != number % 3])
        fitted = evidence.fit(bits[others], origins[others])
        assert found[number] == pytest.approx(float(evidence.combined(fitted.evidence(bits[number]))))


def test_a_held_out_fold_has_no_say_in_what_it_is_asked():
    bits, origins = drawn_bits({INDEPENDENT: 12, EXTRACTED: 9, MODIFIED: 9}, n=20)
    choice = partial(evidence.choose, n=5, extraction_share=0.6)
    found = evidence.cross_fitted(bits, origins, 3, choice)
    for number in range(len(bits)):
        others = np.arange(len(bits)) % 3 != number % 3
        chosen = evidence.choose(bits[others], origins[others], 5, 0.6)
        fitted = evidence.fit(bits[others][:, chosen], origins[others])
        assert found[number] == pytest.approx(float(evidence.combined(fitted.evidence(bits[number, chosen]))))


def test_a_models_own_fold_does_not_see_it():
    """Another origin and other answers of one model move the evidence of the other folds' models only."""
    bits, origins = drawn_bits({INDEPENDENT: 12, EXTRACTED: 9, MODIFIED: 9}, n=6)
    changed, mislabelled, one = bits.copy(), origins.copy(), 4
    changed[one], mislabelled[one] = 1 - bits[one], (origins[one] + 1) % 3
    before, after = evidence.cross_fitted(bits, origins, 3), evidence.cross_fitted(changed, mislabelled, 3)
    fold = np.arange(30) % 3
    own = (fold == one % 3) & (np.arange(30) != one)
    assert (before[own] == after[own]).all() and (before[fold != one % 3] != after[fold != one % 3]).all()


def test_standardised_log_odds_are_in_deviations_of_held_out_independent_models():
    """By hand: three folds, every third model in each, and independent models' log-odds by what the other two fit."""
    bits, origins = drawn_bits({INDEPENDENT: 15, EXTRACTED: 9, MODIFIED: 9}, n=6)
    held_out = []
    for number in np.flatnonzero(origins == INDEPENDENT):
        others = np.arange(len(bits)) % 3 != number % 3
        held_out.append(evidence.fit(bits[others], origins[others]).evidence(bits[number]))
    plain, found = (of(bits, origins).evidence(bits) for of in (evidence.fit, evidence.fit_standardised))
    assert found == pytest.approx((plain - np.mean(held_out, axis=0)) / np.std(held_out, axis=0))
    assert (np.std(held_out, axis=0) > 0.1).all()


@pytest.mark.parametrize("counts", [{INDEPENDENT: 9, EXTRACTED: 6}, {INDEPENDENT: 8, EXTRACTED: 6, MODIFIED: 1}])
def test_a_stealing_attack_that_a_fold_lacks_is_not_standardised_by_it(counts):
    """One attack alone is; of an attack of one model, the two folds that know it say how far independents stray."""
    bits, origins = drawn_bits(counts, n=5)
    lone = np.flatnonzero(origins == MODIFIED)
    held_out = [
        evidence.fit(bits[others], origins[others]).evidence(bits[number])
        for number in np.flatnonzero(origins == INDEPENDENT)
        if (others := np.arange(len(bits)) % 3 != number % 3)[lone].all()
    ]
    plain, found = (of(bits, origins).evidence(bits) for of in (evidence.fit, evidence.fit_standardised))
    assert found == pytest.approx((plain - np.mean(held_out, axis=0)) / np.std(held_out, axis=0))


def test_models_of_which_each_is_a_fold_of_its_own_are_left_plain():
    """Three models, one of each origin: no fold knows all stolen models."""
    bits, origins = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([INDEPENDENT, EXTRACTED, MODIFIED])
    plain, found = (of(bits, origins) for of in (evidence.fit, evidence.fit_standardised))
    assert (found.coefficients == plain.coefficients).all() and (found.intercepts == plain.intercepts).all()


responses = arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 7)), elements=st.integers(0, 4))


@given(responses)
def test_same_response_compares_every_pair_of_queries_once(labels):
    expected = [[float(row[i] == row[j]) for i, j in combinations(range(len(row)), 2)] for row in labels]
    assert evidence.same_response(labels).tolist() == expected
    assert evidence.same_response(labels[0]).tolist() == expected[0]


@given(responses, st.permutations(range(5)))
def test_same_response_does_not_know_what_labels_are_called(labels, renamed):
    assert (evidence.same_response(np.array(renamed)[labels]) == evidence.same_response(labels)).all()


def test_controls_are_what_the_accurate_get_right_and_the_less_accurate_do_not():
    accurate = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]], dtype=float)
    less = np.array([[0, 1, 0, 1], [0, 0, 1, 1], [0, 1, 0, 0]], dtype=float)
    one_class = np.zeros(4, dtype=int)
    assert evidence.controls(accurate, less, one_class, 1).tolist() == [0]
    assert set(evidence.controls(accurate, less, one_class, 2).tolist()) == {0, 3}
    two_classes = np.array([1, 0, 0, 1])  # the first and the last, which both tell more, are of one of them
    assert evidence.controls(accurate, less, two_classes, 2).tolist() == [0, 2]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 45), st.integers(0, 99))
def test_controls_are_of_all_classes_alike(truth, n, seed):
    """No class has two fewer than another one, but where it has no more; of each the most telling."""
    draw, truth = np.random.default_rng(seed), np.array(truth)
    accurate, less = (draw.integers(0, 2, (3, len(truth))).astype(float) for _ in range(2))
    chosen = evidence.controls(accurate, less, truth, n)
    assert len(chosen) == len(set(chosen.tolist())) == min(n, len(truth))
    told = evidence.separation(accurate, less)
    counts = {label: np.count_nonzero(truth[chosen] == label) for label in set(truth.tolist())}
    for label, count in counts.items():
        assert count >= max(counts.values()) - 1 or count == np.count_nonzero(truth == label)
        mine, left = chosen[truth[chosen] == label], set(np.flatnonzero(truth == label)) - set(chosen.tolist())
        assert not (len(mine) and left) or told[mine].min() >= told[list(left)].max()
