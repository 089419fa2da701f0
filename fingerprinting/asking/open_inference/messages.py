"""The messages of the protocol's gRPC form, as far as asking needs them (open_inference_grpc.proto of the protocol)."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fingerprinting.asking import wire
from fingerprinting.asking.open_inference.service import Metadata, Tensor
from fingerprinting.asking.patience import UnreadableError
from fingerprinting.asking.wire import Value, field, number

# Which field of InferTensorContents holds a type, and NumPy's type of it; floats of 16 bits go and come raw alone.
CONTENTS = {
    **dict.fromkeys(("INT8", "INT16", "INT32"), 2),
    "INT64": 3,
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), 4),
    "UINT64": 5,
    "FP32": 6,
    "FP64": 7,
    "BYTES": 8,
}
NUMBERS = {1: "bool", 2: "int32", 3: "int64", 4: "uint32", 5: "uint64"}  # written as varints
FLOATS = {6: "<f4", 7: "<f8"}
OF_BYTES = 8
RAW = {
    "BOOL": "?",
    **{f"{kind}{bits}": f"<{kind[0].lower()}{bits // 8}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)},
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
BRAIN = "BF16"  # the upper half of an FP32, which NumPy has no type of


@dataclass(frozen=True)
class Model:
    """ModelMetadataRequest."""

    name: str
    version: str

    def encoded(self) -> bytes:
        return _texts({1: self.name, 2: self.version})


@dataclass(frozen=True)
class Infer:
    """ModelInferRequest; output: the name of the one that is wanted, or nothing."""

    model: Model
    input: Tensor
    output: str

    def encoded(self) -> bytes:
        tensor, kind = self.input, CONTENTS.get(self.input.datatype)
        about = _texts({1: tensor.name, 2: tensor.datatype}) + field(3, b"".join(map(number, tensor.shape)))
        output = field(6, field(1, self.output)) if self.output else b""
        if kind is None:
            asked, raw = field(5, about), field(7, np.array(tensor.values, RAW[tensor.datatype]).tobytes())
        else:
            asked, raw = field(5, about + field(5, _contents(kind, tensor.values))), b""
        return _texts({1: self.model.name, 2: self.model.version}) + asked + output + raw


def _texts(found: dict[int, str]) -> bytes:
    return b"".join(field(place, text) for place, text in found.items() if text)


def _contents(kind: int, values: list) -> bytes:
    if kind == OF_BYTES:
        return b"".join(field(kind, one) for one in values)
    if kind in FLOATS:
        return field(kind, np.array(values, FLOATS[kind]).tobytes())
    return field(kind, b"".join(map(number, values)))


def metadata(content: bytes) -> Metadata:
    """ModelMetadataResponse: names, types and shapes of the inputs."""
    try:
        inputs = [_about(_bytes(value)) for place, value in wire.fields(content) if place == 4]
    except ValueError:
        raise UnreadableError("is no metadata of a model") from None
    return {"inputs": [{name: value for name, value in one.items() if name != "data"} for one in inputs]}


def outputs(content: bytes) -> list[dict]:
    """ModelInferResponse: name, datatype, shape and data of each output; texts for bytes."""
    try:
        found = list(wire.fields(content))
        tensors = [_about(_bytes(value)) for place, value in found if place == 5]
        raw = [_bytes(value) for place, value in found if place == 6]
        if raw and len(raw) != len(tensors):
            raise ValueError("other outputs than they are")
        for tensor, one in zip(tensors, raw, strict=False):
            tensor["data"] = _of_raw(tensor["datatype"], one)
    except ValueError:
        raise UnreadableError("is no response of the protocol") from None
    if not tensors:
        raise UnreadableError("has no outputs")
    return tensors


def _about(content: bytes) -> dict:
    """A tensor's name, datatype, shape and data, of those that are there; ValueError for what is none."""
    found: dict = {"name": "", "datatype": "", "shape": [], "data": []}
    for place, value in wire.fields(content):
        if place in (1, 2):
            found["name" if place == 1 else "datatype"] = _bytes(value).decode()
        elif place == 3:
            found["shape"] += _signed(value, "int64")
        elif place == 5:
            found["data"] += _values(_bytes(value))
    if not found["shape"]:
        del found["shape"]
    return found


def _values(content: bytes) -> list:
    """The values of an InferTensorContents, which are of one type."""
    found = [(place, value) for place, value in wire.fields(content) if place <= OF_BYTES]
    if len({place for place, _ in found}) > 1:
        raise ValueError("values of several types")
    values: list = []
    for place, value in found:
        if place == OF_BYTES:
            values.append(_text(_bytes(value)))
        elif place in FLOATS:
            values += np.frombuffer(_bytes(value), FLOATS[place]).tolist()
        else:
            values += _signed(value, NUMBERS[place])
    return values


def _signed(value: Value, kind: str) -> list[int]:
    """Whole numbers of a type, packed or one."""
    packed = wire.varints(value) if isinstance(value, bytes) else np.array([value & wire.WHOLE], np.uint64)
    return packed.astype(np.int64 if kind == "bool" else kind).tolist()


def _of_raw(datatype: str, content: bytes) -> list:
    if datatype == "BYTES":
        return [_text(one) for one in _counted(content)]
    if datatype == BRAIN:
        return (np.frombuffer(content, "<u2").astype("<u4") << 16).view("<f4").tolist()
    if datatype not in RAW:
        raise ValueError("an unknown type")
    values = np.frombuffer(content, RAW[datatype])
    return (values.astype(np.int64) if datatype == "BOOL" else values).tolist()


def _counted(content: bytes) -> Iterable[bytes]:
    """Raw texts: each after its size in 4 bytes."""
    place = 0
    while place < len(content):
        if place + 4 > len(content):
            raise ValueError("cut off")
        (size,) = struct.unpack_from("<I", content, place)
        place += 4
        if size > len(content) - place:
            raise ValueError("cut off")
        yield content[place : place + size]
        place += size


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("another kind than in the protocol")
    return value


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
