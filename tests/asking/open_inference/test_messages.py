"""The messages of gRPC: byte for byte as google.protobuf writes them, read likewise, or refused in a sentence."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.asking.open_inference import messages
from fingerprinting.asking.open_inference.messages import Infer, Model
from fingerprinting.asking.open_inference.service import Tensor
from fingerprinting.asking.patience import UnreadableError
from fingerprinting.asking.wire import field, number

# Written by google.protobuf from the protocol's definitions.
METADATA = (
    b'\n\x03net\x12\x011\x1a\x01p"\x16\n\x01x\x12\x04FP32\x1a\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x04'
    b"*\x16\n\x01y\x12\x05INT64\x1a\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
)
TYPED = (
    b'\n\x03net\x1a\x017"\x08\n\x01a\x12\x03\x1a\x01b*6\n\x06scores\x12\x04FP64\x1a\x02\x02\x02*": \x00\x00\x00\x00\x00'
    b"\x00\xe0?\x00\x00\x00\x00\x00\x00\xd0?\x00\x00\x00\x00\x00\x00\xf0\xbf\x00\x00\x00\x00\x00\x00\x00@*)\n\x05label"
    b'\x12\x05INT64\x1a\x01\x02"\x07\n\x01t\x12\x02\x08\x01*\r\x1a\x0b\x03\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x01'
    b"*\x1c\n\x04word\x12\x05BYTES\x1a\x01\x01*\nB\x08Schuh \xc3\xa9"
)
RAW = (
    b"*\x12\n\x06scores\x12\x04FP32\x1a\x02\x01\x02*\x10\n\x04word\x12\x05BYTES\x1a\x01\x02"
    b"2\x08\x00\x00\x00?\x00\x00\x00\xc02\x0b\x03\x00\x00\x00bag\x00\x00\x00\x00"
)
MINUS_ONE = b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\xac\x02"


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (Model("net", "2"), b"\n\x03net\x12\x012"),
        (
            Infer(Model("net", "2"), Tensor("x", "FP32", [2, 1], [0.5, -2.0]), "y"),
            b"\n\x03net\x12\x012*\x19\n\x01x\x12\x04FP32\x1a\x02\x02\x01*\n2\x08\x00\x00\x00?\x00\x00\x00\xc02\x03\n\x01y",
        ),
        (
            Infer(Model("net", ""), Tensor("x", "INT64", [1, 3], [1, -1, 300]), ""),
            b"\n\x03net*\x1f\n\x01x\x12\x05INT64\x1a\x02\x01\x03*\x0f\x1a\r" + MINUS_ONE,
        ),
        (
            Infer(Model("net", ""), Tensor("x", "INT32", [1, 3], [1, -1, 300]), ""),
            b"\n\x03net*\x1f\n\x01x\x12\x05INT32\x1a\x02\x01\x03*\x0f\x12\r" + MINUS_ONE,
        ),
        (
            Infer(Model("net", ""), Tensor("x", "UINT8", [1, 2], [0, 255]), ""),
            b'\n\x03net*\x15\n\x01x\x12\x05UINT8\x1a\x02\x01\x02*\x05"\x03\x00\xff\x01',
        ),
        (
            Infer(Model("net", ""), Tensor("x", "BYTES", [2], [b"a bag", b"\x89PNG"]), ""),
            b"\n\x03net*\x1c\n\x01x\x12\x05BYTES\x1a\x01\x02*\rB\x05a bagB\x04\x89PNG",
        ),
        (
            Infer(Model("net", ""), Tensor("x", "FP16", [1, 2], [0.5, -2.0]), ""),
            b"\n\x03net*\r\n\x01x\x12\x04FP16\x1a\x02\x01\x02:\x04\x008\x00\xc0",
        ),
    ],
    ids=lambda one: "" if isinstance(one, bytes) else str(getattr(getattr(one, "input", ""), "datatype", "metadata")),
)
def test_requests_are_written_as_protobuf_writes_them(message, written):
    assert message.encoded() == written


def test_responses_are_read_as_protobuf_writes_them():
    assert messages.metadata(METADATA) == {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]}
    assert messages.outputs(TYPED) == [
        {"name": "scores", "datatype": "FP64", "shape": [2, 2], "data": [0.5, 0.25, -1.0, 2.0]},
        {"name": "label", "datatype": "INT64", "shape": [2], "data": [3, -4]},
        {"name": "word", "datatype": "BYTES", "shape": [1], "data": ["Schuh é"]},
    ]
    assert messages.outputs(RAW) == [
        {"name": "scores", "datatype": "FP32", "shape": [1, 2], "data": [0.5, -2.0]},
        {"name": "word", "datatype": "BYTES", "shape": [2], "data": ["bag", ""]},
    ]


@pytest.mark.parametrize(
    ("datatype", "raw", "data"),
    [
        ("BOOL", b"\x01\x00", [1, 0]),
        ("INT8", b"\xff\x02", [-1, 2]),
        ("UINT16", b"\xff\xff", [65535]),
        ("FP16", b"\x008", [0.5]),
        ("BF16", b"\x00\x3f", [0.5]),
        ("INT64", b"\xff" * 8, [-1]),
    ],
)
def test_every_type_is_read_raw(datatype, raw, data):
    (found,) = messages.outputs(field(5, field(2, datatype)) + field(6, raw))
    assert found["data"] == data


@pytest.mark.parametrize(
    ("content", "data"),
    [
        (number(3 << 3) + number(-5) + number(3 << 3) + number(7), [-5, 7]),  # not packed
        (number(2 << 3) + number(-5), [-5]),
        (field(1, b"\x01\x00"), [1, 0]),
        (field(4, number(7)), [7]),
        (b"\x35\x00\x00\x00\x3f", [0.5]),
    ],
    ids=["whole", "short", "truths", "without sign", "float"],
)
def test_values_are_read_packed_and_one_by_one(content, data):
    assert messages.outputs(field(5, field(5, content)))[0]["data"] == data


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no outputs"),
        (b"<html>", "is no response of the protocol"),
        (number(5 << 3) + b"\x01", "is no response of the protocol"),
        (field(5, field(2, "FP32")) + field(6, b"abc"), "is no response of the protocol"),
        (field(5, field(2, "FP32")) + field(6, b"abcd") * 2, "is no response of the protocol"),
        (field(5, field(2, "OBJECT")) + field(6, b"abcd"), "is no response of the protocol"),
        (field(5, field(2, "BYTES")) + field(6, b"\xff\xff\xff\xff"), "is no response of the protocol"),
        (field(5, field(5, field(6, b"abcd") + field(3, b"\x01"))), "is no response of the protocol"),
        (field(5, field(1, b"\xff")), "is no response of the protocol"),
    ],
)
def test_what_is_no_response_is_refused(content, said):
    with pytest.raises(UnreadableError, match=said):
        messages.outputs(content)


@given(
    st.binary()
    | st.binary().map(lambda one: field(5, field(2, "BYTES")) + field(6, one))
    | st.binary().map(lambda one: field(5, field(5, one)))
    | st.tuples(st.integers(0, len(TYPED) - 1), st.integers(0, 255)).map(
        lambda at: TYPED[: at[0]] + bytes([at[1]]) + TYPED[at[0] + 1 :]
    )
)
def test_whatever_comes_is_read_or_refused(content):
    for read in (messages.outputs, messages.metadata):
        with contextlib.suppress(UnreadableError):
            read(content)
