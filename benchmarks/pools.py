"""Primary over pools of rising size that lie on disk: seconds by example, and memory.

    python benchmarks/pools.py                      # DOMAIN=cv, cpu tier: 10,000, 100,000 and 1,000,000 inputs
    python benchmarks/pools.py TIER=smoke

Needs data/prepare.py, whose examples are repeated; the network is fresh. Pools are memory-mapped files in a folder that
is removed at the end. Memory is the process's own, without pages of files, at its highest while the pool is gone
through, less what it was before.
"""

import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch

from fingerprinting import cli
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.core.timing import in_turns, ratio, shown
from fingerprinting.data.datasets import Examples
from fingerprinting.fingerprints.queries.primary import extremes
from fingerprinting.study import checkpoints
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study

DOMAIN = "cv"
SIZES = dict(smoke=(200, 400), quick=(10_000, 100_000), cpu=(10_000, 100_000, 1_000_000), paper=(10_000, 1_000_000))
N = 80  # samples of each component
REPEATS = 2  # of each size
PAUSE = 0.02  # seconds between two looks at the memory
status = Path("/proc/self/status")


def measure(study: Study, *, sizes: tuple[int, ...], n: int, repeats: int, pause: float) -> None:
    """Time and memory of selecting from each pool; seconds an example as ratios to the smallest pool's."""
    runtime.one_thread()
    if not status.exists():
        raise UserError(f"memory is read from {status}, which this system has not; take Linux")
    runtime.seed_everything("pools")
    net = checkpoints.build(study.domain, study.source_architecture, len(study.classes), study.shape).eval()
    owner, folder = study.parts["owner"], Path(tempfile.mkdtemp(prefix="pools."))
    try:
        pools = {str(size): _mapped(owner, size, folder / f"{size}.npy") for size in sizes}
        peaks: dict[str, list[float]] = {name: [] for name in pools}
        ways = {name: lambda name=name: peaks[name].append(_peak(net, pools[name], n, pause)) for name in pools}
        seconds = in_turns(torch.device("cpu"), repeats, ways)
    finally:
        shutil.rmtree(folder)
    smallest = str(min(sizes))
    per_example = {name: [taken / len(pools[name]) for taken in values] for name, values in seconds.items()}
    for name in pools:
        row = {
            "key": f"{study.folder}/pools/{name}",
            "architecture": study.source_architecture,
            "pool": len(pools[name]),
            "seconds": {name: seconds[name]},
            "memory_mb": max(peaks[name][1:]),
            "pool_example_to_smallest": ratio(per_example, name, smallest),
            "provenance": runtime.provenance(torch.device("cpu")),
        }
        Records.of(study, "benchmarks").put([row])
        print(
            f"{len(pools[name])} inputs: {min(seconds[name]):.2f} s, {row['memory_mb']:.1f} MB more, "
            f"an example to the smallest pool's {shown(row['pool_example_to_smallest'])}"
        )


def _mapped(part: Examples, size: int, path: Path) -> Examples:
    """The part's examples, over and over, in a file."""
    stored = part.inputs.numpy()
    written = np.lib.format.open_memmap(path, "w+", stored.dtype, (size, *stored.shape[1:]))
    for start in range(0, size, len(stored)):
        written[start : start + len(stored)] = stored[: size - start]
    written.flush()
    inputs = torch.from_numpy(np.load(path, mmap_mode="c"))
    return Examples(inputs, part.targets[torch.arange(size) % len(part)])


def _peak(net: torch.nn.Module, pool: Examples, n: int, pause: float) -> float:
    """MB beyond what there were before, while the pool is gone through."""
    before, seen, ended = _own(), [0.0], threading.Event()

    def watch() -> None:
        while not ended.is_set():
            seen.append(_own() - before)
            time.sleep(pause)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        extremes(net, pool, n, torch.device("cpu"))
    finally:
        ended.set()
        watching.join()
    return max(seen)


def _own() -> float:
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("RssAnon:")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    cli.run(measure, globals())
