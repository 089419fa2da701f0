"""What passes between judge.py and the child process that runs a suspect: frames of a kind, a length and a content.

The child may be the enemy's by then: nothing that it sends is unpickled, and its length is limited before it is read.
"""

import io
import json
import math
import struct
import tokenize

import numpy as np

HEADER = struct.Struct(">cQ")  # kind, bytes of the content
SPEC, ARRAY, TEXTS = b"S", b"A", b"T"  # to the child: what to open; queries; queries that are texts, JSON
READY, OPENED, SAID, NAMED = b"R", b"O", b"N", b"L"  # from it: it runs; JSON; responses (n, ...); JSON of n names
REFUSED, FAILED = b"U", b"E"  # from it: a sentence for the user; what the suspect failed by
LARGEST, LARGEST_JSON = 1 << 25, 1 << 20  # bytes that a suspect may send: as objects of Python they take far more
KINDS_OF_NUMBERS = "biuf"


def packed(array: np.ndarray) -> bytes:
    """As a .npy file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def unpacked(content: bytes) -> np.ndarray:
    """The array of a .npy file of numbers; ValueError where it is none, or of another size than it says."""
    file = io.BytesIO(content)
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("version")
        shape, fortran, kind = np.lib.format.read_array_header_1_0(file)
    except (SyntaxError, tokenize.TokenError, RecursionError, MemoryError, TypeError, KeyError):
        raise ValueError("header") from None
    rest = content[file.tell() :]
    if kind.kind not in KINDS_OF_NUMBERS or min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != len(rest):
        raise ValueError("size")
    return np.frombuffer(rest, kind).reshape(shape, order="F" if fortran else "C")


def words(content: bytes) -> str:
    """What a suspect's process said, on one line that no terminal is steered by."""
    said = "".join(one if one.isprintable() else " " for one in content[:2000].decode("utf-8", "replace"))
    return " ".join(said.split())


def plain(content: bytes) -> object:
    """JSON; ValueError where it is none."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("nested") from None
