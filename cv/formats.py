"""Readers of file formats: IDX, NumPy's, CIFAR's pickles; files that are not as they should be end in a sentence."""

from pathlib import Path

import numpy as np

from fingerprinting.pickles import load_arrays
from fingerprinting.runtime import UserError


def idx(path: Path, name: str) -> np.ndarray:
    """An IDX file: two zero bytes, type 8 (uint8), number of dimensions, their big-endian sizes, the values."""
    if not path.is_file():
        raise missing(path, name)
    content = path.read_bytes()
    start = 4 + 4 * content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else len(content) + 1
    if len(content) < start:
        raise damaged(path, name)
    shape = np.frombuffer(content[4:start], ">u4").astype(int)
    if len(content) != start + shape.prod():
        raise damaged(path, name)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def npy(path: Path, name: str) -> np.ndarray:
    """An array as NumPy stores it, read where it is looked at."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError):
        raise damaged(path, name) from None


def cifar(path: Path, labels: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A batch as CIFAR pickles it: images (N, 3, 32, 32) and those of its `labels` (N,)."""
    if not path.is_file():
        raise missing(path, name)
    batch = load_arrays(path)
    images, targets = batch.get("data"), batch.get(labels)
    fits = isinstance(images, np.ndarray) and isinstance(targets, list) and images.shape == (len(targets), 3072)
    if not (fits and images.dtype == np.uint8 and all(isinstance(target, int) for target in targets)):
        raise damaged(path, name)
    return images.reshape(-1, 3, 32, 32), np.asarray(targets)


def missing(path: Path, name: str) -> UserError:
    return UserError(f"{path} does not exist; run python data/prepare.py DATASET={name}, or see data/README.md")


def damaged(path: Path, name: str) -> UserError:
    return UserError(f"{path} is damaged or truncated; delete it and run python data/prepare.py DATASET={name}")
