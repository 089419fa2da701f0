"""Detection statistics against brute force: every pair, every threshold, every repeated model written out."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from fingerprinting.core import statistics
from fingerprinting.evaluation import match
from fingerprinting.fingerprints import metrics
from fingerprinting.models.kinds import KINDS
from fingerprinting.study.records import Records

# Few distinct values, so that most draws hold ties.
distances = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 3.0]) | st.floats(0, 2), min_size=1, max_size=12)


def pairs_won(pirated, independent) -> float:
    won = [float(p < i) + 0.5 * float(p == i) for p, i in itertools.product(pirated, independent)]
    return sum(won) / len(won)


@given(distances, distances)
def test_auc_counts_pairs(pirated, independent):
    found = statistics.auc(np.array(pirated), np.array(independent))
    assert found == pytest.approx(pairs_won(pirated, independent), abs=1e-12)
    statistic = mannwhitneyu(independent, pirated, method="asymptotic").statistic
    assert found == pytest.approx(statistic / (len(pirated) * len(independent)), abs=1e-12)


@pytest.mark.parametrize("broken", [[], [np.nan], [0.1, np.inf]])
def test_an_auc_of_no_numbers_is_a_bug(broken):
    for pair in ((broken, [0.5]), ([0.5], broken)):
        with pytest.raises(ValueError, match="distances that are numbers"):
            statistics.auc(*map(np.array, pair))


def test_auc_is_one_when_every_pirated_model_is_nearer():
    near, far = np.array([0.1, 0.2]), np.array([0.3, 0.4, 0.5])
    assert (statistics.auc(near, far), statistics.auc(far, near), statistics.auc(far, far)) == (1.0, 0.0, 0.5)


@given(distances, distances, st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5, 1.0]))
def test_true_positives_at_the_widest_admissible_threshold(pirated, independent, rate):
    """Flagged are the models at or below a threshold; every observed distance, and none, is tried."""
    pirated, independent = np.array(pirated), np.array(independent)
    caught = [
        (pirated <= threshold).mean()
        for threshold in [-1.0, *pirated, *independent]
        if (independent <= threshold).mean() <= rate
    ]
    assert statistics.tpr_at_fpr(pirated, independent, rate) == pytest.approx(max(caught), abs=1e-12)


@pytest.mark.parametrize(("rate", "caught"), [(0.0, 0.25), (0.01, 0.5), (0.0099, 0.25), (0.02, 0.75), (1.0, 1.0)])
def test_true_positives_by_hand(rate, caught):
    """100 independents at 1, 2, ..., 100: one more is flagged per whole step of the threshold."""
    pirated = np.array([0.5, 1.5, 2.5, 200.0])
    assert statistics.tpr_at_fpr(pirated, np.arange(1.0, 101.0), rate) == caught


def test_of_equally_good_thresholds_the_lowest_is_taken():
    assert statistics.threshold(np.array([1.0, 3.0]), np.array([2.0, 4.0])) == 1.5


def test_a_tie_between_pirated_and_independent_is_no_detection_at_zero_false_positives():
    assert statistics.tpr_at_fpr(np.array([1.0, 1.0]), np.array([1.0, 2.0]), 0.0) == 0.0


def test_the_curve_rises_from_none_to_all_flagged():
    draw = np.random.default_rng(0)
    pirated, independent = draw.integers(0, 6, 9) / 3, draw.integers(2, 9, 14) / 3
    false, true = statistics.curve(pirated, independent)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert (np.diff(false) >= 0).all() and (np.diff(true) >= 0).all()
    assert np.trapezoid(true, false) == pytest.approx(pairs_won(pirated, independent))


@given(distances, distances)
def test_a_draw_of_every_model_once_is_the_auc(pirated, independent):
    ones = np.ones((2, len(pirated)), int), np.ones((2, len(independent)), int)
    found = statistics.auc_draws(np.array(pirated), np.array(independent), *ones)
    assert found == pytest.approx([pairs_won(pirated, independent)] * 2, abs=1e-12)


@given(distances, distances, st.integers(0, 1000))
def test_a_draw_is_the_auc_of_the_models_it_repeats(pirated, independent, seed):
    draw = np.random.default_rng(seed)
    own, others = (statistics.resampled(len(side), 5, draw) for side in (pirated, independent))
    found = statistics.auc_draws(np.array(pirated), np.array(independent), own, others)
    expected = [
        pairs_won(np.repeat(pirated, first), np.repeat(independent, second))
        for first, second in zip(own, others, strict=True)
    ]
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_resampling_draws_with_replacement_and_evenly():
    counts = statistics.resampled(10, 4000, np.random.default_rng(0))
    assert counts.shape == (4000, 10) and (counts.sum(1) == 10).all()
    assert np.abs(counts.mean(0) - 1).max() < 0.1
    assert (counts == 0).mean() == pytest.approx((9 / 10) ** 10, abs=0.01)


def test_the_interval_of_an_auc_is_that_of_its_draws():
    pirated, independent = np.array([1.0, 3.0, 5.0]), np.array([2.0, 4.0, 6.0, 8.0])
    low, high = statistics.auc_interval(pirated, independent, np.random.default_rng(0))
    draw = np.random.default_rng(1)
    found = [statistics.auc(draw.choice(pirated, 3), draw.choice(independent, 4)) for _ in range(2_000)]
    assert np.allclose((low, high), np.quantile(found, [0.025, 0.975]), atol=0.05)
    assert low < statistics.auc(pirated, independent) < high


def test_the_interval_holds_95_of_100_draws():
    low, high = statistics.interval(np.arange(10_001) / 10_000)
    assert (low, high) == pytest.approx((0.025, 0.975))


@pytest.mark.parametrize("shift", [0.0, 1.0, 1.5])
def test_the_interval_covers_the_true_auc(shift):
    """200 simulated zoos of 20 + 20 models; a percentile bootstrap of so few may fall a little short of 95%."""
    draw = np.random.default_rng(7)
    truth = 0.5 * (1 + math.erf(shift / 2))  # P(N(0, 1) < N(shift, 1))
    covered = 0
    for _ in range(200):
        pirated, independent = draw.normal(0, 1, 20), draw.normal(shift, 1, 20)
        counts = [statistics.resampled(20, 500, draw) for _ in range(2)]
        low, high = statistics.interval(statistics.auc_draws(pirated, independent, *counts))
        covered += low <= truth <= high
    assert 0.88 <= covered / 200 < 1


def zoo(seed: int = 0, **counts: int) -> dict[str, np.ndarray]:
    """Distances of every kind of model; pirated ones are nearer on average."""
    draw = np.random.default_rng(seed)
    return {
        name: draw.normal(0.0 if kind.role == "pirated" else 1.0, 1, counts.get(name, 5))
        for name, kind in KINDS.items()
        if kind.role != "source"
    }


def rows_of(distances: dict[str, np.ndarray]) -> dict[tuple[str, str], dict]:
    rows = metrics.auc_rows(distances, "test")
    assert len({(row["attack"], row["negatives"]) for row in rows}) == len(rows)
    return {(row["attack"], row["negatives"]): row for row in rows}


GROUPS = {
    "irrelevant": ["irrelevant"],
    "homologous": ["homologous"],
    "adversarial": ["irrelevant_adversarial", "homologous_adversarial"],
    "all": ["irrelevant", "homologous", "irrelevant_adversarial", "homologous_adversarial"],
}
MOVED = {
    "irrelevant": ["irrelevant_transfer"],
    "homologous": ["homologous_transfer"],
    "all": ["irrelevant_transfer", "homologous_transfer"],
}
SAME_TASK = [
    "fine_tune_last",
    "fine_tune_all",
    "prune",
    "adversarial",
    "extract_labels",
    "extract_probabilities",
    "extract_adversarial",
]


def test_every_attack_meets_the_negatives_of_its_own_task():
    found, rows = zoo(irrelevant=20, homologous=8), None
    rows = rows_of(found)
    singles = {key: row for key, row in rows.items() if not key[0].startswith("mean")}
    expected = {(attack, group): kinds for attack in [*SAME_TASK, "removal"] for group, kinds in GROUPS.items()}
    expected |= {("transfer", group): kinds for group, kinds in MOVED.items()}
    assert singles.keys() == expected.keys()
    for (attack, group), kinds in expected.items():
        row, negatives = singles[attack, group], np.concatenate([found[kind] for kind in kinds])
        assert row["auc"] == pytest.approx(pairs_won(found[attack], negatives))
        assert (row["n_pirated"], row["n_independent"]) == (5, len(negatives))
        assert row["tpr_at_fpr0"] == pytest.approx((found[attack] < negatives.min()).mean())
        assert 0 <= row["auc_low"] <= row["auc"] <= row["auc_high"] <= 1


def test_moving_the_other_tasks_negatives_changes_nothing():
    before, changed = zoo(), zoo()
    for kind in ("irrelevant", "homologous", "irrelevant_adversarial", "homologous_adversarial"):
        changed[kind] = changed[kind] - 100
    old, new = rows_of(before), rows_of(changed)
    assert all(old["transfer", group] == new["transfer", group] for group in MOVED)
    assert all(new[attack, "all"]["auc"] == 0 for attack in SAME_TASK)


@pytest.mark.parametrize("mean", ["mean_same_task", "mean_all"])
def test_a_mean_is_the_mean_of_the_attacks_it_names(mean):
    rows = rows_of(zoo(transfer=7))
    named = SAME_TASK + (["transfer"] if mean == "mean_all" else [])
    for group in MOVED:
        row = rows[mean, group]
        assert sorted(row["mean_over"]) == sorted(named)
        assert row["n_pirated"] == 35 + (7 if mean == "mean_all" else 0)
        for name in ("auc", "tpr_at_fpr0", "tpr_at_fpr1"):
            assert row[name] == pytest.approx(np.mean([rows[attack, group][name] for attack in named]))
        widths = [rows[attack, group]["auc_high"] - rows[attack, group]["auc_low"] for attack in named]
        assert row["auc_low"] <= row["auc"] <= row["auc_high"]
        assert row["auc_high"] - row["auc_low"] < max(widths)


def test_a_means_interval_knows_that_all_stolen_models_meet_the_same_negatives():
    """Where stolen models do not vary, the mean's AUC varies as each one's; with its own negatives less."""
    rows = rows_of(zoo() | {attack: np.array([0.5]) for attack in SAME_TASK})
    for name in ("auc_low", "auc_high"):
        assert rows["mean_same_task", "all"][name] == pytest.approx(rows["prune", "all"][name])


def test_rows_count_true_positives_at_none_and_at_one_in_a_hundred():
    found = zoo() | {"prune": np.array([0.5, 1.5, 2.5, 200.0]), "irrelevant": np.arange(1.0, 101.0)}
    row = rows_of(found)["prune", "irrelevant"]
    assert (row["tpr_at_fpr0"], row["tpr_at_fpr1"]) == (0.25, 0.5)


def test_no_mean_over_transfer_where_it_has_no_negatives():
    """No adversarially trained independent is moved to the target."""
    rows = rows_of(zoo())
    assert ("mean_same_task", "adversarial") in rows
    assert ("mean_all", "adversarial") not in rows and ("transfer", "adversarial") not in rows


@pytest.mark.parametrize("attack", ["prune", "transfer"])
def test_a_mean_is_missing_when_one_of_its_attacks_is(attack):
    found = zoo()
    del found[attack]
    rows = rows_of(found)
    assert not any(key[0] == attack for key in rows)
    assert ("mean_all", "all") not in rows
    assert (("mean_same_task", "all") in rows) == (attack == "transfer")


def test_a_group_without_models_has_no_row():
    found = zoo()
    del found["homologous"]
    rows = rows_of(found)
    assert ("prune", "homologous") not in rows
    assert rows["prune", "all"]["n_independent"] == 15


def test_rows_are_the_same_every_time_and_differ_between_names():
    assert metrics.auc_rows(zoo(), "one") == metrics.auc_rows(zoo(), "one")
    first, second = metrics.auc_rows(zoo(), "one")[0], metrics.auc_rows(zoo(), "two")[0]
    assert first["auc"] == second["auc"] and first["auc_low"] != second["auc_low"]


def test_what_later_steps_measured_of_other_models_is_dropped(study):
    """ablation.py's means and the AUCs before erasure are the matcher's own, unless models were made anew."""
    place = dict(method="calibrated", output="labels", representation="stealing_evidence", negatives="all")
    auc = [{**place, "attack": name, "auc": value} for name, value in (("prune", 0.9), ("mean_same_task", 0.8))]
    usual = [{"key": "1", "study": "all references", "attack": "mean", "auc": 0.8}]
    further = [{"key": "2", "study": "queries", "attack": "mean", "auc": 0.7}]
    erased = [{"key": "3", **place, "attack": "prune", "auc_before": 0.9}, {"key": "4", **place, "attack": "removal"}]
    erased[1]["auc_before"] = 0.1  # no attack of the matcher's
    kept = {"ablation": [*usual, *further], "erasure": erased}
    for topic, rows in kept.items():
        Records.of(study, topic).replace(rows)
    match.drop_outdated(study, auc)
    assert {topic: Records.of(study, topic).rows() for topic in kept} == kept
    match.drop_outdated(study, [{**row, "auc": row["auc"] - 0.1} for row in auc])
    assert not any(Records.of(study, topic).rows() for topic in kept)
