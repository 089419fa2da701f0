"""CSV files over all studies and pages of one or of each, from records made by hand."""

import csv
from collections import Counter

import pytest

from fingerprinting.reports import pages
from fingerprinting.reports.sections import study_page
from fingerprinting.study.records import Records

STUDIES = ["cv/one/smoke", "cv/other/smoke"]
COSTS = dict(method="primary", queries=9, generate_s=1.0, match_s=0.5, extra_models=0, extra_models_s=0.0)


@pytest.fixture(autouse=True)
def matched():
    for study in STUDIES:
        Records.at(study, "auc").replace([])
        Records.at(study, "timing").put([{"key": study, **COSTS}])


def written() -> list[bool]:
    return [pages.page_path(study).is_file() for study in STUDIES]


def test_one_page_alone_is_written_and_all_studies_stand_in_the_csv():
    study_page.write(STUDIES[0])
    assert written() == [True, False]
    with (pages.folder() / "timing-smoke.csv").open() as file:
        assert [row["dataset"] for row in csv.DictReader(file)] == ["one", "other"]
    assert "| primary | 9 | 1.00 |  |  | 0.500 |" in pages.page_path(STUDIES[0]).read_text()


def test_without_a_study_every_page_is_written():
    study_page.write()
    assert written() == [True, True]


def test_every_file_of_records_is_read_once(monkeypatch):
    read, rows = Counter(), Records.rows
    monkeypatch.setattr(Records, "rows", lambda self: read.update([self.path]) or rows(self))
    study_page.write()
    assert len(read) == len(STUDIES) * len(study_page.COLUMNS) and set(read.values()) == {1}


def test_only_committed_tiers_stand_in_the_csv_that_is_committed():
    for tier in ("cpu", "cpu-split_1", "quick", "smoke-split_1"):
        Records.at(f"cv/one/{tier}", "auc").replace([])
        Records.at(f"cv/one/{tier}", "timing").put([{"key": tier, **COSTS}])
    study_page.write()
    found = {}
    for path in pages.folder().glob("timing*.csv"):
        with path.open() as file:
            found[path.name] = [row["tier"] for row in csv.DictReader(file)]
    assert found == {
        "timing.csv": ["cpu", "cpu-split_1"],
        "timing-quick.csv": ["quick"],
        "timing-smoke.csv": ["smoke", "smoke-split_1", "smoke"],
    }
