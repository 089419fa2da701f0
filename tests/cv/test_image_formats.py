"""Whatever stands in an IDX, NumPy, CIFAR or packed CSV file: what an independent reader reads, or one sentence."""

import csv
import gzip
import io
import pickle
import struct
import zlib
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cv import formats
from fingerprinting.core.errors import UserError
from tests.cv.test_cv_data import DRAW, idx, python2

DAMAGE = st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=2)


def spoilt(raw: bytes, damage: list[tuple[int, bytes, int]]) -> bytes:
    """Pieces put in place of others, which may be longer or shorter; the last place may cut the file."""
    for place, piece, dropped in damage:
        place %= len(raw) + 1
        raw = raw[:place] + piece + raw[place + dropped :]
    return raw[: damage[-1][0] % (2 * len(raw) + 1)]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Callable[[bytes], Path]:
    path = tmp_path_factory.mktemp("formats") / "file"

    def write(raw: bytes) -> Path:
        path.write_bytes(raw)
        return path

    return write


def found_or_refused(read: Callable, *arguments):
    """What is read, or None where a sentence says why not."""
    try:
        return read(*arguments)
    except UserError as refusal:
        assert "\n" not in str(refusal) and len(str(refusal)) < 1000
        return None


# IDX


def idx_by_hand(raw: bytes) -> np.ndarray | None:
    """The format's definition, a byte at a time, for three dimensions of uint8."""
    if len(raw) < 16 or list(raw[:4]) != [0, 0, 8, 3]:
        return None
    sides = [int.from_bytes(raw[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(3)]
    if len(raw) - 16 != sides[0] * sides[1] * sides[2]:
        return None
    return np.array(list(raw[16:]), np.uint8).reshape(sides)


SIDES = st.sampled_from([0, 1, 2, 3, 2**16, 2**31, 2**32 - 1])
HEADERS = st.builds(
    lambda kind, dimensions, sides, rest: bytes([0, 0, kind, dimensions]) + struct.pack(">3I", *sides) + rest,
    st.sampled_from([8, 9, 13]),
    st.sampled_from([0, 1, 3, 255]),
    st.tuples(SIDES, SIDES, SIDES),
    st.binary(max_size=30),
)


@settings(max_examples=500)
@given(
    raw=st.binary(max_size=40)
    | HEADERS
    | st.builds(spoilt, st.just(idx(np.arange(12, dtype="u1").reshape(3, 2, 2))), DAMAGE)
)
def test_whatever_an_idx_file_holds(written, raw):
    found, expected = found_or_refused(formats.idx, written(raw), "toy", 3), idx_by_hand(raw)
    assert (found is None) == (expected is None)
    assert found is None or (np.array_equal(found, expected) and found.shape == expected.shape)


# NumPy's


NUMBERS = st.one_of(hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes())


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@settings(max_examples=200)
@given(array=hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, min_side=0, max_side=4)), fortran=st.booleans())
def test_what_numpy_saves_is_read(written, array, fortran):
    array = np.asfortranarray(array) if fortran else array
    found = formats.npy(written(saved(array)), "toy")
    assert found.dtype == array.dtype and found.shape == array.shape and np.array_equal(found, array, equal_nan=True)


def announced(kind: str, fortran: str, shape: str) -> bytes:
    header = f"{{'descr': {kind}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(24)


KINDS = ["'|u1'", "'<f4'", "'|O'", "'|V3'", "[('a', '|O')]", "[('a', '<f4')]", "3", "None", "'<M8[s]'", "'<U2'"]
SHAPES = ["(24,)", "(6,)", "(2, 3)", "(-24,)", "(0,)", "()", "24", "(2.0,)", "(1 << 70,)", f"({2**62}, 4)", "(True,)"]
HEADERS_OF_ARRAYS = st.builds(
    announced, st.sampled_from(KINDS), st.sampled_from(["True", "False", "1"]), st.sampled_from(SHAPES)
)
WHOLE = saved(np.arange(24, dtype="<u2").reshape(2, 3, 4))


@settings(max_examples=500)
@given(raw=st.binary(max_size=40) | HEADERS_OF_ARRAYS | st.builds(spoilt, st.just(WHOLE), DAMAGE))
def test_whatever_a_numpy_file_holds(written, raw):
    found = found_or_refused(formats.npy, written(raw), "toy")
    if found is not None:
        expected = np.load(io.BytesIO(raw), allow_pickle=False)
        assert found.dtype == expected.dtype and found.shape == expected.shape and found.tobytes() == expected.tobytes()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_whole_numpy_files_of_any_version_are_never_refused(written):
    for version in [(1, 0), (2, 0)]:
        stream = io.BytesIO()
        np.lib.format.write_array(stream, np.arange(4), version)
        assert formats.npy(written(stream.getvalue()), "toy").tolist() == [0, 1, 2, 3]


# CIFAR's pickles


BATCH = {"data": DRAW.integers(0, 256, (2, 3072), np.uint8), "labels": [3, 7], "filenames": ["a.png", "é.png"]}
BATCHES = [*(pickle.dumps(BATCH, protocol) for protocol in range(6)), python2(BATCH)]


