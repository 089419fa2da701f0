"""What an engine is: it runs a function on items, wherever it has machines, and says what came of each as it ends."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fingerprinting.core.runtime import UserError

LOCAL, DASK, SLURM = "local", "dask://", "slurm"
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Machines:
    """ENGINE= and what each of its jobs is given.

    engine: local, dask://host:8786 or slurm. memory: GB; 0: as much as the engine usually gives. shared: whether all of
    its machines see the folder of artifacts under the same path.
    """

    engine: str = LOCAL
    cpus: int = 1
    gpus: int = 0
    memory: float = 0.0
    shared: bool = True

    def __post_init__(self) -> None:
        if not self.is_local and self.engine != SLURM and not self.engine.startswith(DASK):
            raise UserError(f"unknown ENGINE={self.engine}; take {LOCAL}, {DASK}host:8786 or {SLURM}")
        if self.cpus < 1:
            raise UserError("CPUS_PER_JOB=0 leaves a job none; give 1 or more")
        if self.is_local and (self.cpus, self.gpus, self.memory, self.shared) != (1, 0, 0.0, True):
            raise UserError(
                f"CPUS_PER_JOB, GPUS_PER_JOB, MEMORY_PER_JOB and SHARED are for ENGINE={DASK}host:8786 or {SLURM}; "
                "leave them out, or give it"
            )
        if self.engine == SLURM and not self.shared:
            raise UserError("Slurm's jobs are told what to do by files that all nodes see; leave SHARED=False out")

    @property
    def is_local(self) -> bool:
        return self.engine == LOCAL


def run(
    machines: Machines,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    at_a_time: int,
    folder: Path = Path(),
    name: Callable[[Item], str] = str,
) -> Generator[Result, None, None]:
    """function(item) of each, in the order in which they end; whoever closes this iterator ends what still runs.

    at_a_time: side by side in processes here, and of Slurm's array; 0 there: as many as it gives. folder: where Slurm's
    jobs are told what to do. name: what people call an item.
    """
    if machines.is_local:
        from fingerprinting.engines import processes

        return processes.run(function, items, at_a_time)
    if machines.engine == SLURM:
        from fingerprinting.engines import slurm

        return slurm.run(machines, function, items, at_a_time, folder, name)
    from fingerprinting.engines import dask_scheduler

    return dask_scheduler.run(machines, function, items, name)
