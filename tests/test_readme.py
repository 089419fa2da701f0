"""README: its commands exist, its constants are constants, and its numbers are those of the records."""

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from cv.domain import DOMAIN
from fingerprinting import deepcore_report, files, passport_report, readme, settings, sweep, tables
from fingerprinting.runtime import REPOSITORY, UserError

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"python ([\w/]+\.py)((?: [A-Z_]+=[^\s`…]+)*)", README)))


@pytest.mark.parametrize(("script", "words"), COMMANDS)
def test_every_command_exists_and_knows_its_constants(script, words):
    path = REPOSITORY / script
    assert path.is_file()
    known = {"DOMAIN"} | set(settings.COMMON) | set(DOMAIN.constants) | settings.own_constants(path)
    assert {word.split("=")[0] for word in words.split()} <= known


def test_the_constants_that_all_scripts_know_are_those():
    sentence = re.search(r"All scripts know\s(.*?),\sand the", README, re.DOTALL).group(1)
    assert set(re.findall(r"`(\w+)`", sentence)) == set(settings.COMMON)


def test_every_file_of_the_tree_exists():
    tree = README.split("## Files")[1].split("## ")[0]
    names = re.findall(r"^ {4}(\S.*?)  ", tree, re.MULTILINE)
    for name in (word for line in names for word in line.split()):
        assert (REPOSITORY / name).exists(), name


def test_links_and_pictures_exist():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (REPOSITORY / target).is_file(), target


def test_numbers_are_written_from_the_records(monkeypatch):
    monkeypatch.delenv("RESULTS_DIR")
    for name, block in readme.blocks().items():
        assert readme.replaced(README, name, block) == README, f"README's {name} differ from results/records"


def test_committed_tables_are_written_from_the_records(monkeypatch):
    shutil.copytree(REPOSITORY / "results" / "records", files.results_dir() / "records")
    for report in (tables, sweep, deepcore_report):
        report.write()
    monkeypatch.setattr(passport_report, "figure", lambda study: None)
    for name in passport_report.study_folders():
        passport_report.write(SimpleNamespace(folder=name))
    for path in tables.folder().iterdir():
        committed = REPOSITORY / "results" / "tables" / path.name
        assert path.read_text() == committed.read_text(), f"{path.name} differs from results/records"


def test_lost_markers_are_said():
    with pytest.raises(UserError, match="markers"):
        readme.replaced("# nothing here", "results", "")


def test_the_repository_holds_no_path_of_a_machine():
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines():
        path = REPOSITORY / name
        if path.suffix in (".py", ".md", ".sh", ".toml", ".txt", ".jsonl", ".csv") and path.is_file():
            assert str(Path.home()) + "/" not in path.read_text(encoding="utf-8"), path


def test_results_go_where_the_tests_say():
    assert files.results_dir() != REPOSITORY / "results"
