"""DeepCore's types of models, and what its tables count of them, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fingerprinting.deepcore import published_types
from fingerprinting.deepcore.published_types import TYPES, group_of, label_rows, type_of, type_rows
from fingerprinting.models.kinds import KINDS
from fingerprinting.models.suspects import Suspect
from fingerprinting.reports.papers.published_deepcore import TABLE_1
from fingerprinting.study.study import Study

CLASSES = 3


def test_every_published_type_is_one_of_kinds_that_are_trained():
    assert list(TYPES) == list(TABLE_1)
    assert {kind for about in TYPES.values() for kind in about.kinds} <= set(KINDS)


@pytest.mark.parametrize(
    ("kind", "architecture", "expected"),
    [
        ("overlap", "conv3", "HM_SA"),
        ("homologous", "mlp", "HM_DA"),
        ("adversarial", "conv3", "PM_Adv"),
        ("extract_labels_same", "conv3", "EM_SA_L"),
        ("extract_probabilities", "mlp", "EM_DA_Pr"),
        ("extract_adversarial", "mlp", None),
        ("irrelevant", "conv3", None),
        ("source", "conv3", None),
    ],
)
def test_a_models_type(kind, architecture, expected):
    assert type_of(kind, architecture, "conv3") == expected


@pytest.fixture
def core(study: Study) -> SimpleNamespace:
    """A point of each of three classes at two stages; whatever a model says, it says `off` less than the source."""
    off = {"overlap": 4.0, "prune": 1.0, "extract_labels_same": 3.0, "extract_adversarial": 9.0}
    models = {kind: Suspect(study.model_id(kind, "conv3", 0), {}) for kind in ("source", *off)}
    said = {
        model.model.name: torch.stack([(stage + 1) * 10 * torch.eye(CLASSES) - off.get(kind, 0) for stage in range(2)])
        for kind, model in models.items()
    }
    trace = [
        {"step": step, "radius": [step + 1.0, step + 2.0, step + 3.0], "confidence": [0.5] * 3} for step in (0, 50, 100)
    ]
    stage = SimpleNamespace(
        truth=torch.arange(CLASSES), metadata={"settings": {"lengths": [0, 60]}, "trace": trace}, extra={}
    )
    return SimpleNamespace(
        pool=[models["source"], models["prune"], models["extract_adversarial"]],
        beside=[models["overlap"], models["extract_labels_same"]],
        responses=said,
        stages=[stage, stage],
    )


def test_radius_score_and_differences_of_each_label_by_hand(core):
    rows = {(row["steps"], row["label"]): row for row in label_rows(core)}
    assert set(rows) == {(steps, label) for steps in (0, 60) for label in range(CLASSES)}
    row = rows[60, 2]
    assert (row["radius"], row["score"], row["points"]) == (53.0, 20.0, 1)  # the last measurement up to step 60
    assert (row["homologous"], row["homologous_n"], row["homologous_std"]) == (4.0, 1, 0.0)
    assert (row["stolen"], row["stolen_n"], row["stolen_std"]) == (2.0, 2, 1.0)  # of 1 and 3
    assert (row["modified"], row["extracted"]) == (1.0, 3.0)


def test_every_typed_model_has_a_score_before_and_after_and_a_cluster(core, monkeypatch):
    monkeypatch.setattr(published_types, "ALGORITHMS", {"sign": lambda features, clusters: np.arange(len(features))})
    rows = type_rows(core, 2)
    assert [row["type"] for row in rows] == ["source", "HM_SA", "PM_P", "EM_SA_L"]
    assert [row["score_first"] for row in rows] == [10, 6, 9, 7]
    assert [row["score_last"] for row in rows] == [20, 16, 19, 17]
    assert [row["clusters"]["sign"] for row in rows] == [0, 1, 2, 3]
    assert [group_of(row["type"]) for row in rows[1:]] == ["HM", "PM", "EM"]


def test_without_a_typed_model_there_is_nothing_to_cluster(core):
    core.pool, core.beside = [core.pool[0], core.pool[2]], []
    assert type_rows(core, 2) == []
    assert not {"homologous", "stolen"} & set(label_rows(core)[0])
