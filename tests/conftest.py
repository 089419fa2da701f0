"""Fixtures: nothing that a test writes reaches the repository, and scripts run as a user runs them."""

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from fingerprinting.core.places import REPOSITORY
from fingerprinting.study import loading
from fingerprinting.study.study import Study

PATIENCE = 120  # seconds that a script may take

# The same examples in every run, and no example database in the repository.
settings.register_profile("repository", deadline=None, max_examples=40, derandomize=True, database=None)
settings.load_profile("repository")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests begin first, so that parallel processes end together; external ones run where -m names them."""
    if "external" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("external")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


class ByFile(LoadScopeScheduling):
    """The tests of a file share a process and its fixtures; of the pipelines, those of a domain.

    xdist's own groups are not heard by the pinned pytest: each process made each pipeline again.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        return f"{file}[{test.partition('[')[2]}" if file.endswith("test_pipeline.py") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> ByFile:
    return ByFile(config, log)


BITS_HOLD_ON = "cpu"  # tests that compare the bits of two runs train here; accelerators are compared within rounding


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def outputs_outside_the_repository(tmp_path, monkeypatch):
    _write_to(tmp_path, monkeypatch)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def _write_to(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("ARTIFACTS_DIR", str(folder / "artifacts"))
    patch.setenv("RESULTS_DIR", str(folder / "results"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Iterator[Path]:
    """Where what the tests of a file share is made, by fixtures of the file that ask for it."""
    shared = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        _write_to(shared, patch)
        yield shared


@pytest.fixture
def outputs(folder, monkeypatch) -> None:
    """A test that asks for it reads and writes there."""
    _write_to(folder, monkeypatch)


@pytest.fixture
def data_dir(tmp_path, monkeypatch) -> Path:
    """An empty DATA_DIR; what studies remember of other data is forgotten before and after."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("DATA_DIR", str(folder))
    loading.forget()
    yield folder
    loading.forget()


@pytest.fixture
def run_script(tmp_path):
    """run_script("cv/source.py", "TIER=smoke", env={...}) -> CompletedProcess, run from a foreign folder."""

    def run(path: str, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, str(REPOSITORY / path), *words],
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return run


@pytest.fixture
def run_here(tmp_path, monkeypatch, capfd):
    """run_here("cv/source.py", "TIER=smoke") -> CompletedProcess: the same in this process, torch being there."""
    monkeypatch.chdir(tmp_path)

    def run(path: str, *words: str) -> subprocess.CompletedProcess:
        monkeypatch.setattr(sys, "argv", [path, *words])
        status = 0
        try:
            runpy.run_path(str(REPOSITORY / path), run_name="__main__")
        except SystemExit as end:
            status = end.code
        return subprocess.CompletedProcess(sys.argv, status or 0, *capfd.readouterr())

    return run


@pytest.fixture
def study() -> Study:
    """Vision on scikit-learn's own digits at the smallest tier: needs no download."""
    return Study("cv", "digits", "smoke", device_name=BITS_HOLD_ON, batch_size=32, min_updates=60, workers=1)


@pytest.fixture
def quick(study) -> Study:
    """The same, whose models take two updates."""
    return replace(study, min_updates=2, batch_size=256)
