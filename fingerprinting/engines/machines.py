"""ENGINE= and what it gives each job: which machines train a step's models."""

from dataclasses import dataclass
from typing import TypeVar

from fingerprinting.core.errors import UserError

LOCAL, DASK, SLURM = "local", "dask://", "slurm"
KEPT = "what is finished is kept: run the same command again"  # where a cluster ends a step
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
