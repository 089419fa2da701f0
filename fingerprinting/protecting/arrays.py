"""Inputs x and labels y of a NumPy archive."""

import zipfile
from pathlib import Path

import numpy as np

from fingerprinting.core.errors import UserError
from fingerprinting.protecting import pictures, signals
from fingerprinting.protecting.examples import IMAGES, KINDS, LARGEST, SIGNALS, Found, listed, numbered, too_large


def read(path: Path, kind: str, rate: float) -> Found:
    """x (N, ...) and y (N,); three dimensions are grey images where they are whole or in [0, 1], else signals."""
    x, y = _members(path)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iufUb" or y.dtype.kind == "f" and not (y == np.rint(y)).all():
        raise UserError(f"y of {path} is {y.dtype} of shape {y.shape}; give one number or name of a class an example")
    if y.dtype.kind == "f":
        y = y.astype(np.int64)
    if x.ndim == 0 or x.size == 0:
        raise UserError(f"x of {path} has shape {x.shape}, which is no example; give one a row")
    if len(x) != len(y):
        raise UserError(f"{path} has {len(x)} inputs in x and {len(y)} labels in y; give one each")
    if x.dtype.kind not in "uif":
        raise UserError(f"x of {path} is {x.dtype}; give numbers")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise UserError(f"x of {path} holds NaN or infinity; leave such examples out")
    found = KINDS.get(kind) or _kind(x, rate)
    if rate and found != SIGNALS:
        raise UserError(f"RATE= is for signals, and x of {path} are something else; leave it out, or give KIND=eeg")
    labels, classes = numbered(y)
    names = [str(place) for place in range(len(x))]
    if found == IMAGES and x.ndim in (3, 4):
        inputs, said = pictures.of_array(path, x)
        return Found(IMAGES, inputs, labels, classes, names, said)
    if found == SIGNALS and x.ndim == 3:
        if not rate:
            raise UserError(f"{path} holds signals and no sampling rate; give RATE=, samples a second")
        inputs, said = signals.of_array(path, x, rate)
        return Found(SIGNALS, inputs, labels, classes, names, said, rate)
    raise UserError(
        f"x of {path} has shape {x.shape}; images have (N, height, width) and channels first or last, signals (N, "
        "channels, samples); for other inputs write a domain file, see docs/your-model.md"
    )


def _kind(x: np.ndarray, rate: float) -> str:
    if x.ndim == 4:
        return IMAGES
    if rate and x.ndim == 3:
        return SIGNALS
    like_images = x.ndim == 3 and (x.dtype == np.uint8 or (x.size > 0 and x.min() >= 0 and x.max() <= 1))
    return IMAGES if like_images else SIGNALS if x.ndim == 3 else ""


def _members(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST:
            raise too_large(path, size, "give fewer examples")
        with np.load(path, allow_pickle=False) as held:
            found = {name.lower(): name for name in held.files}
            if not {"x", "y"} <= set(found):
                raise UserError(
                    f"{path} holds {listed(held.files) or 'nothing'}; save it with numpy.savez(path, x=, y=)"
                )
            return held[found["x"]], held[found["y"]]
    except UserError:
        raise
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError) as error:
        if "pickle" in str(error):
            raise UserError(f"{path} holds Python objects, which are not opened; save arrays of numbers") from None
        raise UserError(f"{path} is damaged or no archive of arrays; save it with numpy.savez(path, x=, y=)") from None
