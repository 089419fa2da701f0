"""A small step and what it leaves, for tests of engines: both ends of it are compared."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from fingerprinting.core import storage
from fingerprinting.models import build
from fingerprinting.models.kinds import KINDS, Job
from fingerprinting.study.study import Study

COPIES = 6


def noted(notes: str, seconds: float, study: Study, job: Job):
    """The kind's own preparation, noted as a line, after as many seconds as it takes to kill somebody."""
    with open(notes, "a", encoding="utf-8") as file:
        file.write(f"{job.model.name} {os.getpid()}\n")
    time.sleep(seconds)
    return KINDS[job.model.kind].prepare(study, job)


def jobs_of(study: Study) -> list[Job]:
    names = [study.model_id("irrelevant", "mlp", copy) for copy in range(COPIES)]
    return [Job(name, study.recipe(1, 0.01), {"part": "attacker"}) for name in names]


def digests(study: Study) -> dict[str, str]:
    return {job.model.name: storage.read_metadata(job.model.path)["sha256"] for job in jobs_of(study)}


def alone(quick: Study, tmp_path: Path, monkeypatch) -> dict[str, str]:
    """What this machine trains by itself."""
    with monkeypatch.context() as patch:
        patch.setenv("ARTIFACTS_DIR", str(tmp_path / "alone"))
        patch.setenv("RESULTS_DIR", str(tmp_path / "alone"))
        build.train(quick, "irrelevant", jobs_of(quick))
        return digests(quick)


def begun(notes: Path) -> list[list[str]]:
    """Name and process of each model that was begun."""
    return [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []


def in_a_process_of_its_own(act: Callable[[], None]) -> None:
    """For the step holds this one."""
    if os.fork() == 0:
        try:
            act()
        finally:
            os._exit(0)
