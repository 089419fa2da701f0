"""What the code imports is declared in pyproject.toml, and requirements.txt pins all of it within the bounds."""

import ast
import re
import subprocess
import sys
from functools import lru_cache

import pytest
from packaging.requirements import Requirement

from fingerprinting.core.places import REPOSITORY

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # which pytest brings there

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
OWN = {"fingerprinting", "cv", "nlp", "bci", "tests"}
# Extras are for what is imported where it is needed, by these.
LATE = {
    "text": (
        "nlp/bert.py",
        "fingerprinting/study/transformers_classifier.py",
    ),
    "eeg": ("bci/recordings.py",),
    "onnx": ("fingerprinting/asking/files/onnx_model.py",),
    "grpc": ("fingerprinting/asking/open_inference/channel.py",),
    "cluster": (
        "fingerprinting/engines/dask_scheduler.py",
        "fingerprinting/engines/slurm.py",
        "tests/engines/test_dask.py",
        "benchmarks/zoo.py",
    ),
    "tables": ("fingerprinting/protecting/tables.py",),
}
UNPINNED = {"onnx", "grpc", "cluster", "tables"}  # extras that requirements.txt does not install
OTHERWISE = {
    "grpc": "grpcio",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "xdist": "pytest-xdist",
}  # installed by another name
SERVERS = "tests/judging/servers/"  # run in an environment of their own
LINTERS = {"ruff"}  # run, not imported


def name_of(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def declared(requirements: list[str]) -> dict[str, Requirement]:
    return {name_of(found.name): found for found in map(Requirement, requirements)}


@lru_cache
def imported(path: str) -> set[str]:
    """The distributions that a file of the repository imports."""
    names = set()
    for node in ast.walk(ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    foreign = names - set(sys.stdlib_module_names) - OWN - {"tomli"}
    return {name_of(OTHERWISE.get(name, name)) for name in foreign}


def files(*folders: str) -> list[str]:
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [path for path in listed.stdout.splitlines() if path.startswith(folders) and (REPOSITORY / path).is_file()]


def pins() -> list[Requirement]:
    """Of all versions of Python."""
    lines = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line.split(";")[0]) for line in lines if line and not line.startswith(("#", "-"))]


def test_everything_imported_is_declared():
    always = set(declared(PROJECT["dependencies"]))
    for path in files(""):
        extra = [name for name, late in LATE.items() if path in late]
        more = {found for name in extra for found in declared(EXTRAS[name])}
        if path.startswith("tests/"):
            more = {found for requirements in EXTRAS.values() for found in declared(requirements)}
        if path.startswith(SERVERS):
            texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / SERVERS).glob("requirements*.txt")]
            lines = [line for text in texts for line in text.splitlines()]
            more |= set(declared([line for line in lines if not line.startswith("#")]))
        assert imported(path) <= always | more, path


def test_everything_declared_is_imported():
    everything = set().union(*(imported(path) for path in files("")))
    for requirements in (PROJECT["dependencies"], *EXTRAS.values()):
        assert set(declared(requirements)) - LINTERS <= everything


@pytest.mark.parametrize(
    "line", [*PROJECT["dependencies"], *(line for name in EXTRAS if name not in UNPINNED for line in EXTRAS[name])]
)
def test_every_pin_is_within_the_bounds(line):
    bound = Requirement(line)
    assert str(bound.specifier).startswith(">="), f"{line} has no lower bound"
    versions = [next(iter(pin.specifier)).version for pin in pins() if name_of(pin.name) == name_of(bound.name)]
    assert versions, f"{bound.name} is not pinned in requirements.txt"
    assert all(bound.specifier.contains(version) for version in versions)
