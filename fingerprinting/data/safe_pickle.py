"""Reading data sets that are published as pickles, without letting a file run code.

A pickle is a program: it calls what it can name and gives objects states of its own choice. Here it can name only what
NumPy writes arrays and numbers with, and under those names it finds stand-ins that check every argument: the layout of
an array is never a file's own invention. Of the opcodes only those that make plain containers, numbers and text are
there, which Python's own reader of them, unlike its faster one, reads without trusting a length that a file claims.
"""

import math
import pickle
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError

# A truth value, whole numbers, floating-point numbers, text: no objects, and no fields, which could hide some.
PLAIN = re.compile(r"b1|[iu][1248]|f\d{1,2}|[SU][1-9]\d{0,5}")
ORDERS = ("<", ">", "=", "|")
LAST_CHARACTER = 0x10FFFF
OPCODES = (
    *("PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
    *("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
    *("FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BYTEARRAY8"),
    *("TUPLE", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "LIST", "EMPTY_LIST", "APPEND", "APPENDS"),
    *("DICT", "EMPTY_DICT", "SETITEM", "SETITEMS"),
)
# What an altered file makes of the reader of its opcodes, and of NumPy when it is given the values.
DAMAGE = (
    *(pickle.UnpicklingError, EOFError, ValueError, LookupError, TypeError, AttributeError, OverflowError),
    *(MemoryError, struct.error, AssertionError),
)


class ForeignError(Exception):
    """A pickle of something else than arrays, numbers and text."""


@dataclass
class _Dtype:
    """What a file says of an array's values; `order` is told after the rest."""

    code: str
    order: str = "="

    def plain(self) -> np.dtype:
        return np.dtype(self.order + self.code)


def _dtype(code, *_flags) -> _Dtype:
    if not (isinstance(code, str) and PLAIN.fullmatch(code)):
        kind = "Python objects" if isinstance(code, str) and code[:1] == "O" else f"values of type {str(code)[:20]!r}"
        raise ForeignError(f"it holds an array of {kind}")
    return _Dtype(code)


def _reconstruct(kind, *_shape_and_code) -> np.ndarray:
    """An array that gets its shape and values by BUILD."""
    if kind is not _NDARRAY:
        raise pickle.UnpicklingError("an array is of no known kind")
    return np.empty(0, np.int8)


def _frombuffer(raw, dtype: _Dtype, shape: tuple, order: str, axes: tuple | None = None) -> np.ndarray:
    """The way of protocol 5; in the order K, `shape` is that before the axes change places."""
    kind = _checked(raw, dtype, shape)
    array = np.frombuffer(raw, kind) if raw else np.empty(0, kind)
    array = array.reshape(shape, order="F" if order == "F" else "C")
    return (array if axes is None else array.transpose(axes)).copy(order="K")


def _scalar(dtype: _Dtype, raw) -> np.generic:
    raw = _bytes_of(raw)
    return np.frombuffer(raw, _checked(raw, dtype, ()))[0]


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError("bytes are written in another way than NumPy's")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


def _fill(array: np.ndarray, state: tuple) -> None:
    """Give an empty array what NumPy's state (version, shape, dtype, whether Fortran's order, bytes) says."""
    version, shape, dtype, fortran, raw = state
    if version != 1:
        raise pickle.UnpicklingError("an array's state is of another version than NumPy's")
    raw = _bytes_of(raw)
    array.__setstate__((1, shape, _checked(raw, dtype, shape), bool(fortran), raw))  # type: ignore[arg-type]  # it takes no numpy.bool


def _bytes_of(raw) -> bytes:
    """What Python 2 wrote as its `str` was read as latin1."""
    return raw.encode("latin1") if isinstance(raw, str) else raw


def _checked(raw, dtype: _Dtype, shape: tuple) -> np.dtype:
    """The dtype, if values of it in this shape take just these bytes."""
    if not (isinstance(raw, (bytes, bytearray)) and isinstance(dtype, _Dtype) and isinstance(shape, tuple)):
        raise pickle.UnpicklingError("an array's state is of another layout than NumPy's")
    kind = dtype.plain()
    if not all(type(side) is int and side >= 0 for side in shape) or math.prod(shape) * kind.itemsize != len(raw):
        raise pickle.UnpicklingError(f"an array has {len(raw)} bytes, which its shape does not take")
    if kind.kind == "U" and raw and np.frombuffer(raw, f"{kind.byteorder}u4").max() > LAST_CHARACTER:
        raise pickle.UnpicklingError("an array of text holds what is no character")
    return kind


_NDARRAY = object()  # in place of the class, which could make arrays of any size and of objects
_MULTIARRAY = {"_reconstruct": _reconstruct, "scalar": _scalar}
# As numpy 1 and 2 call them; protocols 0 to 2 have no bytes of their own and write them as text, and none as bytes().
ADMITTED = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _dtype,
    **{("numpy.core.multiarray", name): made for name, made in _MULTIARRAY.items()},
    **{("numpy._core.multiarray", name): made for name, made in _MULTIARRAY.items()},
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
}


def _refuse_opcode(_reader) -> None:
    raise ForeignError("it makes objects that are no arrays, numbers or text")


class _ArraysOnly(pickle._Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) not in ADMITTED:
            raise ForeignError(f"it asks for {module[:60]}.{name[:60]}".encode("unicode_escape").decode())
        return ADMITTED[module, name]

    def load_global(self) -> None:
        module, name = self.readline(), self.readline()
        if not name.endswith(b"\n"):
            raise EOFError
        self.append(self.find_class(module[:-1].decode(), name[:-1].decode()))

    def load_frame(self) -> None:
        (size,) = struct.unpack("<Q", self.read(8))
        self._unframer.load_frame(size)
        if self._unframer.current_frame.getbuffer().nbytes < size:
            raise EOFError

    def load_build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is np.ndarray:
            _fill(target, state)
        elif isinstance(target, _Dtype) and state[0] == 3 and state[1] in ORDERS and state[2:5] == (None, None, None):
            target.order = state[1]
        else:
            raise pickle.UnpicklingError("it gives a state to what has none")

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._put(self.stack[-1], [key, value])

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._put(self.stack[-1], items)

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._put(self.stack[-1], items)

    def load_append(self) -> None:
        item = self.stack.pop()
        self._extend(self.stack[-1], [item])

    def load_appends(self) -> None:
        items = self.pop_mark()
        self._extend(self.stack[-1], items)

    def load_bytearray8(self) -> None:
        self.load_binbytes8()
        self.stack[-1] = bytearray(self.stack[-1])

    @staticmethod
    def _put(target: dict, items: list) -> None:
        """Keys are text or numbers: what is nested deeply enough would crash Python's hash."""
        keys, values = items[::2], items[1::2]
        if type(target) is not dict or not all(isinstance(key, (str, bytes, int, float)) for key in keys):
            raise pickle.UnpicklingError("it is no dict with plain keys")
        target.update(zip(keys, values, strict=True))

    @staticmethod
    def _extend(target: list, items: list) -> None:
        if type(target) is not list:
            raise pickle.UnpicklingError("it appends to what is no list")
        target.extend(items)

    dispatch = {
        **dict.fromkeys(range(256), _refuse_opcode),
        **{getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]] for name in OPCODES},
        pickle.GLOBAL[0]: load_global,
        pickle.FRAME[0]: load_frame,
        pickle.BUILD[0]: load_build,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
        pickle.APPEND[0]: load_append,
        pickle.APPENDS[0]: load_appends,
        pickle.BYTEARRAY8[0]: load_bytearray8,
    }


