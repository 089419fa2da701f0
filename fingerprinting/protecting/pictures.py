"""A folder of images in class folders, and arrays of images, as uint8 (N, channels, height, width)."""

from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.protecting.examples import IMAGES, LARGEST, Found, listed, numbered, too_large

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
PARTS = {"train", "test", "val", "valid", "validation", "dev"}  # folders called so hold parts, no classes
GREY = {"1", "L", "LA"}  # Pillow's modes
HIGHEST = 255
SMALLEST = 4  # pixels of a side


def in_folders(folder: Path, size: int) -> Found:
    """Every image below a class folder; all of one size, or scaled and cropped to size x size."""
    paths = _paths(folder)
    shapes = Counter(_size(path) for path in paths)
    if len(shapes) > 1 and not size:
        smallest, largest = min(shapes), max(shapes)
        raise UserError(
            f"{folder} holds images of {len(shapes)} sizes, {_by(smallest)} to {_by(largest)}; give SIZE=, the side to "
            "which all are scaled and cropped"
        )
    side = (size, size) if size else next(iter(shapes))
    if min(side) < SMALLEST:
        raise UserError(f"images of {_by(side)} are too small; {SMALLEST} pixels are the least of a side")
    if (total := 3 * side[0] * side[1] * len(paths)) > LARGEST:
        raise too_large(folder, total, "give a smaller SIZE= or fewer images")
    images = [_opened(path, side) for path in paths]
    grey = all(image.mode == "L" for image in images)
    arrays = [np.asarray(image if grey else image.convert("RGB")) for image in images]
    stacked = np.stack([one[None] if grey else one.transpose(2, 0, 1) for one in arrays])
    labels, classes = numbered(np.array([path.relative_to(folder).parts[0] for path in paths]))
    names = [path.relative_to(folder).as_posix() for path in paths]
    scaled = f", scaled and cropped to {_by(side)}" if size and set(shapes) != {side} else f" of {_by(side)}"
    said = f"images{scaled}, {'grey' if grey else 'in colour'}, stored as 0 to {HIGHEST}"
    return Found(IMAGES, torch.from_numpy(np.ascontiguousarray(stacked)), labels, classes, names, said)


def of_array(path: Path, values: np.ndarray) -> tuple[torch.Tensor, str]:
    """Images (N, height, width), or with channels first or last, 0 to 255 or in [0, 1], as (N, channels, h, w)."""
    values = values[:, None] if values.ndim == 3 else values
    if values.shape[1] not in (1, 3) and values.shape[-1] in (1, 3):
        values = np.moveaxis(values, -1, 1)
    if values.shape[1] not in (1, 3):
        raise UserError(f"{path} has images of shape {values.shape[1:]}; one grey or three colour channels are wanted")
    said = f"images of {values.shape[2]} x {values.shape[3]}, {'grey' if values.shape[1] == 1 else 'in colour'}, "
    lowest, highest = values.min(), values.max()
    whole = values.dtype.kind in "ui" or bool((values == np.rint(values)).all())
    if values.dtype.kind in "uif" and lowest >= 0 and highest <= HIGHEST and whole and highest > 1:
        stored = torch.from_numpy(np.ascontiguousarray(values.astype(np.uint8)))
        return stored, f"{said}stored as 0 to {HIGHEST}"
    if values.dtype.kind == "f" and lowest >= 0 and highest <= 1:
        return torch.from_numpy(np.ascontiguousarray(values.astype(np.float32))), f"{said}stored as [0, 1]"
    raise UserError(
        f"{path} has images from {lowest:g} to {highest:g} as {values.dtype}; store them as whole numbers from 0 to "
        f"{HIGHEST}, or as floats in [0, 1]"
    )


def _paths(folder: Path) -> list[Path]:
    inside = storage.visible(folder)
    classes = [path for path in inside if path.is_dir()]
    if not classes and any(path.suffix.lower() in SUFFIXES for path in inside):
        raise UserError(f"{folder} holds images and no class folders; put each class's images in a folder of its own")
    if classes and {path.name.lower() for path in classes} <= PARTS:
        names = listed([path.name for path in classes])
        raise UserError(f"{folder} holds {names}, which are parts and no classes; give DATA={classes[0]}")
    found = {
        of.name: sorted(path for path in of.rglob("*") if path.suffix.lower() in SUFFIXES and _is_shown(path, of))
        for of in classes
    }
    paths = [path for of in found.values() for path in of]
    if not paths:
        raise UserError(f"{folder} holds no images; give a folder with a folder of images for each class")
    if empty := [name for name, of in found.items() if not of]:
        raise UserError(f"{folder} has folders without images, {listed(empty)}; fill them or take them away")
    return paths


def _is_shown(path: Path, folder: Path) -> bool:
    """Whether it is a file, neither hidden nor in a hidden folder."""
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _size(path: Path) -> tuple[int, int]:
    """Height and width as the image is shown."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            width, height = image.size
            if image.mode.startswith(("I", "F")):
                raise UserError(f"{path} has more than 8 bits a pixel ({image.mode}); save it with 8")
            return (width, height) if turned else (height, width)
    except UserError:
        raise
    except Exception as error:  # Pillow's decoders raise anything over a damaged file
        raise _unreadable(path, error) from None


def _opened(path: Path, side: tuple[int, int]) -> Image.Image:
    try:
        with Image.open(path) as image:
            shown = ImageOps.exif_transpose(image).convert("L" if image.mode in GREY else "RGB")
    except Exception as error:  # the same
        raise _unreadable(path, error) from None
    height, width = side
    return shown if shown.size == (width, height) else ImageOps.fit(shown, (width, height), Image.Resampling.BICUBIC)


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} cannot be read as an image ({type(error).__name__}); mend it or take it away")


def _by(side: tuple[int, int]) -> str:
    return f"{side[0]} x {side[1]}"
