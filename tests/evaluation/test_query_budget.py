"""The extraction sweep by hand: a student's own AUC, means per number of inputs asked, the table, page and picture."""

import csv

import numpy as np
import pytest

from fingerprinting.core import places, statistics
from fingerprinting.evaluation import query_budget
from fingerprinting.methods import METHODS
from fingerprinting.models.suspects import NEGATIVES, Suspect
from fingerprinting.reports import pages
from fingerprinting.reports.figures import charts
from fingerprinting.reports.sections import query_budget as sweep
from fingerprinting.reports.sections import study_page
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study

METHOD = METHODS[0]
ASKED = {0.25: 100, 1.0: 400}
DISTANCES = {(0.25, 0): 5.0, (0.25, 1): 3.0, (1.0, 0): 0.5, (1.0, 1): 1.5}  # of the students, by share and copy
INDEPENDENT = dict(zip(NEGATIVES["all"], [1.0, 2.0, 3.0, 4.0], strict=True))
NEARER = {5.0: 0, 3.0: (1 + 0.5) / 4, 0.5: 1, 1.5: 3 / 4}  # than this share of the independent, ties count half


def student(study: Study, share: float, copy: int) -> Suspect:
    metadata = {"test_accuracy": 0.8, "examples": ASKED[share], "settings": {"options": {"share": share}}}
    return Suspect(study.model_id("extract_sweep", "mlp", copy, f"share_{share:g}"), metadata)


@pytest.fixture
def found(study) -> list[dict]:
    """Rows of four students against four independents; others, at no distance at all, are there and do not count."""

    def model(kind: str) -> Suspect:
        return Suspect(study.model_id(kind, "mlp", 0), {})

    pool = [model(kind) for kind in (*INDEPENDENT, "prune", "irrelevant_transfer")]
    swept = [*(student(study, *which) for which in DISTANCES), model("overlap")]
    known = [*INDEPENDENT.values(), 0.0, 0.0, *DISTANCES.values(), 0.0]
    distances = {suspect.model.name: distance for suspect, distance in zip([*pool, *swept], known, strict=True)}
    agreement = {name: 0.7 + 0.1 * ("-1-share" in name) for name in distances}
    return query_budget.rows(study, [METHOD], pool, swept, {METHOD.key: distances}, agreement)


def test_every_student_is_compared_with_all_independents_of_its_task(found):
    assert {(row["share"], row["copy"]): row["distance"] for row in found} == DISTANCES
    for row in found:
        assert row["beats"] == NEARER[row["distance"]]
        assert (row["n_independent"], row["asked"]) == (len(INDEPENDENT), ASKED[row["share"]])
    assert len({row["key"] for row in found}) == len(found)


def test_the_mean_over_students_is_the_auc_of_them_all(study, found):
    Records.of(study, "extraction").replace(found)
    rows = {row["asked"]: row for row in sweep.rows(Records.of(study, "extraction").rows())}
    for share, asked in ASKED.items():
        own = np.array([distance for (other, _), distance in DISTANCES.items() if other == share])
        assert rows[asked]["auc"] == pytest.approx(statistics.auc(own, np.array([*INDEPENDENT.values()])))
        assert rows[asked]["fidelity"] == pytest.approx(0.75) and rows[asked]["n_pirated"] == 2


def test_table_page_and_picture(study, found):
    Records.of(study, "extraction").replace(found)
    Records.of(study, "auc").replace([])
    study_page.write()
    with (places.results_dir() / "tables" / "extraction-smoke.csv").open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == sweep.COLUMNS.split(",")
    assert [(row["asked"], row["n_pirated"], row["auc"]) for row in table] == [
        ("100", "2", "0.1875"),
        ("400", "2", "0.8750"),
    ]
    page = pages.page_path(study.folder).read_text()
    assert "| fingerprint | representation, output | 100 inputs | 400 inputs |" in page
    assert "| primary | match rate, labels | 0.19 | 0.88 |" in page
    assert charts.extraction(study.folder, [METHOD], [METHOD], found).read_text().startswith("<?xml")


def test_without_a_sweep_nothing_is_said_nor_drawn(study):
    assert sweep.section([]) == []
    assert charts.extraction(study.folder, [METHOD], [METHOD], []) is None
