"""A suspect in ONNX, run by onnxruntime on the CPU."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fingerprinting.asking.files import onnx_format
from fingerprinting.core.errors import UserError

# What onnxruntime calls a type -> NumPy's.
TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}
PIXEL = 255  # the highest of 8 bits
WORDS = "tensor(string)"
MANY = 500  # characters of names that a sentence shows


def prepare() -> None:
    """Nothing is needed before files are closed."""


def needed(spec: dict[str, Any]) -> list[str]:
    path = Path(spec["path"])
    return [str(path), *map(str, onnx_format.checked(path))]


def opened(spec: dict[str, Any]) -> tuple[dict[str, str], Callable[[np.ndarray], np.ndarray | list[str]]]:
    """spec["input"], spec["output"]: names, nothing for the only one and the first; spec["shape"]: of a query."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")  # what was checked, and no other format
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC  # the same numbers elsewhere
    session = onnxruntime.InferenceSession(spec["path"], options, providers=["CPUExecutionProvider"])
    name = spec["name"]
    taken = _input(name, spec["input"], session.get_inputs())
    given = _output(name, spec["output"], session.get_outputs())
    at_once = _at_once(name, taken, tuple(spec["shape"]))
    convert, said = _converted(name, taken, spec["dtype"], spec["unit"])

    def run(queries: np.ndarray) -> np.ndarray | list[str]:
        made = convert(queries)
        size = at_once or len(made)
        parts = [made[start : start + size] for start in range(0, len(made), size)]
        found = [_asked(session, taken.name, given.name, part, size) for part in parts]
        return [word for part in found for word in part.tolist()] if given.type == WORDS else np.concatenate(found)

    return {"says": said}, run


def _asked(session, taken: str, given: str, part: np.ndarray, size: int) -> np.ndarray:
    """What it says of a part of the queries, the last of them repeated where it takes no fewer than size."""
    filled = np.concatenate([part, part[-1:].repeat(size - len(part), 0)])
    found = session.run([given], {taken: filled})[0]
    if not isinstance(found, np.ndarray) or found.ndim == 0 or len(found) != size:
        raise UserError(f"its output {given} has no response for each query; give OUTPUT= another, or BATCH=1")
    return found[: len(part)]


def _input(name: str, wanted: str, there: list):
    names = ", ".join(one.name for one in there)[:MANY]
    if wanted and wanted not in [one.name for one in there]:
        raise UserError(f"{name} has no input {wanted}; give INPUT= one of {names}")
    if len(there) != 1:
        raise UserError(f"{name} wants the inputs {names} together, and a query is one; export it with one alone")
    return there[0]


def _output(name: str, wanted: str, there: list):
    names = ", ".join(one.name for one in there)[:MANY]
    found = next((one for one in there if not wanted or one.name == wanted), None)
    if found is None:
        raise UserError(f"{name} has no output {wanted}; give OUTPUT= one of {names}")
    if found.type not in (*TYPES, WORDS):
        raise UserError(f"{name} gives {found.name} as {found.type}, no array; give OUTPUT= one of {names}")
    return found


def _at_once(name: str, taken, shape: tuple[int, ...]) -> int:
    """How many queries the model takes at once; 0: as many as there are."""
    wanted = [side if isinstance(side, int) and side > 0 else None for side in taken.shape]
    if len(wanted) == len(shape) + 1 and _fits(wanted[1:], shape):
        return wanted[0] or 0
    shown = [side or "any" for side in wanted]
    said = f"{name} takes {taken.name} of shape {shown}, and each query has {list(shape)}"
    if len(shape) == 3 and len(wanted) == 4 and _fits(wanted[1:], (*shape[1:], shape[0])):
        raise UserError(f"{said}: it wants the channels last; export it with channels first, as the source takes them")
    raise UserError(f"{said}; export it for inputs as the source takes them, batch first")


def _fits(wanted: list[int | None], shape: tuple[int, ...]) -> bool:
    return len(wanted) == len(shape) and all(one in (None, side) for one, side in zip(wanted, shape, strict=True))


def _converted(name: str, taken, dtype: str, unit: bool) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """How queries of that type become what the model takes, and what is to be said of it. unit: they are in [0, 1]."""
    kind = TYPES.get(taken.type)
    if kind is None:
        raise UserError(f"{name} takes {taken.name} as {taken.type}, which queries are not; export it for numbers")
    if kind == dtype:
        return lambda queries: queries, ""
    floats = np.issubdtype(dtype, np.floating)
    if kind == "uint8" and floats and unit:
        said = f"it takes uint8: inputs in [0, 1] are sent as 0 to {PIXEL}, rounded"
        return lambda queries: np.clip(np.rint(queries * PIXEL), 0, PIXEL).astype(kind), said
    if floats and not np.issubdtype(kind, np.floating):
        raise UserError(f"{name} takes {taken.name} as {kind}, and the queries are {dtype}; export it for {dtype}")
    return lambda queries: _fitted(name, queries, kind), f"it takes {kind}: inputs are sent as such"


def _fitted(name: str, queries: np.ndarray, kind: str) -> np.ndarray:
    made = queries.astype(kind)
    if not np.issubdtype(kind, np.floating) and (made != queries).any():
        raise UserError(f"{name} takes {kind}, in which the queries do not fit; export it for {queries.dtype}")
    return made