def load_arrays(path: Path, instead: str = "see data/README.md for where it comes from") -> dict:
    """A pickled dict of numpy arrays, numbers and strings (keys as text); nothing in it is executed.

    instead: what to do where there is no such file.
    """
    with storage.reading(path, instead) as file:
        try:
            content = _ArraysOnly(file, encoding="latin1").load()
        except ForeignError as error:
            raise UserError(
                f"{path} is no plain pickle of arrays, numbers and text ({error}), and nothing of it was run; get the "
                "published file, or save it again with arrays of numbers"
            ) from None
        except DAMAGE as error:
            said = " ".join(str(error).split())[:200] or "it ends early"
            raise UserError(f"{path} is truncated or no plain pickle of arrays ({said}); get the file again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not a dict of arrays; get the file again")
    if not _is_plain(content):
        raise UserError(
            f"{path} is truncated or no plain pickle of arrays (a NumPy function stands in it by itself); get the file "
            "again"
        )
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}


def _is_plain(content: dict) -> bool:
    """Whether all that is in there, however deep, is an array, a number, text or nothing: no stand-in of NumPy's."""
    left, seen = [content], set()
    while left:
        value = left.pop()
        if isinstance(value, (dict, list, tuple)):
            if id(value) not in seen:
                seen.add(id(value))
                left += [*value, *value.values()] if isinstance(value, dict) else value
        elif not isinstance(value, (np.ndarray, np.generic, int, float, str, bytes, bytearray, type(None))):
            return False
    return True
