"""results/index.html is what the committed results give, and leads to all of them."""

import subprocess
from pathlib import Path

import pytest

from fingerprinting.core.places import REPOSITORY
from fingerprinting.reports.html import index
from tests.pages import Page

RESULTS = REPOSITORY / "results"
COMMITTED = RESULTS / index.NAME


@pytest.fixture
def page() -> Page:
    return Page(COMMITTED.read_text(encoding="utf-8"))


def test_it_is_written_from_the_results(monkeypatch):
    monkeypatch.delenv("RESULTS_DIR")
    assert index.page() == COMMITTED.read_text(encoding="utf-8"), "run python -m fingerprinting.reports FIGURES=False"


def test_it_is_small_and_leads_to_every_table_and_figure(page):
    page.check()
    assert COMMITTED.stat().st_size < 200_000 and not [one for one in page.of("img") if one["loading"] != "lazy"]
    targets = [attrs["href"] or "" for attrs in page.of("a")]
    here = {target for target in targets if not target.startswith("#")}
    assert all((RESULTS / target).exists() for target in here)
    assert {image["src"] for image in page.of("img")} <= here
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {target[1:] for target in targets if target.startswith("#")} <= ids
    words = ["git", "ls-files", "tables", "figures"]
    listed = subprocess.run(words, cwd=RESULTS, capture_output=True, text=True, check=True).stdout.split()
    assert set(listed) <= here


def test_no_results_give_a_page_without_studies():
    page = Page(index.page())
    page.check()
    assert page.headings == [(1, "Results"), (2, "Tables of all studies")]


def test_own_files_of_a_study_are_not_those_of_a_study_apart(tmp_path: Path):
    studies = ["cv/own/cpu", "cv/own/cpu-split_1"]
    for name in ("cv-own-cpu", "cv-own-cpu-deepcore", "cv-own-cpu-split_1", "cv-own-cpu-split_1-deepcore"):
        (tmp_path / f"{name}.md").touch()
    found = {study: [end for _, end in index._own(tmp_path, study, studies, ".md")] for study in studies}
    assert found == dict.fromkeys(studies, ["deepcore", ""])
