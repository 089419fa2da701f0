"""A suspect in ONNX: its numbers are those of the same network here, what it takes is converted or refused.

Tests that need no onnxruntime are run on a double of it; pytest -m external runs all on itself, where it is installed.
"""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fingerprinting.asking.files import onnx_model
from fingerprinting.asking.files.file_suspect import rows_of
from fingerprinting.core.errors import UserError
from tests.asking.files import wire
from tests.asking.files.opening import CLASSES, SHAPE, opened, queries

WEIGHTS = np.random.default_rng(1).normal(size=(64, CLASSES)).astype("float32")
KINDS = {
    wire.FLOAT: "tensor(float)",
    wire.UINT8: "tensor(uint8)",
    wire.INT64: "tensor(int64)",
    wire.STRING: "tensor(string)",
}
N = "n"  # a side of any length


DOUBLE = Path(__file__).parent / "double"


@pytest.fixture(params=["double", pytest.param("onnxruntime", marks=pytest.mark.external)])
def ask(request, monkeypatch) -> Callable[..., list[int | None]]:
    """The labels of a model: by the double in this process, or by onnxruntime in one of its own."""
    if request.param == "double":
        monkeypatch.syspath_prepend(str(DOUBLE))
        monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
        monkeypatch.setitem(sys.modules, "onnxruntime", importlib.import_module("onnxruntime"))
        return in_this_process
    pytest.importorskip("onnxruntime")
    return labels


@pytest.fixture
def real() -> None:
    pytest.importorskip("onnxruntime")


def linear(path: Path, shape=(N, *SHAPE), kind: int = wire.FLOAT, inputs=("x",), extra: bytes = b"") -> Path:
    """scores = flat(x) @ WEIGHTS, and their highest place as label; with a description for the double."""
    taken = [{"name": name, "type": KINDS[kind], "shape": list(shape)} for name in inputs]
    given = [
        {"name": "scores", "type": "tensor(float)", "shape": [shape[0], CLASSES]},
        {"name": "label", "type": "tensor(int64)", "shape": [shape[0]]},
    ]
    said = json.dumps({"double": WEIGHTS.tolist(), "inputs": taken, "outputs": given})
    graph = [
        wire.operation("Flatten", ["x"], ["flat"], wire.whole("axis", 1)),
        wire.operation("Cast", ["flat"], ["floats"], wire.whole("to", wire.FLOAT)),
        wire.operation("MatMul", ["floats", "w"], ["scores"]),
        wire.operation("ArgMax", ["scores"], ["label"], wire.whole("axis", 1) + wire.whole("keepdims", 0)),
        wire.text(2, "graph"),
        wire.initializer("w", wire.FLOAT, list(WEIGHTS.shape), WEIGHTS.tobytes()),
        *(wire.value(11, name, kind, list(shape)) for name in inputs),
        wire.value(12, "scores", wire.FLOAT, [shape[0], CLASSES]),
        wire.value(12, "label", wire.INT64, [shape[0]]),
    ]
    path.write_bytes(wire.text(wire.DOCUMENTED, said) + wire.model(*graph) + extra)
    return path


def written(path: Path, *graph: bytes) -> Path:
    """A model that takes x and gives y, for onnxruntime alone."""
    ends = wire.value(11, "x", wire.FLOAT, [N, *SHAPE]), wire.value(12, "y", wire.FLOAT, [N, CLASSES])
    path.write_bytes(wire.model(wire.text(2, "graph"), *graph, *ends))
    return path


def labels(path: Path, count: int = 5, **opening) -> list[int | None]:
    suspect = opened(path, **opening)
    try:
        return [one.label for one in suspect.ask(queries(count))]
    finally:
        suspect.close()


def in_this_process(path: Path, count: int = 5, **opening: str) -> list[int]:
    about = {"path": str(path), "name": path.name, "shape": SHAPE, "dtype": "float32", "unit": True}
    onnx_model.needed(about)
    says, run = onnx_model.opened({"input": "", "output": "", **about, **opening})
    print(says)
    found = rows_of(run(queries(count)))
    return [int(np.argmax(one)) if isinstance(one, list) else one for one in found]


def expected(count: int = 5, inputs: np.ndarray | None = None) -> list[int]:
    x = queries(count) if inputs is None else inputs
    return (x.reshape(len(x), -1) @ WEIGHTS).argmax(1).tolist()


def test_its_numbers_are_those_of_the_same_network_here(tmp_path, ask):
    path = linear(tmp_path / "net.onnx")
    assert ask(path) == expected()
    assert ask(path, output="label") == expected()


def test_it_is_asked_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(DOUBLE))
    assert labels(linear(tmp_path / "net.onnx")) == expected()


def test_a_fixed_number_of_queries_at_once_is_filled_up(tmp_path, ask):
    assert ask(linear(tmp_path / "net.onnx", shape=(4, *SHAPE)), count=6) == expected(6)


