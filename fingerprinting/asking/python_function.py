"""A suspect that a Python function asks: my_module:ask, or my_file.py:ask; inputs in, classes or probabilities out."""

import importlib
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import Encoding
from fingerprinting.asking.respondent import Response
from fingerprinting.core.errors import UserError

BATCH = 64  # inputs of a call, unless BATCH= says otherwise


class PythonFunction:
    """What a user's function says; its own errors keep their tracebacks."""

    def __init__(self, address: str, classes: Classes, encoding: Encoding, batch: int) -> None:
        self.name, self.batch = address, batch or BATCH
        self._classes, self._encoding, self._function = classes, encoding, loaded(address)

    def ask(self, inputs: np.ndarray) -> list[Response]:
        """inputs (n, ...) go to the function as an array, or encoded in a list."""
        started = time.perf_counter()
        said = self._function(inputs if self._encoding.is_array else self._encoding.all_of(inputs))
        seconds = (time.perf_counter() - started) / len(inputs)
        found = _listed(said)
        if len(found) != len(inputs):
            raise UserError(f"{self.name} returned {len(found)} responses to {len(inputs)} inputs; one each is needed")
        return [self._classes.response(one, seconds=seconds) for one in found]

    def preview(self, inputs: np.ndarray) -> str:
        what = f"an array {inputs.shape} of {inputs.dtype}"
        return f"{self.name}({what if self._encoding.is_array else f'{len(inputs)} as {self._encoding.name}'})"

    def close(self) -> None:
        return None


def _listed(said: object) -> list:
    """Lists of plain numbers and words, whatever array or tensor they came in."""
    if callable(detach := getattr(said, "detach", None)):
        said = detach().cpu().numpy()
    if callable(tolist := getattr(said, "tolist", None)):
        said = tolist()
    if not isinstance(said, list | tuple):
        raise UserError(f"a {type(said).__name__} came back from SUSPECT=; return a response for each input, in a list")
    return [_plain(one) for one in said]


def _plain(one: object) -> object:
    return tolist() if callable(tolist := getattr(one, "tolist", None)) else one


def loaded(address: str) -> Callable:
    """The function called `module:function`; a module lies in the current folder or is installed."""
    where, _, name = address.rpartition(":")
    module = _of_file(Path(where)) if where.endswith(".py") else _of_name(where)
    function = getattr(module, name, None)
    if not callable(function):
        raise UserError(f"{where} has no function {name}; give SUSPECT=module:function")
    return function


def _of_name(name: str):
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last: it must hide nothing
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(f"SUSPECT={name}: there is no module {error.name}; run where it lies, or install it") from error


def _of_file(path: Path):
    if not path.is_file():
        raise UserError(f"SUSPECT={path}: there is no such file; give its path, then a colon and the function")
    spec = importlib.util.spec_from_file_location(f"suspect_at_{path.resolve().as_posix()}", path)
    assert spec is not None and spec.loader is not None  # as every .py file has
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