@settings(max_examples=300)
@given(raw=st.sampled_from(BATCHES), damage=DAMAGE, near=st.booleans())
def test_whatever_a_batch_of_cifar_holds(written, raw, damage, near):
    """Images and labels are then these but for a few values, changed or left out, or lie in Fortran's order."""
    if near:  # in the small part before or behind the images
        damage = [(place % 260 if place % 2 else -(place % 90) % len(raw), *rest) for place, *rest in damage]
    read = found_or_refused(formats.cifar, written(spoilt(raw, damage)), "labels", "toy")
    if read is not None:
        images, labels = read
        assert images.shape == (len(labels), 3, 32, 32) and images.dtype == np.uint8 and labels.dtype.kind in "iu"
        values = BATCH["data"].ravel()
        read_by_order = [values.reshape((2, 3072), order=order) for order in "CF"]
        assert len(labels) == 2 and any(nearly_the_same(images.reshape(2, -1), known) for known in read_by_order)


def nearly_the_same(found: np.ndarray, known: np.ndarray) -> bool:
    """But for a few values: where some are left out, all that follow have moved."""
    if (found != known).sum() <= 6:
        return True
    return SequenceMatcher(None, found.tobytes(), known.tobytes(), autojunk=False).ratio() > 0.99


TYPES = ["u1", "i1", "u2", "<i4", ">i8", "f2", ">f4", "f8", "?", "S1", "U1"]
SHAPES_OF_BATCHES = [(2, 3072), (3072, 2), (2, 3, 1024), (1, 3072), (0, 3072)]
WRONG_LABELS = [[1, 2, 3], [1.0, 2.0], [True, False], [[1], [2]], ["1", "2"], None, 7, np.eye(2), np.array([1.0, 2.0])]


@settings(max_examples=200)
@given(
    kind=st.sampled_from(TYPES),
    shape=st.sampled_from(SHAPES_OF_BATCHES),
    scaled=st.sampled_from([lambda it: it, lambda it: it / 255, lambda it: it / 127.5 - 1, lambda it: it * 100.0]),
    labels=st.sampled_from([*WRONG_LABELS, [1, 2], (1, 2), np.array([1, 2], ">u2"), [np.int8(1), 2]]),
    protocol=st.integers(0, pickle.HIGHEST_PROTOCOL),
)
def test_batches_of_any_type_and_shape_are_right_or_named(written, kind, shape, scaled, labels, protocol):
    values = np.resize(BATCH["data"], shape)
    with np.errstate(all="ignore"):
        values = values if kind == "u1" else scaled(values.astype(float)).astype(kind)
    path = written(pickle.dumps({"data": values, "labels": labels}, protocol))
    read = found_or_refused(formats.cifar, path, "labels", "toy")
    right = kind == "u1" and shape == (2, 3072) and not any(labels is wrong for wrong in WRONG_LABELS)
    assert (read is not None) == right
    if read is not None:
        assert np.array_equal(read[0].reshape(shape), values) and read[1].tolist() == list(labels)


# Packed CSV


def csv_by_hand(raw: bytes) -> list[list[int]] | None:
    """Python's own csv and int; None where a row has another number of values or a value is none from 0 to 255."""
    try:
        text = gzip.decompress(raw).decode("ascii")
        rows = [[int(value) for value in row] for row in csv.reader(io.StringIO(text), quoting=csv.QUOTE_NONE) if row]
    except (ValueError, OSError, EOFError, csv.Error, zlib.error):
        return None
    right = rows and all(len(row) == 3 and min(row) >= 0 and max(row) <= 255 for row in rows)
    return rows if right else None


VALUES = st.integers(0, 255).map(str) | st.sampled_from(
    ["256", "-1", "1.5", "1e2", "", "nan", "#", " 7", "0x10", "٣", "1_0", "9" * 30]
)
ROWS = st.lists(
    st.lists(VALUES, min_size=2, max_size=4) | st.lists(st.integers(0, 255).map(str), min_size=3, max_size=3),
    max_size=4,
)
TEXTS = st.builds(
    lambda rows, end: (end.join(map(",".join, rows)) + end).encode(), ROWS, st.sampled_from(["\n", "\r\n"])
)
PACKED = gzip.compress(b"0,1,2\n3,4,5\n253,254,255\n", mtime=0)


@settings(max_examples=500)
@given(
    raw=TEXTS.map(gzip.compress)
    | st.binary(max_size=40)
    | st.builds(spoilt, st.just(PACKED), DAMAGE)
    | st.binary(max_size=20).map(gzip.compress)
)
def test_whatever_a_packed_csv_file_holds(written, raw):
    found, expected = found_or_refused(formats.packed_rows, written(raw), "toy", 3), csv_by_hand(raw)
    if found is not None:
        assert found.dtype == np.uint8 and found.tolist() == expected


@settings(max_examples=100)
@given(rows=hnp.arrays(np.uint8, st.tuples(st.integers(1, 5), st.just(3))), end=st.sampled_from(["", "\n", "\r\n"]))
def test_whole_packed_rows_are_never_refused(written, rows, end):
    text = "\n".join(",".join(map(str, row)) for row in rows.tolist()) + end
    assert np.array_equal(formats.packed_rows(written(gzip.compress(text.encode())), "toy", 3), rows)
