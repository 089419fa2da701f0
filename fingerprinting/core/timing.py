"""What the benchmarks share: procedures take turns within one run, and only ratios of their seconds are reported."""

import statistics
import time
from collections.abc import Callable, Iterator

import torch

from fingerprinting.core.errors import UserError


def thread_counts() -> Iterator[int]:
    """One thread, then as many as torch takes by itself; set while each is at hand."""
    for threads in dict.fromkeys((1, torch.get_num_threads())):
        torch.set_num_threads(threads)
        yield threads


def in_turns(device: torch.device, repeats: int, ways: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Way -> seconds of each turn (A B C, A B C, ...); the first, a warm-up, is not counted."""
    if repeats < 1:
        raise UserError(f"REPEATS={repeats} times nothing; give 1 or more")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if device.type != "cpu":
                torch.accelerator.synchronize(device)
            seconds[name].append(time.perf_counter() - started)
    return {name: values[1:] for name, values in seconds.items()}


def ratio(seconds: dict[str, list[float]], above: str, below: str, scale: float = 1.0) -> dict[str, float]:
    """Of one way's seconds to another's, turn by turn: the median, the lowest and the highest."""
    ratios = [scale * one / other for one, other in zip(seconds[above], seconds[below], strict=True)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def shown(ratios: dict[str, float]) -> str:
    return "{median:.2f} [{min:.2f}, {max:.2f}]".format(**ratios)
