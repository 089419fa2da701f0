"""Protobuf's wire format: what is written is read again, and whatever is no message ends in a ValueError."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.asking import wire

WHOLE = st.integers(-(1 << 63), (1 << 64) - 1)


@given(WHOLE)
def test_a_number_is_read_again(value):
    written = wire.number(value)
    assert wire.varint(written, 0, len(written)) == (value & wire.WHOLE, len(written))


@given(st.lists(WHOLE))
def test_packed_numbers_are_read_again(values):
    found = wire.varints(b"".join(map(wire.number, values)))
    assert found.dtype == np.uint64 and found.tolist() == [value & wire.WHOLE for value in values]


@given(st.lists(st.tuples(st.integers(1, (1 << 29) - 1), st.binary() | st.text())))
def test_fields_are_read_again(written):
    content = b"".join(wire.field(place, value) for place, value in written)
    read = [(place, value.encode() if isinstance(value, str) else value) for place, value in written]
    assert list(wire.fields(content)) == read


def test_all_kinds_are_read():
    content = wire.number(1 << 3) + wire.number(300) + b"\x15abcd" + b"\x19abcdefgh" + wire.field(4, "text")
    assert list(wire.fields(content)) == [(1, 300), (2, b"abcd"), (3, b"abcdefgh"), (4, b"text")]


@pytest.mark.parametrize(
    "content",
    [
        b"\x08",
        b"\x0a\x05abc",
        b"\x15abc",
        b"\x0b",
        b"\x00\x01",
        b"\x08" + b"\xff" * 11,
        b"\x0a\xff\xff\xff\xff\xff\x7f",
    ],
    ids=["no value", "cut off", "cut off number", "a group", "field 0", "without end", "huge"],
)
def test_what_is_no_message_is_refused(content):
    with pytest.raises(ValueError):
        list(wire.fields(content))


@pytest.mark.parametrize("content", [b"\x80", b"\x01\xff", b"\x80" * 10 + b"\x01"])
def test_what_is_no_number_is_refused(content):
    with pytest.raises(ValueError, match="no number"):
        wire.varints(content)


def test_fields_without_end_are_refused(monkeypatch):
    monkeypatch.setattr(wire, "MOST", 10)
    with pytest.raises(ValueError, match="too many fields"):
        list(wire.fields(b"\x08\x01" * 11))


@given(st.binary())
def test_whatever_comes_is_read_or_refused(content):
    for read in (wire.fields, wire.varints):
        with contextlib.suppress(ValueError):
            list(read(content))
