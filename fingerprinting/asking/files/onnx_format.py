"""An ONNX file before onnxruntime sees it: which operators it wants, and which further files it would have opened.

A walk over protobuf's wire format (wire.py) that knows the fields of onnx.proto that lead to nodes and tensors, skips
all others unread, and takes no more memory than its depth.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from fingerprinting.asking.wire import BYTES, SIZES, VARINT, tag, varint
from fingerprinting.core.errors import UserError

LARGEST = 1 << 31  # bytes: protobuf has no larger messages; weights beyond that stand in files of their own
DEEPEST = 64  # messages in messages
LONGEST = 4096  # bytes of a name

# Message -> field -> the message in it.
MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {},
}
# Message -> field -> name of a text in it.
TEXTS: dict[str, dict[int, str]] = {
    "node": {4: "type", 7: "domain"},
    "function": {1: "name", 10: "domain"},
    "entry": {1: "key", 2: "value"},
}
# Domains of operators: ONNX's own, and what onnxruntime itself ships, as quantised and fused models use it.
OWN, SHIPPED = "ai.onnx", "com.microsoft"
OPENS_FILES = ("EPContext",)  # shipped, and reads a compiled model from wherever it says
Found = tuple[str, dict[str, str]]  # message, its texts


def checked(path: Path) -> list[Path]:
    """The files in its folder that an ONNX file has its weights in; UserError for what is no ONNX, or wants more."""
    with path.open("rb") as file:
        size = path.stat().st_size
        if not 0 < size < LARGEST:
            raise UserError(f"{path} has {size} bytes, which no ONNX file has; get it again")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                found = list(_interesting(content, size))
            except ValueError:
                raise UserError(f"{path} is no ONNX file, or damaged; get it again, or export the model") from None
    if not any(message == "node" for message, _ in found):
        raise UserError(f"{path} is no ONNX file: it has no operators; get it again, or export the model")
    _check_operators(path, found)
    return _data(path, [texts["value"] for message, texts in found if message == "entry"])


def _interesting(content: mmap.mmap, size: int) -> Iterator[Found]:
    """Each kind of operator, each function, and each place of a tensor's data, once."""
    seen = set()
    for message, texts in _walk(content, 0, size, "model", 0):
        if message == "entry" and texts.get("key") != "location":
            continue
        key = (message, *sorted(texts.items()))
        if message in TEXTS and key not in seen:
            seen.add(key)
            yield message, {"value": "", "type": "", "domain": "", "name": ""} | texts


def _walk(content: mmap.mmap, start: int, end: int, message: str, depth: int) -> Iterator[Found]:
    """Every message between two places, those in it first."""
    if depth > DEEPEST:
        raise ValueError("too deep")
    inner, named = MESSAGES[message], TEXTS.get(message, {})
    texts: dict[str, str] = {}
    place = start
    while place < end:
        field, kind, place = tag(content, place, end)
        if kind == BYTES:
            length, place = varint(content, place, end)
            if length > end - place:
                raise ValueError("longer than what it is in")
            if field in inner:
                yield from _walk(content, place, place + length, inner[field], depth + 1)
            elif field in named:
                if length > LONGEST:
                    raise ValueError("a name without end")
                texts[named[field]] = content[place : place + length].decode()
            place += length
        elif kind == VARINT:
            _, place = varint(content, place, end)
        else:
            place += SIZES[kind]
        if field in inner and kind != BYTES:
            raise ValueError("another kind than in onnx.proto")
    if place != end:
        raise ValueError("cut off")
    yield message, texts


def _check_operators(path: Path, found: list[Found]) -> None:
    functions = {(texts["domain"], texts["name"]) for message, texts in found if message == "function"}
    for message, texts in found:
        domain, kind = texts["domain"], texts["type"]
        if message != "node" or (domain, kind) in functions:
            continue
        known = domain in ("", OWN) or domain.startswith(f"{OWN}.") or domain.split(".nchwc")[0] == SHIPPED
        if not known or kind in OPENS_FILES:
            raise UserError(
                f"{path} wants the operator {kind[:80]!r} of {domain[:80]!r}, which is code beside the model, and is "
                "not opened; export it with ONNX's own operators"
            )


def _data(path: Path, places: list[str]) -> list[Path]:
    """Files of weights: names in the model's own folder, or below it, and no links."""
    folder, found = path.parent.resolve(), []
    for place in places:
        wanted = folder / place
        inside = place and not Path(place).is_absolute() and ".." not in Path(place).parts and "\\" not in place
        if not inside or "\0" in place or wanted.resolve() != wanted:
            raise UserError(
                f"{path} has weights in {place[:200]!r}, outside its own folder or behind a link, and is not opened; "
                "put them beside it"
            )
        if not wanted.is_file():
            raise UserError(f"{path} has weights in {place[:200]!r}, which is not there; put the file beside it")
        found.append(wanted)
    return found
