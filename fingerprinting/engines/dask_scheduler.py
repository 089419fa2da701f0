"""ENGINE=dask://host:8786: whatever workers a Dask scheduler has. One that dies has its jobs done by another."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fingerprinting.core.errors import UserError
from fingerprinting.engines.machines import DASK, KEPT, Item, Machines, Result

if TYPE_CHECKING:
    from distributed import Client, Future

PATIENCE = 20  # seconds for a scheduler to be found, and to come back once it went away


def run(
    machines: Machines, function: Callable[[Item], Result], items: Sequence[Item], name: Callable[[Item], str]
) -> Generator[Result, None, None]:
    """As engine.run."""
    if importlib.util.find_spec("distributed") is None:
        raise UserError(f"{machines.engine} needs distributed, which is not installed; run pip install -e '.[cluster]'")
    import distributed

    with _opened(machines) as client:
        _check_workers(client, machines)
        wanted = _resources(machines)
        futures = {client.submit(function, item, pure=False, resources=wanted): name(item) for item in items}
        try:
            for future in distributed.as_completed(futures):
                yield _result(future, futures[future], machines)
                future.release()
        finally:
            with contextlib.suppress(OSError, RuntimeError):
                client.cancel(list(futures), force=True)


def _result(future: Future, name: str, machines: Machines) -> Any:
    """An error of the job keeps its traceback; the others are the cluster's."""
    from distributed.scheduler import KilledWorker

    if future.status in ("cancelled", "lost"):
        raise UserError(f"the scheduler at {machines.engine} went away; {KEPT} when there is one")
    try:
        return future.result()
    except KilledWorker as error:
        raise UserError(
            f"{error.allowed_failures + 1} workers died while they trained {name}; look at their memory "
            "(MEMORY_PER_JOB), and run the same command again"
        ) from None


@contextlib.contextmanager
def _opened(machines: Machines) -> Iterator[Client]:
    import distributed

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # one sentence says it
    try:
        client = distributed.Client(f"tcp://{machines.engine.removeprefix(DASK)}", timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler is at {machines.engine} ({error}); start one by dask scheduler") from None
    try:
        yield client
    finally:
        with contextlib.suppress(OSError, RuntimeError):
            client.close(timeout=PATIENCE)


def _check_workers(client: Client, machines: Machines) -> None:
    """Seeds are a process's: jobs that share one would draw from each other's."""
    with contextlib.suppress(TimeoutError):
        client.wait_for_workers(1, timeout=PATIENCE)
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    if not workers:
        raise UserError(f"{machines.engine} has no workers; start some by dask worker --nthreads 1")
    if several := [worker["host"] for worker in workers if worker["nthreads"] > 1]:
        raise UserError(
            f"{len(several)} of {len(workers)} workers of {machines.engine} have several threads, and a model is "
            "trained in a process of its own; start them by dask worker --nworkers N --nthreads 1"
        )


def _resources(machines: Machines) -> dict[str, float]:
    """Those that were asked for: a worker says by --resources what it has."""
    wanted = {"CPU": machines.cpus if machines.cpus > 1 else 0, "GPU": machines.gpus, "MEMORY": machines.memory}
    return {name: float(amount) for name, amount in wanted.items() if amount}
