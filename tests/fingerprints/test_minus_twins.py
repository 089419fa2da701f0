"""What is asked and how it is read beside the twins: by hand, by double loops, and as properties of any labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.fingerprints import minus_twins


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_score_by_hand():
    source, twins = np.array([0, 1, 2, 0]), np.array([[0, 0, 2, 1], [1, 1, 2, 0]])
    suspect = np.array([0, 1, 0, 1])
    subtracted = np.array([[True, True, True, True], [True, False, True, False]])
    # agreement 1, 1, 0, 0; twins' share 1/2, 0/1, 0/2, 1/1
    assert minus_twins.score(suspect, source, twins, subtracted) == pytest.approx((0.5 + 1 + 0 - 1) / 4)


@given(st.integers(0, 5), st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_score_is_the_double_loops(twins_count, n, suspects_count, seed):
    random = draw(seed)
    suspects, source, twins = (random.integers(0, 3, size) for size in ((suspects_count, n), n, (twins_count, n)))
    subtracted = random.random((twins_count, n)) < 0.6
    wanted = []
    for suspect in suspects:
        total = 0.0
        for query in range(n):
            asked = [twin for twin in range(twins_count) if subtracted[twin, query]]
            shared = [suspect[query] == twins[twin, query] for twin in asked]
            total += (suspect[query] == source[query]) - (sum(shared) / len(asked) if asked else 0)
        wanted.append(total / n)
    assert minus_twins.score(suspects, source, twins, subtracted) == pytest.approx(wanted)


@given(st.integers(0, 4), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_the_pattern_is_the_double_loops_and_names_of_classes_do_not_matter(twins_count, n, seed):
    random = draw(seed)
    suspect, source, twins = (random.integers(0, 3, size) for size in (n, n, (twins_count, n)))
    subtracted = random.random((twins_count, n)) < 0.6
    found = []
    for twin, asked in zip(twins, subtracted, strict=True):
        pairs = [(i, j) for i in range(n) for j in range(i) if asked[i] and asked[j]]
        shared = [
            np.mean([(suspect[i] == suspect[j]) == (other[i] == other[j]) for i, j in pairs]) if pairs else 1.0
            for other in (source, twin)
        ]
        if asked.any():
            found.append(shared[0] - shared[1])
    wanted = pytest.approx(np.mean(found) if found else 0.0)
    assert minus_twins.pattern(suspect, source, twins, subtracted) == wanted
    assert minus_twins.pattern(np.array([7, 3, 5])[suspect], source, twins, subtracted) == wanted


@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_own_responses_are_neither_the_sources_nor_a_twins_or_tell_nothing(twins_count, n, seed):
    random = draw(seed)
    suspect, source, twins = (random.integers(0, 4, size) for size in (n, n, (twins_count, n)))
    subtracted = random.random((twins_count, n)) < 0.6
    subtracted[0] |= ~subtracted.any(0)  # one twin at least
    count = 0
    for query in range(n):
        others = {twins[twin, query] for twin in range(twins_count) if subtracted[twin, query]}
        count += others == {source[query]} or suspect[query] not in {source[query], *others}
    shared = minus_twins.contributions(suspect, source, twins, subtracted)
    assert minus_twins.own_responses(shared) == pytest.approx(count / n)


def test_of_many_models_the_few_with_the_most_own_responses_do_not_count():
    shares = draw().permutation(60) / 60
    assert minus_twins.most_own_responses(shares[:20]) == max(shares[:20])
    assert minus_twins.most_own_responses(shares) == sorted(shares)[57] and sum(shares > sorted(shares)[57]) == 2
    assert minus_twins.most_own_responses(np.stack([shares, -shares], 1)).shape == (2,)
    ranked = np.arange(60) < 20
    assert (minus_twins.as_able(shares, ranked) == (shares <= max(shares[:20]))).all()


def test_without_twins_the_score_is_the_agreement():
    found = minus_twins.score(np.array([0, 1]), np.array([0, 0]), np.empty((0, 2), int), np.empty((0, 2), bool))
    assert found == 0.5


@pytest.mark.parametrize(("twins", "choosing"), [(0, 0), (1, 0), (2, 1), (3, 1), (6, 3), (7, 3)])
def test_half_of_the_twins_choose_each_candidate_and_every_twin_is_subtracted_somewhere(twins, choosing):
    found = minus_twins.choosers(twins, 400, draw())
    assert (found.sum(0) == choosing).all()
    assert (~found).any(1).all()
    if choosing:
        assert found.mean(1) == pytest.approx(np.full(twins, choosing / twins), abs=0.1), "none chooses more often"


def test_merit_by_hand():
    source, margin = np.array([1, 1, 1]), np.array([0.5, 0.9, 0.8])
    twins, choosing = np.array([[0, 1, 0], [2, 0, 0], [1, 1, 1]]), np.array([[1, 1, 0], [1, 1, 1], [0, 0, 0]], bool)
    assert minus_twins.merit(source, margin, twins, choosing).tolist() == [0.5, 0.45, 0.8]


def test_a_twin_that_does_not_choose_has_no_say():
    source, margin, choosing = np.zeros(50, int), np.ones(50), minus_twins.choosers(4, 50, draw())
    twins = draw(1).integers(0, 2, (4, 50))
    others = np.where(choosing, twins, draw(2).integers(0, 2, (4, 50)))
    assert (
        minus_twins.merit(source, margin, twins, choosing) == minus_twins.merit(source, margin, others, choosing)
    ).all()


def test_groups_come_before_worth_and_ties_are_drawn():
    group, worth = np.array([1, 0, 0, 1, 0]), np.array([0.9, 0.1, 0.4, 0.8, 0.0])
    assert minus_twins.choose(group, worth, 4, draw()).tolist() == [2, 1, 4, 0]
    assert len(minus_twins.choose(group, worth, 9, draw())) == 5
    orders = {tuple(minus_twins.choose(np.zeros(5, int), np.zeros(5), 5, draw(seed))) for seed in range(10)}
    assert len(orders) > 5


@given(st.integers(1, 4), st.integers(1, 10), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_with_pairs_is_the_mean_difference_of_scores_drawn_towards_merit(pairs, m, twins_count, seed):
    random = draw(seed)
    source, *sides = (random.integers(0, 3, size) for size in (m, (pairs, m), (pairs, m)))
    twins, choosing = random.integers(0, 3, (twins_count, m)), minus_twins.choosers(twins_count, m, random)
    merit = random.random(m)
    wanted = []
    for query in range(m):
        chosen = [twin for twin in range(twins_count) if choosing[twin, query]]

        def score(label: int, query: int = query, chosen: list[int] = chosen) -> float:
            return (label == source[query]) - np.mean([label == twins[twin, query] for twin in chosen])

        differences = [score(stolen[query]) - score(own[query]) for own, stolen in zip(*sides, strict=True)]
        wanted.append((sum(differences) + 4 * merit[query]) / (pairs + 4))
    assert minus_twins.with_pairs(merit, source, twins, choosing, *sides) == pytest.approx(wanted)


def test_an_independent_model_scores_about_nothing_and_a_copy_far_above():
    """Twins, source and an independent model share what is common; a copy shares the source's own besides."""
    random, m = draw(), 4_000
    truth, common = random.integers(0, 5, m), random.random(m) < 0.3

    def trained(seed: int) -> np.ndarray:
        """Everybody errs on the common examples in the same way, and on some of its own."""
        own, errors = draw(seed).random(m) < 0.1, draw(seed + 100).integers(0, 5, m)
        return np.where(common, (truth + 1) % 5, np.where(own, errors, truth))

    source, twins, independent = trained(1), np.stack([trained(seed) for seed in range(2, 8)]), trained(9)
    copy = np.where(draw(10).random(m) < 0.5, source, independent)
    wrong = np.flatnonzero(source != truth)
    choosing = minus_twins.choosers(len(twins), len(wrong), random)
    merit = minus_twins.merit(source[wrong], np.ones(len(wrong)), twins[:, wrong], choosing)
    chosen = minus_twins.choose(np.zeros(len(wrong)), merit, 200, random)
    queries, subtracted = wrong[chosen], ~choosing[:, chosen]
    assert common[queries].mean() < 0.1 < common[wrong].mean(), "what all get wrong is not asked"
    scores = [
        minus_twins.score(suspect[queries], source[queries], twins[:, queries], subtracted)
        for suspect in (independent, copy)
    ]
    assert scores[0] < 0 < 0.1 < scores[1] - scores[0]
