"""Other ways to make one verdict of two log-odds, against records made by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fingerprinting.calibrated.verdicts import TRACES
from fingerprinting.reports.sections import score_combinations
from fingerprinting.study.records import Records

INDEPENDENT = [(-2.0, -1.0), (0.5, -3.0), (-1.0, 0.2), (-0.5, -0.4)]
PRUNED, STUDENT = [(-3.0, 1.5), (-2.5, 0.1)], [(0.9, -4.0)]
BY_HAND = {
    "log-odds of either origin (in use)": lambda found: np.log(np.exp(found).sum(1)),
    "maximum of both": lambda found: np.max(found, axis=1),
    "sum of both": lambda found: found[:, 0] + found[:, 1],
    "extraction only": lambda found: found[:, 0],
    "modification only": lambda found: found[:, 1],
}


@pytest.fixture
def judged():
    """Independent models that were scored, as many of an audit that look stolen, and two stealing attacks."""

    def rows(kind: str, role: str, use: str, traces: list, share: float = 1.0) -> list[dict]:
        about = dict(kind=kind, role=role, use=use, share=share)
        return [
            {"key": f"{use}/{kind}/{share}/{number}", **about, **dict(zip(TRACES, pair, strict=True))}
            for number, pair in enumerate(traces)
        ]

    found = rows("irrelevant", "independent", "scored", INDEPENDENT)
    found += rows("audit_irrelevant", "independent", "audit", [(9.0, 9.0)] * len(INDEPENDENT))
    found += rows("audit_irrelevant", "independent", "audit", [(-9.0, -9.0)], share=0.1)
    found += rows("prune", "pirated", "scored", PRUNED) + rows("extract_labels", "pirated", "scored", STUDENT)
    moved = dict(key="moved", kind="transfer", role="pirated", use="scored", share=1.0)  # has one trace only
    Records.at("bci/own/cpu", "verdicts").put([*found, moved])
    return "bci/own/cpu"


@pytest.mark.parametrize("name", score_combinations.RULES)
def test_rules_are_those_by_hand(judged, name):
    found = score_combinations.aucs(judged, "scored")[name]
    assert set(found) == {"prune", "extract_labels"}
    for attack, traces in (("prune", PRUNED), ("extract_labels", STUDENT)):
        scores = BY_HAND[name](np.array([*traces, *INDEPENDENT]))
        assert found[attack] == pytest.approx(roc_auc_score([1] * len(traces) + [0] * len(INDEPENDENT), scores))


def test_less_accurate_models_of_the_audit_have_no_part(judged):
    assert all(auc == 0 for found in score_combinations.aucs(judged, "audit").values() for auc in found.values())


def test_the_table_has_a_cell_where_something_was_measured(judged):
    lines = score_combinations.table([judged, "bci/other/cpu"])
    assert len(lines) == 2 + 2 * len(score_combinations.RULES)
    assert lines[3] == "| maximum of both, against scored independent models | 0.875 (0.750) |  |"
    assert all(line.endswith("0.000 (0.000) |  |") for line in lines[2 + len(score_combinations.RULES) :])


def test_a_study_without_verdicts_has_none():
    assert score_combinations.aucs("bci/other/cpu", "scored") == {}
