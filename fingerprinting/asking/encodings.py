"""What a query becomes on its way to a suspect: numbers, a PNG, bytes or a text; and what comes out of it there.

A PNG holds 8 bits a pixel and a text no blanks at its ends: such a suspect is asked other inputs than the source was.
"""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from fingerprinting.core.errors import UserError
from fingerprinting.study.domain import Inputs

ARRAY, PNG, BYTES, TEXT = NAMES = ("array", "png", "bytes", "text")
CHANNELS = {1: "L", 3: "RGB"}  # of images (channels, height, width)


@dataclass(frozen=True)
class Encoding:
    """one_of(input (...)) -> what is sent; back(inputs (n, ...)) -> what arrives, None where nobody knows."""

    name: str
    one_of: Callable[[np.ndarray], object]
    back: Callable[[np.ndarray], np.ndarray] | None

    @property
    def is_array(self) -> bool:
        return self.name == ARRAY

    def all_of(self, inputs: np.ndarray) -> list:
        return [self.one_of(one) for one in inputs]

    def in_json(self, inputs: np.ndarray) -> list:
        """The same where only JSON can go: bytes as base64."""
        sent = self.all_of(inputs)
        return [base64.b64encode(one).decode() if isinstance(one, bytes) else one for one in sent]


def encoding(name: str, inputs: Inputs, shape: tuple[int, ...]) -> Encoding:
    """The encoding called so, for a domain's inputs of that shape; one that they cannot have is refused."""
    if name == ARRAY:
        return Encoding(ARRAY, np.ndarray.tolist, lambda some: some)
    if name == BYTES:
        return Encoding(BYTES, little_endian, lambda some: some)
    if name == PNG:
        if not are_images(inputs, shape):
            raise UserError(f"ENCODING=png is for images in [0, 1] of 1 or 3 channels, and these inputs are {shape}")
        return Encoding(PNG, png, lambda some: np.stack([of_png(png(one)) for one in some]))
    if name == TEXT:
        if inputs.describe is None:
            raise UserError("ENCODING=text is for inputs that are read, which DOMAIN.inputs.describe makes texts of")
        return Encoding(TEXT, lambda one: described(inputs, one), _read_back(inputs))
    raise UserError(f"unknown ENCODING={name}; take {', '.join(NAMES)}")


def are_images(inputs: Inputs, shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[0] in CHANNELS and inputs.input_range == (0.0, 1.0)


def little_endian(one: np.ndarray) -> bytes:
    """Its numbers one after another, in C order."""
    return np.ascontiguousarray(one, one.dtype.newbyteorder("<")).tobytes()


def png(image: np.ndarray) -> bytes:
    """image (channels, height, width) in [0, 1] -> a PNG file of 8 bits a channel."""
    pixels = np.clip(np.rint(image * 255), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(file, "png")
    return file.getvalue()


def of_png(content: bytes) -> np.ndarray:
    """The reverse, as models take it: (channels, height, width) float32 in [0, 1]."""
    pixels = np.asarray(Image.open(io.BytesIO(content)))
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    return pixels.transpose(2, 0, 1).astype(np.float32) / 255


def described(inputs: Inputs, one: np.ndarray) -> str:
    """An input as it is read, on one line."""
    assert inputs.describe is not None
    return " ".join(inputs.describe(torch.from_numpy(one.copy())).splitlines())


def _read_back(inputs: Inputs) -> Callable[[np.ndarray], np.ndarray] | None:
    if (encode := inputs.encode) is None:
        return None
    return lambda some: encode([described(inputs, one) for one in some]).numpy()
