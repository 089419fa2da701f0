"""The package is layered: a folder imports only from folders before it, and none of them draws but reports."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import fingerprinting
from fingerprinting.core.places import REPOSITORY

PACKAGE = Path(fingerprinting.__file__).parent
# From what everything stands on to what stands on everything; `pipeline` is a list of names, `methods` the whole table
# of fingerprints, whose rows the stages before it add.
LEVELS = (
    *(
        "core",
        "engines",
        "pipeline",
        "data",
        "training",
        "study",
        "models",
        "fingerprints",
        "deepcore",
        "asking",
        "calibrated",
    ),
    *("methods", "judging"),
    *("robustness", "evaluation", "reports", "steps", "cli", "planning", "protecting"),
)
MOST = 20  # modules of a folder, those of its own folders not counted


def level_of(module: str) -> int:
    """module: fingerprinting.folder.name"""
    return LEVELS.index(module.split(".")[1])


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "fingerprinting":
            yield from (f"fingerprinting.{name.name}" for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fingerprinting."):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("fingerprinting."))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)


MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py" and path.name != "__main__.py"
)


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_imports_go_down(path):
    own = level_of(module_of(path))
    up = [module for module in imported(path) if level_of(module) > own]
    assert not up, f"{module_of(path)} imports {up}, which stands above it"


def test_every_folder_has_its_level_and_none_is_a_heap():
    folders = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert folders == set(LEVELS)
    counts = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert max(counts.values()) <= MOST, counts.most_common(1)


def test_a_wrong_import_is_seen(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(
        "from fingerprinting.reports import show\nfrom fingerprinting import cli\nimport fingerprinting.data.splits\n"
    )
    found = list(imported(path))
    assert found == ["fingerprinting.reports", "fingerprinting.cli", "fingerprinting.data.splits"]
    assert level_of(found[0]) > level_of("fingerprinting.evaluation.match")
