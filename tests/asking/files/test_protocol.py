"""What a suspect's process sends is an array, plain words, or nothing."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.asking.files import protocol


@pytest.mark.parametrize("kind", ["float32", "float16", "float64", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(3,), (2, 0), (2, 3, 4)])
def test_arrays_come_back_as_they_were(kind, shape):
    array = np.ones(shape, kind)
    found = protocol.unpacked(protocol.packed(array))
    assert found.dtype == array.dtype and found.shape == array.shape and (found == array).all()


def lying(header: str) -> bytes:
    packed = protocol.packed(np.zeros(3, "float32"))
    return packed[:8] + len(header).to_bytes(2, "little") + header.encode() + packed[-12:]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no array",
        lying("{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000000,), }\n"),
        lying("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }\n"),
        lying("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }\n"),
        lying("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }\n"),
        lying("{'descr': '<f0', 'fortran_order': False, 'shape': (3,), }\n"),
        lying("(" * 5000),
    ],
    ids=["nothing", "words", "too large", "negative", "objects", "fields", "no size", "nested"],
)
def test_what_lies_is_no_array(content):
    with pytest.raises(ValueError):
        protocol.unpacked(content)


def test_objects_are_not_sent():
    with pytest.raises(ValueError):
        protocol.packed(np.array([{}]))
    file = io.BytesIO()
    np.save(file, np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError):
        protocol.unpacked(file.getvalue())


@given(st.integers(0, 139), st.integers(0, 255))
def test_whatever_is_flipped_it_is_numbers_or_refused(place, value):
    content = bytearray(protocol.packed(np.arange(3, dtype="float32")))
    content[place] = value
    with contextlib.suppress(ValueError):
        assert protocol.unpacked(bytes(content)).nbytes == 12


def test_words_steer_no_terminal():
    assert protocol.words(b"\x1b[2Jred\n\xff and  more") == "[2Jred \ufffd and more"
