"""SUSPECT=: from an address to whoever can be asked there. A row of KINDS is a kind of suspect."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fingerprinting.asking import hugging_face
from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import ARRAY, Encoding, encoding
from fingerprinting.asking.files import formats
from fingerprinting.asking.files.file_suspect import FileSuspect, Opening, Source
from fingerprinting.asking.hugging_face import HuggingFace
from fingerprinting.asking.json_api import JsonApi
from fingerprinting.asking.open_inference.grpc_form import OverGrpc
from fingerprinting.asking.open_inference.rest import OverRest
from fingerprinting.asking.python_function import PythonFunction
from fingerprinting.asking.respondent import Respondent
from fingerprinting.core.errors import UserError
from fingerprinting.study.domain import Inputs


@dataclass(frozen=True)
class Options:
    """How a suspect is asked: judge.py's constants of the same names, and what its responses mean."""

    classes: Classes
    encoding: Encoding
    batch: int = 0  # inputs of a request; 0: the kind's usual
    rate: float = 0.0  # requests a second at most; 0: as fast as they are responded to
    timeout: float = 60.0  # seconds for a response
    input: str = ""  # name of the model's input; empty: the only one
    output: str = ""  # name of the output that is read; empty: the first
    model: str = ""  # what builds the network of weights in safetensors
    trust: bool = False  # whether files are opened that can run code then
    source: Source | None = None  # what the owner's source takes, for files


@dataclass(frozen=True)
class Kind:
    """A kind of suspect. usual(inputs, shape): the encoding that it is asked in where none is asked for."""

    example: str  # of an address, for sentences
    is_meant: Callable[[str], bool]
    open: Callable[[str, Options], Respondent]
    usual: Callable[[Inputs, tuple[int, ...]], str] = lambda _inputs, _shape: ARRAY


def _function(address: str, options: Options) -> Respondent:
    return PythonFunction(address, options.classes, options.encoding, options.batch)


def _is_function(address: str) -> bool:
    where, _, name = address.rpartition(":")
    return "://" not in address and name.isidentifier() and (where.endswith(".py") or _is_module(where))


def _is_module(name: str) -> bool:
    return bool(name) and all(part.isidentifier() for part in name.split("."))


def _json_api(address: str, options: Options) -> Respondent:
    return JsonApi(Path(address), *_over_http(options))


def _over_rest(address: str, options: Options) -> Respondent:
    return OverRest(address, *_over_http(options), (options.input, options.output))


def _over_grpc(address: str, options: Options) -> Respondent:
    return OverGrpc(address, *_over_http(options), (options.input, options.output))


def _hugging_face(address: str, options: Options) -> Respondent:
    return HuggingFace(address, *_over_http(options))


def _file(address: str, options: Options) -> Respondent:
    assert options.source is not None
    opening = Opening(options.model, options.trust, options.input, options.output)
    asked = options.classes, options.encoding, options.batch, options.timeout
    return FileSuspect(address, options.source, opening, *asked)


def _over_http(options: Options) -> tuple[Classes, Encoding, int, float, float]:
    return options.classes, options.encoding, options.batch, options.timeout, options.rate


def _begins(*prefixes: str) -> Callable[[str], bool]:
    return lambda address: address.startswith(prefixes)


# In this order: the first kind that an address is meant as.
KINDS: tuple[Kind, ...] = (
    Kind("oip+https://host/v2/models/net", _begins("oip+http://", "oip+https://"), _over_rest),
    Kind("oip+grpc://host:8081/net", _begins("oip+grpc://", "oip+grpcs://"), _over_grpc),
    Kind("hf+https://host", _begins("hf+http://", "hf+https://"), _hugging_face, hugging_face.usual_encoding),
    Kind("my_api.json", lambda address: address.endswith(".json"), _json_api),
    Kind("my_module:ask", _is_function, _function),
    Kind("transformers_folder/", formats.is_transformers, _file, hugging_face.usual_encoding),
    Kind("suspect.onnx", formats.is_meant, _file),
)


def kind_of(address: str) -> Kind:
    for kind in KINDS:
        if kind.is_meant(address):
            return kind
    there = " is there, but of no kind that can be asked" if Path(address).exists() else " is no suspect that is known"
    raise UserError(f"SUSPECT={address}{there}; give one like {', '.join(kind.example for kind in KINDS)}")


def encoding_of(address: str, name: str, inputs: Inputs, shape: tuple[int, ...]) -> Encoding:
    """The encoding of that name, or the usual one of what the address means."""
    return encoding(name or kind_of(address).usual(inputs, shape), inputs, shape)


def open_suspect(address: str, options: Options) -> Respondent:
    return kind_of(address).open(address, options)
