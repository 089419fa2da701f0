"""docs/inputs.md: every row names a sentence that the code really says, and a test that is really there."""

import ast
import re
from functools import lru_cache

import pytest

from fingerprinting.core.places import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "inputs.md"
HEADER = ["input", "accepted", "refused", "sentence", "test"]
GAP = "…"


def rows() -> list[list[str]]:
    """The cells of all rows; a `|` inside a cell is written `\\|`."""
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if row != HEADER and set("".join(row)) != {"-"}]


def told(text: ast.AST) -> str | None:
    """A string in the code, with a gap for each value that is put into it."""
    if isinstance(text, ast.Constant) and isinstance(text.value, str):
        return text.value
    if isinstance(text, ast.JoinedStr):
        return "".join(told(part) or GAP for part in text.values)
    return None


@lru_cache(maxsize=1)
def sentences() -> list[str]:
    folders = ("fingerprinting", "cv", "nlp", "bci", "data")
    paths = [*REPOSITORY.glob("*.py"), *(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))]
    paths = [path for path in paths if "artifacts" not in path.parts]
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in paths)
    return [text for tree in trees for node in ast.walk(tree) if (text := told(node))]


@lru_cache
def functions_of(file: str) -> set[str]:
    """file: the name of a file of tests, which no other folder has, or its path in tests/"""
    (path,) = (REPOSITORY / "tests").rglob(file)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def is_said(sentence: str) -> bool:
    """Whether its fixed parts stand in this order in one string of the code."""
    pattern = ".*".join(map(re.escape, filter(None, (part.strip() for part in sentence.split(GAP)))))
    return any(re.search(pattern, text, re.DOTALL) for text in sentences())


@pytest.mark.parametrize("row", rows(), ids=lambda row: re.sub(r"\W+", "_", row[0] + "_" + row[2])[:60])
def test_a_row_holds_what_it_says(row):
    assert len(row) == len(HEADER)
    for sentence in re.findall(r"`([^`]+)`", row[3]):
        assert is_said(sentence.replace("\\|", "|")), f"no code says {sentence!r}"
    named = re.findall(r"`(?:tests/)?([\w/]+\.py)::(\w+)`", row[4])
    assert named, f"the row of {row[0]!r} names no test"
    for file, name in named:
        assert name in functions_of(file), f"{file} has no {name}"


def test_what_no_code_says_is_found_out():
    assert not is_said("nobody ever says this sentence")
