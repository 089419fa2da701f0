"""AUCs of unseen attacks and of single architectures, against a count of pairs."""

import numpy as np
import pytest

from fingerprinting.evaluation import price_beside
from fingerprinting.evaluation.labels import Labels
from fingerprinting.models.kinds import KINDS
from fingerprinting.models.suspects import MEANS, NEGATIVES

KIND = ["source", "twin", *["prune", "extract_labels", "extract_other_data", "irrelevant", "homologous"] * 4]
KIND += ["extract_sweep"] * 4
KIND += ["quantise_int8"]


@pytest.fixture
def found() -> Labels:
    """Models of three architectures; nothing but their names is read."""
    draw = np.random.default_rng(0)
    names, count = np.array(KIND), len(KIND)
    architecture = np.where(np.isin(names, ("prune", "quantise_int8")), "own", draw.choice(["one", "other"], count))
    blank = np.zeros((count, 0))
    accuracy = draw.random(count)
    examples = np.where(draw.random(count) < 0.5, 30, 100)
    return Labels(names, names, architecture, np.ones(count), examples, accuracy, accuracy, blank, *[blank[0]] * 3)


def by_pairs(scores: np.ndarray, stolen: np.ndarray, independent: np.ndarray) -> float:
    """How often a stolen model has the higher score; ties count half."""
    return float(np.mean([(a > b) + (a == b) / 2 for own in scores for a in own[stolen] for b in own[independent]]))


@pytest.fixture
def scores() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 9, (3, len(KIND))) / 10  # with ties


def test_each_unseen_attack_is_scored_against_all_independents(found, scores):
    row = price_beside.of_unseen_attacks(found, scores, NEGATIVES["all"])
    independent = np.isin(found.kinds, NEGATIVES["all"])
    assert row["n_by_unseen_attack"] == {"extract_other_data": 4, "quantise_int8": 1}
    for attack, auc in row["auc_by_unseen_attack"].items():
        own = found.kinds == attack
        assert auc == pytest.approx(by_pairs(scores, own, independent))
        assert row["accuracy_by_unseen_attack"][attack] == pytest.approx(found.accuracy[own].mean())


def test_students_are_scored_by_how_much_their_attacker_asked(found, scores):
    row = price_beside.of_attackers_data(found, scores, NEGATIVES["all"])
    independent = np.isin(found.kinds, NEGATIVES["all"])
    assert list(row["auc_by_attackers_examples"]) == ["30", "100"]
    assert sum(row["n_by_attackers_examples"].values()) == 4
    for count, auc in row["auc_by_attackers_examples"].items():
        own = (found.kinds == "extract_sweep") & (found.examples == int(count))
        assert auc == pytest.approx(by_pairs(scores, own, independent))


def test_an_architecture_is_scored_from_both_sides(found, scores):
    row = price_beside.of_architectures(found, scores, NEGATIVES["all"])
    stolen, independent = np.isin(found.kinds, MEANS["mean_same_task"]), np.isin(found.kinds, NEGATIVES["all"])
    assert set(row["auc_of_stolen_by_architecture"]) == {"own", "one", "other"}
    assert set(row["auc_of_independent_by_architecture"]) == {"one", "other"}, "no independent model is of the third"
    for name, auc in row["auc_of_stolen_by_architecture"].items():
        own = stolen & (found.architecture == name)
        assert auc == pytest.approx(by_pairs(scores, own, independent))
        assert row["n_stolen_by_architecture"][name] == own.sum()
    for name, auc in row["auc_of_independent_by_architecture"].items():
        own = independent & (found.architecture == name)
        assert auc == pytest.approx(by_pairs(scores, stolen, own))
        assert row["n_independent_by_architecture"][name] == own.sum()
    assert (
        sum(row["n_stolen_by_architecture"].values()) == 8 and sum(row["n_independent_by_architecture"].values()) == 8
    )


def test_no_unseen_attack_is_in_a_mean_or_a_negative():
    named = {*MEANS["mean_all"], *(kind for kinds in NEGATIVES.values() for kind in kinds)}
    assert not named & set(price_beside.UNSEEN) and all(KINDS[kind].role == "pirated" for kind in price_beside.UNSEEN)


def test_models_of_another_task_are_scored_by_their_pattern_beside_moved_twins():
    kinds = ["source", "source_transfer", "twin_transfer", "twin_transfer", "transfer", "transfer"]
    kinds += ["irrelevant_transfer", "homologous_transfer", *["calibration_homologous_transfer"] * 3]
    draw, count = np.random.default_rng(0), 60
    labels = draw.integers(0, 3, (len(kinds), count))
    labels[4] = 2 - labels[1]  # the moved source's pattern, by other names
    labels[5] = np.where(draw.random(count) < 0.2, labels[5], labels[1])
    names, blank = np.array(kinds), np.zeros(len(kinds))
    every = np.zeros(count)
    found = Labels(names, names, names, blank + 1, *[blank] * 3, labels, every, every, every)
    row = price_beside.of_another_task(found, [np.arange(count), np.arange(40)], (0.05,))
    assert row["auc"] == 1 and row["flagged_stolen"] == {"0.05": 1} and row["flagged_independent"] == {"0.05": 0}
    assert (row["n_stolen"], row["n_independent"], row["n_calibration"], row["n_twins"]) == (2, 2, 3, 2)
    without = Labels(names[:1], names[:1], names[:1], *[blank[:1]] * 4, labels[:1], every, every, every)
    assert price_beside.of_another_task(without, [np.arange(count)], (0.05,)) == {}
