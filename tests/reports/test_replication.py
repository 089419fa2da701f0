"""A zoo made anew beside the usual one, against records made by hand."""

import pytest

from fingerprinting.reports.sections import replication
from fingerprinting.reports.sections.aucs import mean_aucs
from fingerprinting.study.records import Records

USUAL = {("calibrated", "stealing_evidence"): 0.9, ("akh", "responses"): 0.8, ("random", "responses"): 0.6}


def put(study: str, means: dict[tuple[str, str], float]) -> None:
    rows = []
    for (method, representation), auc in means.items():
        of = dict(method=method, representation=representation, output="labels", negatives="all")
        of |= dict(auc=auc, auc_low=auc, auc_high=auc, mean_over=["prune", "extract_labels"])
        rows += [{**of, "attack": attack} for attack in ("mean_same_task", "prune", "extract_labels")]
    Records.at(study, "auc").put({"key": str(number), **row} for number, row in enumerate(rows))


def agreement(first: str, second: str) -> dict | None:
    return replication.agreement(mean_aucs(first), mean_aucs(second))


@pytest.fixture
def anew():
    """Two readings change places, one was not run again, and other studies stand beside."""
    put("cv/own/cpu", {**USUAL, ("sac_w", "correlation"): 0.7})
    put("cv/own/cpu-split_1", {**USUAL, ("akh", "responses"): 0.5})
    put("cv/own/paper", USUAL)
    put("cv/other/cpu", USUAL)
    return "cv/own/cpu"


def test_replicates_are_those_of_the_same_data_set_and_tier(anew):
    assert replication.replicates(anew) == ["cv/own/cpu-split_1"]
    assert replication.replicates("cv/other/cpu") == []


def test_agreement_is_over_what_both_have(anew):
    found = agreement(anew, "cv/own/cpu-split_1")
    assert found == pytest.approx({"representations": 3, "rank_correlation": 0.5, "mean_difference": 0.1})


def test_too_few_representations_in_common_are_not_compared(anew):
    put("cv/other/cpu-split_1", {("akh", "responses"): 0.5})
    Records.at("cv/other/cpu-split_2", "auc").replace([])
    assert agreement("cv/other/cpu", "cv/other/cpu-split_1") is None
    assert all(line.endswith("|  |  |  |") for line in replication.table(["cv/other/cpu"])[-5:-2])


def test_the_table_follows_the_best_baseline_of_the_primary_split(anew):
    head, _, *rows, _, pages = replication.table([anew, "cv/other/cpu"])
    assert head == "|  | cv own | cv own, SPLIT_SEED=1 |"
    assert rows[0] == "| mean AUC | 0.900 [0.900, 0.900] | 0.900 [0.900, 0.900] |"
    assert rows[-4:] == [
        "| mean AUC of the best baseline on the primary split | akh, labels: 0.800 | akh, labels: 0.500 |",
        "| representations of all methods in both |  | 3 |",
        "| rank correlation of their mean AUCs with the primary split |  | 0.50 |",
        "| mean absolute difference of their mean AUCs |  | 0.100 |",
    ]
    assert pages.startswith("All tables of the replicates: [cv-own-cpu-split_1](")


def test_a_study_without_replicates_gives_no_table(anew):
    assert replication.table(["cv/other/cpu"]) == []
