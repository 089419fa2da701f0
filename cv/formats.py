"""Readers of file formats: IDX, NumPy's, CIFAR's pickles, packed CSV; what is not as it should be gets a sentence."""

import gzip
import io
import math
import tokenize
import warnings
import zlib
from pathlib import Path

import numpy as np

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.data.safe_pickle import load_arrays

PACKED = b"\x1f\x8b"  # how a gzipped file begins


def idx(path: Path, name: str, dimensions: int) -> np.ndarray:
    """An IDX file: two zero bytes, type 8 (uint8), number of dimensions, their big-endian sizes, the values."""
    with storage.reading(path, _how(name)) as file:
        content = file.read()
    if content[:2] == PACKED:
        raise UserError(f"{path} is still packed; unpack it with gunzip")
    start = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) < start:
        raise damaged(path, name)
    shape = np.frombuffer(content[4:start], ">u4").tolist()
    if len(content) != start + math.prod(shape):
        raise damaged(path, name)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def npy(path: Path, name: str) -> np.ndarray:
    """An array of numbers as NumPy stores it, read where it is looked at."""
    with storage.reading(path, _how(name)) as file:
        if file.read(4) == b"PK\3\4":
            raise UserError(f"{path} is an archive of arrays (npz) under the name of one; save each with numpy.save")
        file.seek(0)
        try:
            kind, size = _header(file)
            if path.stat().st_size < file.tell() + size:
                raise EOFError
            found = None if kind.hasobject else np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, TypeError, EOFError, OverflowError, SyntaxError, tokenize.TokenError):
            raise UserError(
                f"{path} is damaged or truncated; get it again, or move the .npy files of its folder away and run "
                f"python data/prepare.py DATASET={name}"
            ) from None
    if found is None:
        raise UserError(f"{path} holds Python objects, which are not opened; save it as an array of numbers")
    return found


def _header(file) -> tuple[np.dtype, int]:
    """The dtype that a NumPy file announces, and the bytes of its values."""
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read:  # the third has fields with names outside latin1, which no data set here has
        raise ValueError(f"version {version}")
    shape, _, kind = read[version](file)
    return kind, 0 if kind.hasobject else math.prod(shape) * kind.itemsize


def cifar(path: Path, labels: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A batch as CIFAR pickles it: images (N, 3, 32, 32) and those of its `labels` (N,)."""
    batch = load_arrays(path, _how(name))
    if not isinstance(batch.get("data"), np.ndarray) or labels not in batch:
        known = ", ".join(sorted(str(key)[:30] for key in batch)[:6]) or "nothing"
        raise UserError(
            f"{path} holds {known} in place of an array `data` and {labels}: another data set's file, or altered; "
            f"delete it and run python data/prepare.py DATASET={name}"
        )
    images, targets = pixels(batch["data"], path), whole_numbers(batch[labels], path)
    if images.shape != (len(targets), 3072) or not len(targets):
        raise UserError(
            f"{path} holds data of shape {images.shape} and {len(targets)} {labels}, not (N, 3072) and N: the reds, "
            f"greens and blues of each image; delete it and run python data/prepare.py DATASET={name}"
        )
    return images.reshape(-1, 3, 32, 32), targets


def names(path: Path, key: str, name: str) -> tuple[str, ...]:
    """The names of classes, out of CIFAR's pickle of them."""
    found = load_arrays(path, _how(name)).get(key)
    found = found.tolist() if isinstance(found, np.ndarray) else found
    found = [_text(item) for item in found] if isinstance(found, (list, tuple)) else []
    if not found or not all(found) or len(set(found)) < len(found):
        raise UserError(
            f"{path} holds no {key}, a list of different texts; delete it and run python data/prepare.py DATASET={name}"
        )
    return tuple(found)


def _text(item) -> str:
    """A name that Python 2, 3 or NumPy wrote; nothing for what is none."""
    item = item.decode("latin1") if isinstance(item, bytes) else item
    return str(item).strip() if isinstance(item, str) else ""


def packed_rows(path: Path, name: str, columns: int) -> np.ndarray:
    """Gzipped CSV of whole numbers from 0 to 255 without a header: (N, columns) uint8."""
    with storage.reading(path, _how(name)) as file:
        try:
            content = gzip.decompress(file.read())
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # an empty file is a warning to numpy, and so is 1.0
                rows = np.loadtxt(io.BytesIO(content), delimiter=",", dtype=np.int64, comments=None, ndmin=2)
        except (ValueError, OverflowError, EOFError, gzip.BadGzipFile, zlib.error, Warning) as error:
            raise damaged(path, name, " ".join(str(error).split())[:200]) from None
    if rows.shape[1] != columns:
        raise damaged(path, name, f"rows of {rows.shape[1]} values, not {columns}")
    if rows.min() < 0 or rows.max() > 255:
        raise damaged(path, name, f"values from {rows.min()} to {rows.max()}, not from 0 to 255")
    return rows.astype(np.uint8)


def pixels(values: np.ndarray, path: Path) -> np.ndarray:
    """The values, if they are uint8 and more than the two that a cast of [0, 1] leaves; else what they look like."""
    if values.dtype == np.uint8 and values.max(initial=0) != 1:
        return values
    is_number = values.dtype.kind in "biuf" and values.size
    low, high = (float(extreme(values)) if is_number else math.nan for extreme in (np.min, np.max))
    if values.dtype in (np.uint8, bool):
        looks = "black and white alone, as images in [0, 1] that were rounded; get the file again"
    elif not (math.isfinite(low) and math.isfinite(high)):
        looks = "no images; get the file again"
    elif low >= 0 and high <= 1:
        looks = "images scaled to [0, 1]; save numpy.rint(255 * images).astype('uint8')"
    elif low >= -1 and high <= 1:
        looks = "images scaled to [-1, 1]; save numpy.rint(127.5 * (images + 1)).astype('uint8')"
    elif low >= 0 and high <= 255:
        looks = "images of another type; save numpy.rint(images).astype('uint8')"
    else:
        looks = "images of another scale; undo what was done to them, or get the file again"
    span = f" from {low:g} to {high:g}" if is_number else ""
    raise UserError(f"{path} holds {values.dtype}{span}, not uint8 from 0 to 255: {looks}")


def whole_numbers(values, path: Path) -> np.ndarray:
    """Labels (N,): whole numbers in a list, a tuple or an array of one dimension."""
    if isinstance(values, (list, tuple)) and all(_is_whole(value) for value in values):
        values = np.asarray(values) if values else np.empty(0, np.int64)
    if not (isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "iu"):
        kind = f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise UserError(f"the labels of {path} ({kind}) are not one whole number for each image; get the file again")
    return values


def _is_whole(value) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def missing(path: Path, name: str) -> UserError:
    return UserError(f"{path} does not exist; {_how(name)}")


def damaged(path: Path, name: str, why: str = "") -> UserError:
    why = f" ({why})" if why else ""
    return UserError(f"{path} is damaged or truncated{why}; delete it and run python data/prepare.py DATASET={name}")


def _how(name: str) -> str:
    return f"run python data/prepare.py DATASET={name}, or see data/README.md"
