"""ENGINE=local: processes of this machine."""

from collections.abc import Callable, Generator, Sequence

import joblib
from joblib.externals.loky import get_reusable_executor

from fingerprinting.engines.machines import Item, Result


def run(function: Callable[[Item], Result], items: Sequence[Item], at_a_time: int) -> Generator[Result, None, None]:
    """As engine.run; with one at a time in this very process."""
    parallel = joblib.Parallel(
        n_jobs=at_a_time, return_as="generator_unordered", inner_max_num_threads=1, backend="loky"
    )
    ended = parallel(joblib.delayed(function)(item) for item in items)
    try:
        yield from ended
    except GeneratorExit:
        ended.close()
        get_reusable_executor().shutdown(kill_workers=True)
        raise
