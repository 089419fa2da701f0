"""ENGINE=slurm: a step's jobs as one array of Slurm's, through submitit; one that is requeued goes on where it was."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fingerprinting.core.runtime import UserError
from fingerprinting.engines.engine import Item, Machines, Result

if TYPE_CHECKING:
    from submitit import Executor, Job

PAUSE = 2.0  # seconds between two looks at the queue
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
    if not items:
        return
    jobs = dict(zip(_submitted(executor, function, items), map(name, items), strict=True))
    waiting = list(jobs)
    try:
        while waiting:
            for job in [one for one in waiting if one.done()]:
                waiting.remove(job)
                yield _result(job, jobs[job], folder)
            if waiting:
                time.sleep(PAUSE)
    finally:
        for job in waiting:
            with contextlib.suppress(OSError):
                job.cancel(check=False)


def _executor(machines: Machines, at_a_time: int, folder: Path) -> Executor:
    if importlib.util.find_spec("submitit") is None:
        raise UserError("ENGINE=slurm needs submitit, which is not installed; run pip install -e '.[cluster]'")
    import submitit

    if shutil.which("sbatch") is None:
        raise UserError(
            "ENGINE=slurm needs sbatch, which is not on this machine; run it on a login node of the cluster"
        )
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
        raise UserError(f"Slurm takes no jobs: {said}; what is finished is kept: run the same command again") from None


def _result(job: Job, name: str, folder: Path) -> Any:
    """A bug of the job keeps its traceback; an end without a word is Slurm's."""
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        return job.result()
    except UncompletedJobError:
        raise UserError(
            f"Slurm's job {job.job_id} ended in state {job.state} before {name} was trained; its output is in "
            f"{folder / job.job_id}, and the same command goes on from there"
        ) from None
    except FailedJobError as error:
        raise RuntimeError(f"{name} failed in Slurm's job {job.job_id}:\n{error}") from None
