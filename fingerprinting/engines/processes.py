"""ENGINE=local: processes of this machine."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool

from fingerprinting.core.errors import UserError
from fingerprinting.engines import workers
from fingerprinting.engines.machines import KEPT, Item, Result


def run(function: Callable[[Item], Result], items: Sequence[Item], at_a_time: int) -> Generator[Result, None, None]:
    """As engine.run; one item, or one at a time, in this very process."""
    if min(at_a_time, len(items)) < 2:
        yield from map(function, items)
        return
    pool, ended = workers.pool(at_a_time), False
    try:
        for done in as_completed([pool.submit(function, item) for item in items]):
            yield done.result()
        ended = True
    except BrokenProcessPool:
        raise UserError(
            f"a process that trained models was killed, perhaps for want of memory; {KEPT}, with fewer WORKERS= then"
        ) from None
    finally:
        if not ended:
            workers.close()
