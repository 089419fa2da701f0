"""Processes of this machine that train models: forked from one that has imported what training needs.

Importing takes seconds of a core. It is done once, by a server of forks, beside the importing of the process that waits
for the models (prepare). Its forks are kept for the steps that follow: reproduce.py runs all of them in one process.
"""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from threading import Thread

IMPORTED = ["fingerprinting.models.build", "torch._dynamo"]  # by the server of forks; optimisers load the second
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # of a worker
KEPT: dict[tuple, ProcessPoolExecutor] = {}  # the one pool that there is, by what it was made for


def prepare() -> None:
    """Let the server of forks begin to import; systems that have none start each worker from nothing."""
    if _context().get_start_method() == "forkserver":
        from multiprocessing import forkserver  # absent elsewhere

        before = dict(os.environ)
        os.environ.update(ONE_THREAD)
        try:
            forkserver.ensure_running()
        finally:
            os.environ.clear()
            os.environ.update(before)


def pool(size: int) -> ProcessPoolExecutor:
    """So many workers, which have this process's environment; those of the last call, where they are as wanted."""
    wanted = (size, *sorted(os.environ.items()))
    if wanted not in KEPT:
        close()
        prepare()
        KEPT[wanted] = ProcessPoolExecutor(size, _context(), _begin, (dict(os.environ),))
    return KEPT[wanted]


def close() -> None:
    """End the workers, whatever they are doing."""
    while KEPT:
        _, ended = KEPT.popitem()
        workers = list((ended._processes or {}).values())
        ended.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.kill()


def _context() -> BaseContext:
    way = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(way)
    if way == "forkserver":
        context.set_forkserver_preload(IMPORTED)
    return context


def _begin(environment: dict[str, str]) -> None:
    """In a worker. An interrupt is its parent's to tell; it outlives no parent, however that ended."""
    os.environ.clear()
    os.environ.update(environment | ONE_THREAD)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_with(parent: multiprocessing.process.BaseProcess | None) -> None:
    if parent is not None:
        parent.join()
        os._exit(1)