def test_pixels_of_8_bits_are_rounded_and_it_is_said(tmp_path, ask, capsys):
    path = linear(tmp_path / "net.onnx", kind=wire.UINT8)
    assert ask(path) == expected(inputs=np.rint(queries() * 255))
    assert "it takes uint8: inputs in [0, 1] are sent as 0 to 255, rounded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("made", "opening", "sentence"),
    [
        ({}, {"input": "z"}, "has no input z; give INPUT= one of x$"),
        ({}, {"output": "z"}, "has no output z; give OUTPUT= one of scores, label"),
        ({"inputs": ("x", "mask")}, {}, "wants the inputs x, mask together, and a query is one"),
        ({"shape": (N, 8, 8, 1)}, {}, "it wants the channels last; export it with channels first"),
        ({"shape": (N, 1, 4, 16)}, {}, "export it for inputs as the source takes them, batch first"),
        ({"kind": wire.INT64}, {}, "takes x as int64, and the queries are float32; export it for float32"),
    ],
    ids=["input", "output", "inputs", "channels last", "shape", "whole numbers"],
)
def test_what_does_not_fit_is_refused(tmp_path, ask, made, opening, sentence):
    with pytest.raises(UserError, match=sentence):
        ask(linear(tmp_path / "net.onnx", **made), **opening)


def test_operators_and_weights_from_elsewhere_are_refused(tmp_path, ask):
    path = linear(tmp_path / "net.onnx", extra=wire.text(wire.GRAPH, wire.node("Evil", "mine")))
    with pytest.raises(
        UserError, match=r"net.onnx wants the operator 'Evil' of 'mine', which is code beside the model"
    ):
        ask(path)
    passwords = wire.text(wire.INITIALIZER, wire.tensor("/etc/passwd"))
    path = linear(tmp_path / "other.onnx", extra=wire.text(wire.GRAPH, passwords))
    with pytest.raises(UserError, match=r"has weights in '/etc/passwd', outside its own folder"):
        ask(path)


def shape_of(*sides: int) -> bytes:
    return wire.initializer("shape", wire.INT64, [len(sides)], np.array(sides, "int64").tobytes())


def bomb(*sides: int) -> list[bytes]:
    """A few bytes that become a tensor of any size, when the model is opened or when it is run."""
    return [
        shape_of(*sides),
        wire.operation("ConstantOfShape", ["shape"], ["large"]),
        wire.operation("ReduceSum", ["large"], ["sum"], wire.whole("keepdims", 0)),
        wire.operation("Flatten", ["x"], ["flat"]),
        wire.operation("Add", ["flat", "sum"], ["y"]),
    ]


def endless() -> list[bytes]:
    body = wire.named(
        wire.operation("Identity", ["going"], ["go_on"])
        + wire.operation("Add", ["before", "before"], ["after"])
        + wire.value(11, "turn", wire.INT64, [])
        + wire.value(11, "going", 9, [])
        + wire.value(11, "before", wire.FLOAT, [N, 64])
        + wire.value(12, "go_on", 9, [])
        + wire.value(12, "after", wire.FLOAT, [N, 64])
    )
    return [
        wire.initializer("turns", wire.INT64, [], np.array(1 << 62, "int64").tobytes()),
        wire.initializer("going", 9, [], b"\1"),
        wire.operation("Flatten", ["x"], ["flat"]),
        wire.operation("Loop", ["turns", "going", "flat"], ["y"], wire.subgraph("body", body)),
    ]


@pytest.mark.external
@pytest.mark.parametrize(
    ("graph", "sentence"),
    [
        (bomb(1 << 20, 1 << 13), "wants more than the 4.0 GiB of memory"),
        (bomb(1 << 62, 1 << 62), "cannot be run|wants more than"),
        (bomb(-1), "cannot be run"),
        (endless(), "did not respond within TIMEOUT=20 seconds|took more processor time"),
        ([wire.operation("NoSuchOperator", ["x"], ["y"])], "cannot be run"),
        ([wire.operation("Relu", ["nothing"], ["y"])], "cannot be run"),
    ],
    ids=["32 GB", "overflow", "negative", "endless", "unknown operator", "no input"],
)
def test_hostile_graphs_end_in_a_sentence(tmp_path, real, graph, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        labels(written(tmp_path / "net.onnx", *graph), timeout=20.0)
    assert "\n" not in str(error.value)


@pytest.mark.external
def test_wherever_it_is_cut_off_it_is_refused(tmp_path, real):
    content = linear(tmp_path / "net.onnx").read_bytes()
    for length in (len(content) // 2, len(content) - 1, len(content) - 40):
        (tmp_path / "cut.onnx").write_bytes(content[:length])
        with pytest.raises(UserError, match="cut.onnx is no ONNX file, or damaged; get it again"):
            labels(tmp_path / "cut.onnx")


@pytest.mark.external
def test_weights_beside_it_are_read_and_no_more_of_them_than_there_are(tmp_path, real):
    (tmp_path / "w.data").write_bytes(WEIGHTS.tobytes())
    graph = (wire.operation("Flatten", ["x"], ["flat"]), wire.operation("MatMul", ["flat", "w"], ["y"]))
    for length, fits in ((WEIGHTS.nbytes, True), (1 << 40, False)):
        entries = {"location": "w.data", "offset": "0", "length": str(length)}
        held = b"".join(wire.text(wire.DATA, wire.text(1, name) + wire.text(2, said)) for name, said in entries.items())
        sides = b"".join(wire.number(1, side) for side in WEIGHTS.shape)
        about = sides + wire.number(2, wire.FLOAT) + wire.text(8, "w") + held + wire.number(wire.LOCATED, 1)
        path = written(tmp_path / "net.onnx", *graph, wire.text(wire.INITIALIZER, about))
        if fits:
            assert labels(path) == expected()
        else:
            with pytest.raises(UserError, match="cannot be run"):
                labels(path)
