"""Protobuf's wire format (protobuf.dev/programming-guides/encoding), which needs no package of its own."""

import mmap
from collections.abc import Iterator

import numpy as np

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
SIZES = {FIXED64: 8, FIXED32: 4}
MOST = 1_000_000  # fields of a message
LONGEST = 10  # bytes of a number
WHOLE = (1 << 64) - 1
Value = int | bytes


def tag(content: bytes | mmap.mmap, place: int, end: int) -> tuple[int, int, int]:
    """A field's number and wire type, and the place after them; ValueError where none is."""
    found, place = varint(content, place, end)
    if not 0 < found >> 3 < 1 << 29 or found & 7 not in (VARINT, FIXED64, BYTES, FIXED32):
        raise ValueError("no field")
    return found >> 3, found & 7, place


def varint(content: bytes | mmap.mmap, place: int, end: int) -> tuple[int, int]:
    """A number, and the place after it; ValueError where none is."""
    value = 0
    for shift in range(0, 7 * LONGEST, 7):
        if place >= end:
            break
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("no number")


def fields(content: bytes) -> Iterator[tuple[int, Value]]:
    """The fields of a message in their order, numbers of a fixed size as their bytes; ValueError for what is none."""
    place, end = 0, len(content)
    for _ in range(MOST):
        if place == end:
            return
        number, kind, place = tag(content, place, end)
        if kind == VARINT:
            value, place = varint(content, place, end)
            yield number, value
            continue
        if kind == BYTES:
            size, place = varint(content, place, end)
        else:
            size = SIZES[kind]
        if size > end - place:
            raise ValueError("cut off")
        yield number, content[place : place + size]
        place += size
    raise ValueError("too many fields")


def varints(content: bytes) -> np.ndarray:
    """Numbers one after another -> (n,) uint64; ValueError where one is cut off, or longer than any."""
    found = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(found < 0x80)
    starts = np.concatenate([[0], ends + 1])
    sizes = np.diff(starts)
    if starts[-1] != len(found) or (len(sizes) and sizes.max() > LONGEST):
        raise ValueError("no number")
    values = np.zeros(len(ends), np.uint64)
    for place in range(sizes.max(initial=0)):
        has = sizes > place
        values[has] |= (found[starts[:-1][has] + place] & np.uint64(0x7F)) << np.uint64(7 * place)
    return values


def number(value: int) -> bytes:
    """A whole number, a negative one as its two's complement of 64 bits."""
    value &= WHOLE
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def field(place: int, value: bytes | str) -> bytes:
    """A text, bytes, a message or packed numbers as the field of that number."""
    content = value.encode() if isinstance(value, str) else value
    return number(place << 3 | BYTES) + number(len(content)) + content
