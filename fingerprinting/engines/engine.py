"""What an engine is: it runs a function on items, wherever it has machines, and says what came of each as it ends."""

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from fingerprinting.engines import dask_scheduler, processes, slurm
from fingerprinting.engines.machines import SLURM, Item, Machines, Result


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
        return processes.run(function, items, at_a_time)
    if machines.engine == SLURM:
        return slurm.run(machines, function, items, at_a_time, folder, name)
    return dask_scheduler.run(machines, function, items, name)
