"""Records of version 0.1: read under the names of today, and rewritten under them."""

import json

import pytest

from fingerprinting.methods import METHODS
from fingerprinting.reports import pages
from fingerprinting.study.records import Records
from fingerprinting.study.renamed import OF_THEN, TOPICS, WORDS, as_first_called

STUDY = "cv/digits/cpu"


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("RESULTS_DIR", str(tmp_path))
    made = tmp_path / "records" / STUDY
    made.mkdir(parents=True)
    return made


@pytest.mark.parametrize(("topic", "then"), TOPICS.items())
def test_a_topic_of_another_name_is_read_and_rewritten(folder, topic, then):
    old, new = {"key": f"{STUDY}/theft left out", "value": "theft left out"}, {"key": "new", "value": 1}
    (folder / f"{then}.jsonl").write_text(json.dumps(old) + "\n")
    todays = {"key": f"{STUDY}/leave-one-attack-out", "value": "leave-one-attack-out"}
    assert Records.at(STUDY, topic).rows() == [todays] and pages.with_records(topic) == [STUDY]
    Records.at(STUDY, topic).put([new])
    assert Records.at(STUDY, topic).rows() == [todays, new]
    assert [path.name for path in folder.iterdir()] == [f"{topic}.jsonl"]


def test_columns_and_words_of_then_are_todays(folder):
    row = {"key": f"{STUDY}/third_independent/mlp-0", "level": 0.01, "p_honest": 0.5, "n_thefts": 3, "ability": 0.9}
    (folder / "verdicts.jsonl").write_text(json.dumps(row) + "\n")
    assert Records.at(STUDY, "verdicts").rows() == [
        {
            "key": f"{STUDY}/low_data_independent/mlp-0",
            "alpha": 0.01,
            "p_independent": 0.5,
            "n_stolen": 3,
            "control_accuracy": 0.9,
        }
    ]


def test_seeds_are_drawn_from_the_words_of_then():
    """Intervals, labels and chosen queries of records of before come out again."""
    drawn_from = {method.key: method.seed_name for method in METHODS}
    assert drawn_from["akh/labels/responses"] == "akh/labels/answers"
    assert drawn_from["calibrated/labels/stealing_evidence"] == "calibrated/labels/theft_evidence"
    assert drawn_from["primary/logits/correlation"] == "primary/logits/correlation"
    assert as_first_called("random_responses") == "random_answers"
    assert as_first_called("leave-one-attack-out") == "theft left out"
    assert len(OF_THEN) == len(WORDS)  # no two of then have one name today
