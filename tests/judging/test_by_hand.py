"""Responses that came in a file are evidence as those of a suspect that was asked are, and said once."""

import json
from pathlib import Path

import pytest

from fingerprinting.asking import journal
from fingerprinting.core.errors import UserError
from fingerprinting.judging import bundle, verification
from tests import cases
from tests.cases import CONTROLS, QUERIES


@pytest.fixture
def protected(study):
    return cases.protect(study)


def typed(path: Path, labels: list) -> str:
    path.write_text("".join(f"{label}\n" for label in labels))
    return str(path)


def early_order(labels: list[int]) -> list[int]:
    return [*labels[QUERIES:], *labels[:QUERIES]]


def test_a_case_is_made_of_responses_from_a_file(study, protected, tmp_path, capsys):
    folder, case = tmp_path / "queries", tmp_path / "case.zip"
    cases.run(study, folder, commit=True)
    labels = ["-", "", *cases.copy_of(protected)[2:]]
    cases.run(study, folder, responses=typed(tmp_path / "said.txt", labels), evidence=str(case))
    kept = journal.read(folder / journal.NAME)
    assert [entry.raw for entry in kept.entries] == list(map(str, labels))
    assert [entry.label for entry in kept.entries[:3]] == [None, None, labels[2]]
    assert kept.about.suspect == "responses that were read from a file"
    capsys.readouterr()
    verification.verify(case=str(case), signer="", tsa_ca="")
    said = capsys.readouterr().out
    assert "holds together" in said and "**stolen**" in said
    assert json.loads(bundle.read(case)["verdict.json"])["unanswered"] == 2


def test_the_verdict_of_a_case_is_that_without_one(study, protected, tmp_path):
    found = []
    for commit in (True, False):
        folder = tmp_path / f"{commit}"
        cases.run(study, folder, commit=commit)
        cases.run(study, folder, responses=typed(tmp_path / "said.txt", cases.copy_of(protected)))
        found.append(json.loads((folder / "verdict.json").read_text()))
    assert found[0] == found[1] and not (tmp_path / "False" / journal.NAME).exists()


def test_responses_of_a_case_stay_and_the_same_file_may_be_given_again(study, protected, tmp_path):
    folder, path, labels = tmp_path / "queries", tmp_path / "said.txt", cases.copy_of(protected)
    cases.run(study, folder, commit=True)
    cases.run(study, folder, responses=typed(path, labels))
    before = (folder / journal.NAME).read_bytes()
    cases.run(study, folder, responses=typed(path, labels))
    for changed, said in ((3, "says '.' to query 4, where .* has '.' from before"), (QUERIES, "to query 31")):
        other = [*labels[:changed], (labels[changed] + 1) % 10, *labels[changed + 1 :]]
        with pytest.raises(UserError, match=f"{said}.*; the case keeps what came first, so put that back"):
            cases.run(study, folder, responses=typed(path, other))
    assert (folder / journal.NAME).read_bytes() == before


def test_who_was_asked_is_not_written_for_by_hand(study, protected, tmp_path):
    folder, labels = tmp_path / "queries", cases.copy_of(protected)
    cases.run(study, folder, commit=True)
    cases.run(study, folder, suspect=cases.suspect(folder, labels))
    with pytest.raises(
        UserError, match="holds the responses of .*; give QUERIES=another folder for responses that were"
    ):
        cases.run(study, folder, responses=typed(tmp_path / "said.txt", labels))


def test_a_case_grows_by_hand_until_its_verdict(study, protected, tmp_path, capsys):
    """An independent model's responses to the first queries, then all; what was said first must stay."""
    folder, case, path = tmp_path / "queries", tmp_path / "case.zip", tmp_path / "said.txt"
    labels = early_order([*((protected.labels + 1) % 10).tolist(), *range(CONTROLS)])
    cases.run(study, folder, commit=True, early=True)
    for count in (CONTROLS + 25, CONTROLS + QUERIES):
        cases.run(study, folder, early=True, responses=typed(path, labels[:count]), evidence=str(case))
        assert len(journal.read(folder / journal.NAME).entries) == count
        assert json.loads((folder / "verdict.json").read_text())["queries"] == count - CONTROLS
        verification.verify(case=str(case), signer="", tsa_ca="")
        assert "**inconclusive**" in capsys.readouterr().out
    with pytest.raises(UserError, match="has no response to query 36, where"):
        cases.run(study, folder, early=True, responses=typed(path, labels[: CONTROLS + 25]))


def test_a_copy_is_flagged_at_the_first_look_however_many_responses_are_there(study, protected, tmp_path, capsys):
    folder, case = tmp_path / "queries", tmp_path / "case.zip"
    cases.run(study, folder, commit=True, early=True)
    labels = early_order(cases.copy_of(protected))
    cases.run(study, folder, early=True, responses=typed(tmp_path / "said.txt", labels), evidence=str(case))
    assert json.loads((folder / "verdict.json").read_text())["queries"] == 25
    capsys.readouterr()
    verification.verify(case=str(case), signer="", tsa_ca="")
    assert "**stolen**" in capsys.readouterr().out


def test_what_is_odd_about_responses_from_a_file_is_said(study, protected, tmp_path, capsys):
    folder, labels = tmp_path / "queries", cases.copy_of(protected)
    cases.run(study, folder)
    cases.run(study, folder, responses=typed(tmp_path / "said.txt", [(label + 1) % 10 for label in labels]))
    said = capsys.readouterr().out
    assert "its classes seem to be in another order" in said and (folder / "classes.json").exists()
    cases.run(study, folder, responses=typed(tmp_path / "one.txt", [3] * len(labels)))
    assert "it gives one class to all queries" in capsys.readouterr().out
