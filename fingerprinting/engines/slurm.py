"""ENGINE=slurm: a step's jobs as one array of Slurm's, through submitit; one that is requeued goes on where it was."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fingerprinting.core.errors import UserError
from fingerprinting.engines.machines import KEPT, Item, Machines, Result

if TYPE_CHECKING:
    from submitit import Executor, Job

PAUSE = 2.0  # seconds between two looks at what the jobs have written
LOOK = 10.0  # seconds between two looks at the queue
PATIENCE = 120.0  # seconds for Slurm to come back once it went away
MOST = 1000  # jobs of an array at once unless WORKERS= says otherwise, and continuations of one job
TIME = 240  # minutes of a job unless SBATCH_TIMELIMIT says otherwise; what is not finished then is gone on with


@dataclass(frozen=True)
class Task:
    """One job; called once more when Slurm takes its machine away and gives it another."""

    function: Callable[[Any], Any]
    item: Any

    def __call__(self) -> Any:
        return self.function(self.item)

    def checkpoint(self) -> Any:
        """What is to be submitted in its place: itself, which finds what it wrote."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def run(
    machines: Machines,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    at_a_time: int,
    folder: Path,
    name: Callable[[Item], str],
) -> Generator[Result, None, None]:
    """As engine.run; partition, account and time limit come from sbatch's own variables (SBATCH_PARTITION, ...)."""
    executor = _executor(machines, at_a_time, folder)
    jobs = dict(zip(_submitted(executor, function, items), map(name, items), strict=True))
    waiting, queue = list(jobs), Queue()
    try:
        while waiting:
            left = queue.lost([job.job_id for job in waiting])
            for job in [one for one in waiting if _has_ended(one) or one.job_id in left]:
                waiting.remove(job)
                yield _result(job, jobs[job], folder)
            if waiting:
                time.sleep(PAUSE)
    finally:
        for job in waiting:
            with contextlib.suppress(OSError):
                job.cancel(check=False)


class Queue:
    """What squeue lists, looked at now and then; Slurm need keep no accounts."""

    def __init__(self) -> None:
        self.looked = self.listed = time.monotonic()
        self.missing: set[str] = set()

    def lost(self, jobs: Sequence[str]) -> set[str]:
        """Those of the jobs that two looks did not find: what they wrote is on its way to this machine no longer."""
        if time.monotonic() < self.looked + LOOK:
            return set()
        self.looked = time.monotonic()
        done = subprocess.run(["squeue", "-h", "-r", "-o", "%i"], capture_output=True, text=True, check=False)
        if done.returncode:
            if self.looked > self.listed + PATIENCE:
                raise UserError(f"Slurm went away ({done.stderr.strip()}); {KEPT}")
            return set()
        before, self.listed = self.missing, self.looked
        self.missing = set(jobs) - set(done.stdout.split())
        return self.missing & before


def _has_ended(job: Job) -> bool:
    return job.paths.result_pickle.exists()


def _executor(machines: Machines, at_a_time: int, folder: Path) -> Executor:
    if importlib.util.find_spec("submitit") is None:
        raise UserError("ENGINE=slurm needs submitit, which is not installed; run pip install -e '.[cluster]'")
    import submitit

    if shutil.which("sbatch") is None:
        raise UserError(
            "ENGINE=slurm needs sbatch, which is not on this machine; run it on a login node of the cluster"
        )
    logging.getLogger("submitit").setLevel(logging.ERROR)  # it asks the accounts, which need not be kept
    executor = submitit.SlurmExecutor(folder=folder / "%j", max_num_timeout=MOST)
    executor.update_parameters(
        job_name="fingerprinting",
        time=TIME,
        cpus_per_task=machines.cpus,
        array_parallelism=at_a_time or MOST,
        **({"gpus_per_node": machines.gpus} if machines.gpus else {}),
        **({"mem": f"{machines.memory * 1024:.0f}M"} if machines.memory else {}),
    )
    return executor


def _submitted(executor: Executor, function: Callable, items: Sequence) -> list[Job]:
    from submitit.core.utils import FailedJobError

    try:
        with executor.batch():
            return [executor.submit(Task(function, item)) for item in items]
    except FailedJobError as error:
        said = str(error).strip().splitlines()[-1]
        raise UserError(f"Slurm takes no jobs: {said}; {KEPT}") from None


def _result(job: Job, name: str, folder: Path) -> Any:
    """A bug of the job keeps its traceback; an end without a word is Slurm's."""
    from submitit.core.utils import FailedJobError

    if not _has_ended(job):
        raise UserError(
            f"Slurm's job {job.job_id} ended before {name} was trained; its output is in {folder / job.job_id}, "
            "and the same command goes on from there"
        )
    try:
        return job.result()
    except FailedJobError as error:
        raise RuntimeError(f"{name} failed in Slurm's job {job.job_id}:\n{error}") from None
