"""What both forms of the protocol share: which input is asked in which type and shape, and which output is read."""

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import Encoding
from fingerprinting.asking.over_http import OverHttp
from fingerprinting.asking.patience import Client, Sent, UnreadableError
from fingerprinting.asking.respondent import Response
from fingerprinting.core.errors import UserError

PREFIX = "oip+"
BATCH = 16  # queries of a request, unless BATCH= or the model's first dimension says otherwise
FLOATS = ("FP16", "FP32", "FP64")
WHOLE = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
BYTES = "BYTES"  # also of texts
DEEPEST = 64  # dimensions that are multiplied
FREE = -1  # a dimension of any size
Metadata = dict


@dataclass(frozen=True)
class Tensor:
    """What is sent; values: in C order."""

    name: str
    datatype: str
    shape: list[int]
    values: list


class OpenInference(OverHttp[Sent]):
    """A model's input and output as its metadata has them; INPUT= and OUTPUT= (names) name others."""

    def __init__(
        self, client: Client[Sent], classes: Classes, encoding: Encoding, batch: int, names: tuple[str, str]
    ) -> None:
        super().__init__(client, classes, encoding)
        self._names = names
        self._metadata: Metadata | None = None
        self.name = PREFIX + self._client.name
        self.batch = batch or BATCH

    @abstractmethod
    def _about(self) -> Sent:
        """The request for the metadata."""

    @abstractmethod
    def _read_metadata(self, content: bytes) -> Metadata: ...

    @abstractmethod
    def _of_tensor(self, tensor: Tensor, output: str) -> Sent:
        """The request with a tensor; output: the name of the one that is wanted, or nothing."""

    @abstractmethod
    def _outputs(self, content: bytes) -> list[dict]:
        """The outputs in a response, of which there is one at least: name, shape, data."""

    @abstractmethod
    def _encoded(self, inputs: np.ndarray) -> list:
        """Inputs in another encoding than as arrays."""

    def ask(self, inputs: np.ndarray) -> list[Response]:
        if self._metadata is None:
            self._metadata, _ = self._client.get(self._about(), self._read_metadata)
            self._check(inputs)
        if not self._takes_batches(inputs) and len(inputs) > 1:
            return [said for one in inputs for said in self.ask(one[None])]
        return super().ask(inputs)

    def preview(self, inputs: np.ndarray) -> str:
        said = super().preview(inputs)
        if self._metadata:
            return said
        asked = self._client.preview(self._about()).splitlines()[0]
        return f"{said}\n(The input's name, type and shape are read from {asked}.)"

    def _input(self) -> Metadata:
        """The input that is asked; one of no name and no type where the metadata name none."""
        inputs = (self._metadata or {}).get("inputs", [])
        name = self._names[0]
        if name:
            return next((one for one in inputs if one["name"] == name), {"name": name})
        return inputs[0] if inputs else {"name": "input-0"}

    def _check(self, inputs: np.ndarray) -> None:
        known = [one["name"] for one in (self._metadata or {}).get("inputs", [])]
        names = self._client.on_one_line(", ".join(known))
        if len(known) > 1 and not self._names[0]:
            raise UserError(f"{self.name} has the inputs {names}; give INPUT= the one that is asked")
        if self._names[0] and known and self._names[0] not in known:
            raise UserError(f"{self.name} has no input {self._names[0]}; give INPUT= one of {names}")
        wanted, shape = self._input().get("shape", []), inputs.shape[1:] if self._encoding.is_array else ()
        if self._encoding.is_array and wanted and not (_fits(wanted[1:], shape) or _fits(wanted, shape)):
            taken = self._client.on_one_line(str(wanted))
            raise UserError(
                f"{self.name} takes inputs of shape {taken}, and each query has {list(shape)}; serve it as the source "
                "takes them, or give another INPUT= or ENCODING="
            )
        self._data(inputs[:1])

    def _takes_batches(self, inputs: np.ndarray) -> bool:
        """Whether the first dimension is free, or as large; without metadata it is."""
        wanted = self._input().get("shape", [])
        shape = inputs.shape[1:] if self._encoding.is_array else ()
        if not wanted or not self._encoding.is_array:
            return wanted != [1]
        return _fits(wanted[1:], shape) and wanted[0] in (FREE, len(inputs))

    def _request(self, inputs: np.ndarray) -> Sent:
        known = self._input()
        datatype, shape, data = self._data(inputs)
        wanted = known.get("shape", [])
        if (
            self._encoding.is_array
            and wanted
            and len(wanted) == inputs.ndim - 1
            and not _fits(wanted[1:], inputs.shape[1:])
        ):
            shape = shape[1:]  # a model of single inputs
        elif not self._encoding.is_array and len(wanted) == 2:
            shape = [*shape, 1]
        return self._of_tensor(Tensor(known["name"], datatype, shape, data), self._names[1])

    def _data(self, inputs: np.ndarray) -> tuple[str, list[int], list]:
        """The tensor's type, shape and numbers, in the type that the model wants."""
        wanted = self._client.on_one_line(said) if (said := self._input().get("datatype")) else ""
        if not self._encoding.is_array:
            if wanted not in ("", BYTES):
                raise UserError(f"{self.name} takes {wanted}; ENCODING={self._encoding.name} is for models of {BYTES}")
            sent = self._encoded(inputs)
            return BYTES, [len(sent)], sent
        floats = np.issubdtype(inputs.dtype, np.floating)
        fits = FLOATS if floats else (*WHOLE, *FLOATS)
        usual = "FP32" if floats else inputs.dtype.name.upper()
        if wanted and wanted not in fits:
            hint = "png or bytes" if floats else "text"
            raise UserError(f"{self.name} takes {wanted}, and the queries are {usual}; give ENCODING={hint}, or INPUT=")
        return wanted or usual, list(inputs.shape), inputs.ravel().tolist()

    def _read(self, content: bytes, count: int) -> list:
        outputs = self._outputs(content)
        name = self._names[1]
        if name and name not in [one.get("name") for one in outputs]:
            raise UnreadableError(f"has no output {name}")
        found = next(one for one in outputs if not name or one.get("name") == name)
        return rows_of(found, count)


def _fits(wanted: list[int], shape: tuple[int, ...]) -> bool:
    return len(wanted) == len(shape) and all(one in (FREE, side) for one, side in zip(wanted, shape, strict=True))


def rows_of(output: dict, count: int) -> list:
    """What an output tensor says of each of count queries: a number, a word, or a list with one for each class."""
    data = _flat(output.get("data"))
    if not data or len(data) % count:
        raise UnreadableError(f"has {len(data)} values for {count} queries")
    width = len(data) // count
    shape = output.get("shape")
    sides = shape if isinstance(shape, list) and len(shape) <= DEEPEST else [len(data)]
    if all(type(side) is int for side in sides) and math.prod(sides) != len(data):
        raise UnreadableError(f"has {len(data)} values and says that it has the shape {shape}")
    rows = [data[start : start + width] for start in range(0, len(data), width)]
    return [row[0] if width == 1 else row for row in rows]


def _flat(data: object) -> list:
    """Values in order, nested or not."""
    if not isinstance(data, list):
        return []
    flat: list = []
    stack = [iter(data)]
    while stack:
        for one in stack[-1]:
            if isinstance(one, list):
                stack.append(iter(one))
                break
            flat.append(one)
        else:
            stack.pop()
    return flat
