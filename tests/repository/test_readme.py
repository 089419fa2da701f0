"""README and docs: commands, files and steps exist, README is short, and blocks are those of the records."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cv.domain import DOMAIN
from fingerprinting import cli
from fingerprinting.core import places
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.fingerprints.registry import METHODS
from fingerprinting.judging import page
from fingerprinting.pipeline import PASSPORT, ROOT, ZOO
from fingerprinting.reports import documents, pages
from fingerprinting.reports.sections import deepcore, overlap, passport_pages, study_page

PAGES = (REPOSITORY / "README.md", *REPOSITORY.glob("docs/*.md"))
# What stands in a fence is no text: in docs/extending.md, changes that a test applies to a copy.
TEXTS = {path: re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL) for path in PAGES}
README, LAYOUT, STEPS = (TEXTS[REPOSITORY / name] for name in ("README.md", "docs/layout.md", "docs/steps.md"))
COMMANDS = sorted(set(re.findall(r"python\s([\w/]+\.py)((?: [A-Z_]+=[^\s`…]+)*)", "\n".join(TEXTS.values()))))


@pytest.mark.parametrize(("script", "words"), COMMANDS)
def test_every_command_exists_and_knows_its_constants(script, words):
    path = REPOSITORY / script
    assert path.is_file()
    known = {"DOMAIN"} | set(cli.COMMON) | set(DOMAIN.constants) | cli.own_constants(path)
    assert {word.split("=")[0] for word in words.split()} <= known


def test_every_step_stands_in_the_table_of_steps():
    scripts = [*(f"cv/{name}" for name in ZOO), *ROOT, *(f"cv/passport/{name}" for name in PASSPORT)]
    found = re.findall(r"^\| \d+ \| `python (\S+)\.py` \|", STEPS, re.MULTILINE)
    assert found == ["data/prepare", *scripts], "their order is that in which reproduce.py runs them"


def test_the_constants_that_all_scripts_know_are_those():
    sentence = re.search(r"All scripts know\s(.*?),\sand the", STEPS, re.DOTALL).group(1)
    assert set(re.findall(r"`(\w+)`", sentence)) == set(cli.COMMON)


def listed(tree: str) -> list[Path]:
    """What a tree of files names: below a folder stands, further in, what lies in it; two blanks end the names."""
    folders: dict[int, Path] = {0: REPOSITORY}  # how far in -> the folder that stands there
    found = []
    for line in filter(str.strip, tree.splitlines()):
        depth = len(line) - len(line.lstrip())
        folders = {other: path for other, path in folders.items() if other < depth}
        parent = folders[max(folders)]
        names = [name for name in line.strip().split("  ")[0].split() if name != "..."]
        folders[depth] = parent / names[0]
        found += [parent / name for name in names]
    return found


def indented(text: str) -> str:
    """The first block of lines that are set in: a tree of files."""
    return re.search(r"(?:^ {4}.*\n)+", text, re.MULTILINE).group()


def test_every_file_of_the_tree_exists():
    tree = listed(indented(LAYOUT))
    assert [path for path in (*tree, *listed(indented(README.split("## Layout\n")[1]))) if not path.exists()] == []
    shown = {path.resolve() for path in tree}
    for folder in ("cv", "nlp", "bci", "fingerprinting"):
        assert REPOSITORY / folder in shown
    packages = {path.parent for path in (REPOSITORY / "fingerprinting").glob("*/__init__.py")}
    assert packages <= shown, "a folder of the package stands nowhere in the tree"


def test_a_tree_that_names_what_is_not_there_is_seen():
    found = listed("    cv/   vision\n      nowhere.py data.py   that\n    README.md   this\n")
    assert [path.relative_to(REPOSITORY).as_posix() for path in found] == [
        "cv",
        "cv/nowhere.py",
        "cv/data.py",
        "README.md",
    ]
    assert [path.exists() for path in found] == [True, False, True, True]


def test_readme_is_short(monkeypatch):
    monkeypatch.delenv("RESULTS_DIR")
    assert len(README.splitlines()) <= 150
    table = documents.BLOCKS["results"]().split("| --- |", 1)[1].splitlines()[1:]
    assert 0 < len(table) <= 12


def test_every_method_stands_in_the_table_of_methods():
    described = re.findall(r"^\| (`.*?`) \|", TEXTS[REPOSITORY / "docs" / "methods.md"], re.MULTILINE)
    named = [name for cell in described for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted({method.name for method in METHODS})


def test_the_verdict_in_readme_is_what_judge_prints(monkeypatch):
    monkeypatch.delenv("RESULTS_DIR")
    monkeypatch.setattr(page, "page", lambda found: [f"{found['outcome']} by {found['queries']} queries"])
    assert documents.BLOCKS["verdict"]().endswith("\n\nstolen by 200 queries")


def anchors(path: Path) -> set[str]:
    """What a document's headings are called in links to them."""
    headings = re.findall(r"^#+ (.*)$", TEXTS[path], re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_and_pictures_exist():
    for path, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)]+)\)", text):
            file, _, anchor = target.partition("#")
            assert (path.parent / file).is_file(), f"{path.name}: {target}"
            assert not anchor or anchor in anchors((path.parent / file).resolve()), f"{path.name}: {target}"


def test_every_test_that_contributing_names_exists():
    named = set(re.findall(r"`(test_\w+\.py)`", (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    assert named and named <= {path.name for path in (REPOSITORY / "tests").rglob("test_*.py")}


def test_every_document_is_found_from_readme():
    linked = {(REPOSITORY / target.partition("#")[0]).resolve() for target in re.findall(r"\]\(([^)]+)\)", README)}
    assert set(REPOSITORY.glob("docs/*.md")) <= linked


def test_every_block_stands_in_one_document():
    named = [name for names in documents.DOCUMENTS.values() for name in names]
    assert sorted(named) == sorted(documents.BLOCKS)
    for path, text in TEXTS.items():
        found = re.findall(r"<!-- end of (\w+) -->", text)
        assert found == list(documents.DOCUMENTS.get(path.relative_to(REPOSITORY).as_posix(), ()))


@pytest.mark.parametrize("document", documents.DOCUMENTS)
def test_numbers_are_written_from_the_records(document, monkeypatch):
    monkeypatch.delenv("RESULTS_DIR")
    assert documents.rewritten(document) == TEXTS[REPOSITORY / document], f"{document} differs from results/records"


def test_committed_tables_are_written_from_the_records(monkeypatch):
    others = shutil.ignore_patterns("*quick*", "*smoke*")  # of somebody's own runs, which git ignores
    shutil.copytree(REPOSITORY / "results" / "records", places.results_dir() / "records", ignore=others)
    for report in (study_page, overlap, deepcore):
        report.write()
    monkeypatch.setattr(passport_pages, "figure", lambda *_: None)
    for name in passport_pages.study_folders():
        passport_pages.write(name)
    for path in pages.folder().iterdir():
        committed = REPOSITORY / "results" / "tables" / path.name
        assert path.read_text() == committed.read_text(), f"{path.name} differs from results/records"


def test_lost_markers_are_said():
    with pytest.raises(UserError, match="markers"):
        documents.replaced("# nothing here", "results", "")


def test_the_repository_holds_no_path_of_a_machine():
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines():
        path = REPOSITORY / name
        if path.suffix in (".py", ".md", ".sh", ".toml", ".txt", ".jsonl", ".csv") and path.is_file():
            assert str(Path.home()) + "/" not in path.read_text(encoding="utf-8"), path


def test_results_go_where_the_tests_say():
    assert places.results_dir() != REPOSITORY / "results"
