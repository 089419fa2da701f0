"""Device, dtype and seeds."""

import contextlib
import ctypes
import hashlib
import platform
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import joblib
import numpy as np
import torch
from torch import nn

from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY

# glibc's M_MMAP_THRESHOLD and M_TRIM_THRESHOLD, and the bytes up to which it raises them by itself.
MALLOC = {-3: 32 << 20, -1: 64 << 20}
Item = TypeVar("Item")
Result = TypeVar("Result")


def device(name: str = "auto") -> torch.device:
    """The device called `name`; `auto` takes an accelerator when there is one."""
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        chosen = torch.device(name)
        torch.zeros(1, device=chosen).item()  # `meta` makes tensors, but computes nothing
    except (RuntimeError, AssertionError, ImportError):
        raise UserError(f"device {name!r} cannot be used here; try DEVICE=cpu or DEVICE=auto") from None
    return chosen


def place(value, chosen: torch.device):
    """A module or tensor on a device, in the layout that is fastest there.

    On a CPU most small nets are faster with channels last (benchmarks/layouts.py).
    """
    if chosen.type == "cpu" and (isinstance(value, nn.Module) or value.dim() == 4):
        return value.to(chosen, memory_format=layout(value))
    return value.to(chosen)


def layout(value) -> torch.memory_format:
    """Channels last, unless a module says by its `memory_format` that it is faster otherwise."""
    return getattr(value, "memory_format", torch.channels_last)


@contextlib.contextmanager
def mixed_precision(model: nn.Module, chosen: torch.device, precision: str) -> Iterator[None]:
    """Within it convolutions and matrix products compute in `precision`; weights, normalisation and logits are float32.

    DeepIPR's networks train twice as fast so on a CPU that computes in bfloat16 (benchmarks/precision.py), the smallest
    as fast as before; a CPU that does not is slower.
    """
    if precision == "float32":
        yield
        return
    full = model.register_forward_hook(lambda _, given, logits: logits.float())  # losses: not every one is autocast's
    try:
        with torch.autocast(chosen.type, getattr(torch, precision)):
            yield
    finally:
        full.remove()


def device_name(chosen: torch.device) -> str:
    return torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else f"{chosen.type} {platform.machine()}"


def seed_from(name: str) -> int:
    """A seed in [0, 2**63) that depends on nothing but `name`."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def generator(name: str) -> torch.Generator:
    """A CPU generator of its own for the draw called `name`, so that no other draw can move it."""
    return torch.Generator().manual_seed(seed_from(name))


def seed_everything(name: str) -> None:
    """Seed what libraries draw from implicitly (initial weights, dropout) by the name of the work."""
    torch.backends.cudnn.deterministic = True  # else an accelerator's convolutions may end in other bits
    torch.manual_seed(seed_from(name))
    np.random.seed(seed_from(name) % 2**32)


def cores() -> int:
    """How many this process may use."""
    return joblib.cpu_count()


def one_thread() -> None:
    """Train with one thread: the same bits whatever the number of workers, and no oversubscription."""
    torch.set_num_threads(1)


def keep_freed_memory() -> None:
    """As glibc does by itself after a while, and does not where MALLOC_TRIM_THRESHOLD_ is set, as in Dask's workers.

    There every large tensor is mapped and unmapped anew, and training takes twice as long (benchmarks/zoo.py).
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another system, another library
        allocator = ctypes.CDLL(None).mallopt
        for option, size in MALLOC.items():
            allocator(option, size)


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], at_a_time: int) -> list[Result]:
    """[work(item) for item in items], several at a time, each on one thread of a CPU.

    For what shares memory and takes a second or less: a small net gains nothing from a second thread.
    """

    def alone(item: Item) -> Result:
        one_thread()
        return work(item)

    threads = torch.get_num_threads()
    try:
        return joblib.Parallel(n_jobs=at_a_time, backend="threading")(joblib.delayed(alone)(item) for item in items)
    finally:
        torch.set_num_threads(threads)  # what one thread sets, others take over


@lru_cache(maxsize=1)
def _commit() -> tuple[str, bool]:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!results", ":!docs", ":!README.md")
        return git("rev-parse", "--short=12", "HEAD").strip(), bool(changed.strip())
    except (OSError, subprocess.CalledProcessError):
        return "unknown", False


@lru_cache
def provenance(chosen: torch.device) -> dict:
    """What a record says about where it was measured: commit, whether code was changed since, versions, device."""

    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "absent"

    commit, dirty = _commit()
    versions = {package: installed(package) for package in ("torch", "torchvision", "numpy", "scikit-learn")}
    return {
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "versions": versions,
        "device": device_name(chosen),
    }
