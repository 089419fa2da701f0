"""Pickles of arrays, numbers and text are read as NumPy wrote them; nothing else is made, and nothing is run."""

import base64
import codecs
import io
import os
import pickle
import pickletools
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cv import data
from fingerprinting.core.errors import UserError
from fingerprinting.data.safe_pickle import load_arrays
from tests.cv.test_cv_data import python2, write_cifar10

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture
def cifar10(data_dir) -> dict[str, dict]:
    return write_cifar10(data_dir)


def as_numpy_1(raw: bytes) -> bytes:
    """NumPy 2's pickle with NumPy 1's name for where its functions lie; texts of protocol 4 carry their length."""
    for part in (b"multiarray", b"numeric"):
        old, new = b"numpy._core." + part, b"numpy.core." + part
        raw = raw.replace(b"\x8c" + bytes([len(old)]) + old, b"\x8c" + bytes([len(new)]) + new).replace(old, new)
    return b"".join(frameless(raw))


def frameless(raw: bytes) -> list[bytes]:
    """A pickle without the frames of protocol 4, which state sizes; files may go without them."""
    places = [(place, code.name) for code, _, place in pickletools.genops(raw)] + [(len(raw), "END")]
    pieces = zip(places, places[1:], strict=False)
    return [raw[start:end] for (start, name), (end, _) in pieces if name != "FRAME"]


@pytest.fixture
def load(tmp_path):
    def load_(raw: bytes) -> dict:
        path = tmp_path / "file"
        path.write_bytes(raw)
        return load_arrays(path)

    return load_


# What is read


CONTENT = {
    "data": np.arange(6, dtype="u1").reshape(2, 3),
    "odd": np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
    "labels": [np.int64(3), np.uint8(4)],
    "empty": np.zeros((0, 2), "f2"),
    "names": np.array(["ab", "é"]),
    "flag": np.array([True, False]),
}
NUMPY_1 = {  # pickle.dumps(CONTENT, protocol) of numpy 1.26.4
    0: (
        "c-obeOOBgB5Qa6G$)--iCKml}q$ruKH(o>vt4OGM46=lA3z~(cEOL}wFSke)jUy1AMJ$0Es;c|@>p@cc6!O{y2cALIPZxhXRM(+7T&6CZ-7v"
        "Tt6hl*8`!Nht6~J>yq962iw0i-`F@@kIR7G{In`(rnrv-QgNnV22kasSedj{U1qlIri!+)0If-wxIi^EaSOTK_W9c~`?V7PxiVJMSuOjEoVx"
        "haa(7$+eAiADpb)9Lt$!F&-9vrtk%OB6q*6n{@2o?kwqa|SJea01}89p_Mv`L(W5p@0@uws%=vLQAxqPULz^%MG+M;G4uqy8`4Hx{EXde!(o"
        "U9iZR@$ku@S`|Ioa>FckJZTs{f`1kq=Aw(1|B*7_KX%gPKvgt;&8%R1Y?0da1R<3gc`em4)S@+q3m+4BkWVp5DQTJywik)sLp`0~8zbATs$B"
        "k5EmzoZkSJX%{1J_0#9W(iYeV0aGMKFrfO3+Gz8}sJk1GcSF+d3;9>#PiU+NI7YYYxxub>`U4YrUF|&{1#uK&%$A3#+0ir!!`<FA6Acp}}-("
        "2}!_cDukX3(YwoRFk3clBb%nCGU>k_4BoH>>^p)Pz5+9(*vJhSHYg5}C97Huhui17+`szsKh-iiR=`j;&3s};0^d5<g16~bpJh>><>+n2N}r"
        "XBz7oFxR;~0|>H}+{z6axP*W>?m=d#P_XEgd5?UT{yAN~S4k3~r"
    ),
    2: (
        "c-nQ6*>2N76ow~uQi9o9b}0K+vjq|g6ew-jp#uR13TBh#v0WS~aq`>ai%1~#rfKsQ-0~Xb!RU+^ZX!nVcy#8>`Tn!4YCl0tt4s*-9O0nkhDo"
        "<SsJXq!uXU4-Xgg8l3=BK+-Ch`rC~<`WE%P!$FS~_K$r{S8?e;w1jSW9k2LlzWBm;9ySQGN!aYQ?;W7`l_hVAPx7<QPnL^Y}pu`>_pi9uh!+"
        "+}I<MN-G^(Z)LVFie_MPow?7RIAlm`YTtuQ6jLHkAh0dASF#NSFkUTl>H0`1P*dbm-e3L;ZUFjsnWxN#2;Ze`VT)HWW<$O98<*O3?~ZW0#1$"
        "*Pw@>&oF>_7HVIkWT$P7(Q<lwNgy6K2afacnz&W1Rfcu>o=fB~C`JYn9uG4WM12eg#_8d$l=_13WLee}gk4d`1rJ}05)N@t1s_-?2YeQUTs0"
        "TB_WRSI_jE1_q!7w|-O@>>(Rgq@D+ZO}eF3L2g%5;a}t|}9u+7S1OGBq%-G~H)dkeY&VHH&=Y+BQ$xGOy6K4L%TlY@jK#cp&hQr@YYV`Y|3A"
        "yvK_7gyCu0mNh)fY0C{fSF{%lO9hQqX_;09XxjQI>E)<Vli#1;MgA{Uj;|P60<U>G<0~EKJKhw$w~EIY-sQaaIgi(|tau+7J}Tb$z*#9(`IZ"
        "PiDa>bvF9KhAQriNdAOk`"
    ),
    4: (
        "c-nQ5%}T^D5XaLr-K`*^g5V1X>t#Xl;K7fD-VE$P@F<eDS+mfOrA-e7g}v;$3%Tuh_w{@VO;W`wbzqVVnfc8>lR0_4#K_t+3>1l(WS|bRDxK"
        "BCC@=Uhtr9t9MZs!N+Ybeg@~o6a6-n5D@@yigeik<=8=z<bffK?D+`@o56jOHz!c$%>>lrsixH^ILs=0TS^91AZ_~t{KT_}<eu7e(OuuDA9f"
        "pYUW20=vMu*KGI@{Yojvo`OlgSQF}%@ao>gs$g$H*VrLglvai!a|;ua1R54Rj-U#!V0a`(5L5Z`b7sl@ZDyF2$nie9ErWaA@<Cb$J3dtJLDs"
        "ZzvQ3(G!VyK!)Qc$8B2NDHHd}f-2LTHpAza@!Y<S5LhbM0N)3@r6888%Fl_yk*zXdC9Sf?4pJR2{!~"
    ),
    5: (
        "c-noDJxjzu5QaCK<OrOg2!gGJkU|2Ag@x!rz`}(Tf~CkN*|>q^67o?56t3~~U^~aF{d@ij-E0yr$l<{32h2S4zPk(a^8_OmFJKEJq!k6RKd;"
        "lgae}O1jy$p=4nRyFqasWFI*M2UA7HO1s1FV6h6%z{U2+erCTFrl;QAC+?{9DiHqnLl44&uR{>V@ZK^6D}6MYFnbD@%DLeIhwxM8mk(I#dyg"
        "svBIZ?nCBAq3nKI65EWul~W`bofa^eU_B)AiW-pOr~{G#k44>ls_p0n$Xr_J0iXqkGR}2!nO2XCoE+hKjKqYGt`+0lcjmpC`W^vPWjme%a6C"
        "{Mg%W`?<&>ioTjW)ki8y4W%@F|$I$z~P+}2-Sn3&G2bd8h^hvSs@O@pkKl&@av+XGdM(z9pN)5=w"
    ),
}


@pytest.mark.parametrize("protocol", NUMPY_1)
def test_what_numpy_1_wrote_is_read(load, protocol):
    check(load(zlib.decompress(base64.b85decode(NUMPY_1[protocol]))))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_numpy_2_wrote_is_read(load, protocol):
    check(load(pickle.dumps(CONTENT, protocol)))
    check(load(as_numpy_1(pickle.dumps(CONTENT, protocol))))


def check(found: dict) -> None:
    assert list(found) == list(CONTENT)
    assert found["labels"] == [3, 4] and [type(label) for label in found["labels"]] == [np.int64, np.uint8]
    for name in set(CONTENT) - {"labels"}:
        assert type(found[name]) is np.ndarray and found[name].dtype.kind == CONTENT[name].dtype.kind
        assert np.array_equal(found[name], CONTENT[name]) and found[name].shape == CONTENT[name].shape


NUMBERS = st.one_of(hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes())
ARRAYS = hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, min_side=0, max_dims=4, max_side=4))


@settings(max_examples=200)
@given(
    array=ARRAYS, order=st.permutations(range(4)), step=st.sampled_from([1, -1, 2]), protocol=st.sampled_from(PROTOCOLS)
)
def test_an_array_is_read_as_pickle_itself_reads_it(tmp_path_factory, array, order, step, protocol):
    path = tmp_path_factory.getbasetemp() / "array"
    view = array.transpose([axis for axis in order if axis < array.ndim])
    view = view[::step] if view.ndim else view
    raw = pickle.dumps({"it": view, "first": view.flat[0] if view.size else 0}, protocol)
    path.write_bytes(raw)
    found, expected = load_arrays(path), pickle.loads(raw)
    assert found["it"].shape == expected["it"].shape and found["it"].dtype == expected["it"].dtype
    assert np.array_equal(found["it"], expected["it"], equal_nan=True)
    assert found["first"] == expected["first"] or expected["first"] != expected["first"]
    assert found["it"].flags.writeable


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(content=st.dictionaries(st.text(), PLAIN), protocol=st.sampled_from(PROTOCOLS))
def test_containers_are_read_as_pickle_itself_reads_them(tmp_path_factory, content, protocol):
    path = tmp_path_factory.getbasetemp() / "plain"
    path.write_bytes(pickle.dumps(content, protocol))
    assert load_arrays(path) == content


def test_a_function_that_stands_by_itself_is_refused(tmp_path):
    path = tmp_path / "function"
    path.write_bytes(b"\x80\x02}X\x04\x00\x00\x00datacnumpy._core.multiarray\nscalar\ns.")
    with pytest.raises(UserError, match="a NumPy function stands in it by itself"):
        load_arrays(path)


# What is damaged


class Recorded:
    """Stands for whatever a pickle makes: what it was made of, and the state it got."""

    def __init__(self, *made_of) -> None:
        self.made_of, self.state = made_of, None

    def __setstate__(self, state) -> None:
        self.state = state


class Reference(pickle.Unpickler):
    """Python's faster reader, in which NumPy is not called: an altered dtype state breaks NumPy itself."""

    def find_class(self, module: str, name: str):
        known = {("_codecs", "encode"): codecs.encode, ("__builtin__", "bytes"): bytes, ("builtins", "bytes"): bytes}
        return known.get((module, name)) or type(name, (Recorded,), {})


def plain(value):
    """Arrays and numbers as recorded, read by NumPy's frombuffer; their byte order is the machine's."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if type(value).__name__ == "scalar":
        return read_buffer(value.made_of[1], value.made_of[0], (), "C")
    if type(value).__name__ == "_frombuffer":
        return read_buffer(*value.made_of)
    if type(value).__name__ == "_reconstruct":
        _, shape, kind, fortran, raw = value.state
        return read_buffer(raw, kind, shape, "F" if fortran else "C")
    return value


def read_buffer(raw, kind: Recorded, shape: tuple, order: str) -> np.ndarray:
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    kind = np.dtype((kind.state[1] if kind.state else "=") + kind.made_of[0])
    return np.frombuffer(raw, kind).reshape(shape, order=order).astype(kind.newbyteorder("="))


def same(one, other) -> bool:
    if isinstance(one, (np.ndarray, np.generic)):
        one = np.asarray(one).astype(one.dtype.newbyteorder("="))
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(same, one.values(), other.values()))
    return type(one) is type(other) and repr(one) == repr(other)


SMALL = {"data": np.arange(6, dtype=np.uint8).reshape(2, 3), "labels": [1, np.int64(2)], "name": "é", "flag": True}
WHOLE = [pickle.dumps(SMALL, protocol) for protocol in PROTOCOLS] + [python2(SMALL)]


@settings(max_examples=1000)
@given(st.sampled_from(WHOLE), st.integers(0, 900), st.binary(max_size=2), st.integers(-1, 900))
def test_whatever_the_bytes_it_is_what_pickle_reads_or_one_sentence(tmp_path_factory, raw, place, piece, end):
    path = tmp_path_factory.getbasetemp() / "spoilt"
    place %= len(raw)
    raw = (raw[:place] + piece + raw[place + len(piece) :])[: end if end % 4 == 0 else None]
    path.write_bytes(raw)
    try:
        found = load_arrays(path)
    except UserError as refusal:
        assert "\n" not in str(refusal)
    else:
        assert same(found, plain(Reference(io.BytesIO(raw), encoding="latin1").load()))


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_bytes_that_are_no_pickle_are_refused(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "noise"
    path.write_bytes(raw)
    with pytest.raises(UserError, match="is truncated or no plain pickle|no plain pickle|not a dict"):
        load_arrays(path)


def test_a_small_pickle_is_refused_at_every_length(tmp_path):
    whole = python2({"data": np.arange(4, dtype=np.uint8), "labels": [1, 2], "name": "é"})
    for length in range(len(whole)):
        (tmp_path / "batch").write_bytes(whole[:length])
        with pytest.raises(UserError, match="batch is truncated or no plain pickle"):
            load_arrays(tmp_path / "batch")


class Malicious:
    """Runs code when a careless reader unpickles it."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("way", ["system", "eval", "inside"])
def test_a_malicious_pickle_is_refused_and_executes_nothing(cifar10, data_dir, tmp_path, way, protocol):
    marker = tmp_path / "marker"
    attacks = {
        "system": Malicious(os.system, f"touch {marker}"),
        "eval": Malicious(eval, f"open({str(marker)!r}, 'w')"),
        "inside": {**cifar10["data_batch_1"], "filenames": [Malicious(os.system, f"touch {marker}")]},
    }
    content = pickle.dumps(attacks[way], protocol=protocol)
    (data_dir / "cifar-10-batches-py" / "data_batch_1").write_bytes(content)
    with pytest.raises(UserError, match="data_batch_1 is no plain pickle of arrays, numbers and text .it asks for "):
        data.load("cifar10")
    assert not marker.exists()
    pickle.loads(content)
    assert marker.exists(), "the attack itself must work, or this test shows nothing"


def test_a_pickle_that_is_no_dict_is_refused(tmp_path):
    (tmp_path / "list").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(UserError, match="holds a list, not a dict of arrays"):
        load_arrays(tmp_path / "list")


# What a file that means harm can ask for


def asks(module: str, name: str, *arguments: bytes, then: bytes = b"") -> bytes:
    """A pickle of {"it": module.name(*arguments)}; `then` is done to what came of it. The arguments are opcodes."""
    call = f"c{module}\n{name}\n".encode() + b"(" + b"".join(arguments) + b"tR"
    return b"\x80\x02}U\x02it" + call + then + b"s."


def op(value) -> bytes:
    """The opcodes of a plain value, without protocol and stop."""
    return pickle.dumps(value, 1)[:-1]


ARRAY = b"cnumpy\nndarray\n"
EMPTY = (b"cnumpy.core.multiarray\n_reconstruct\n", b"(" + ARRAY + b"(K\x00tU\x01btR")


def dtype(code: str, *state) -> bytes:
    made = b"cnumpy\ndtype\n(" + op(code) + b"K\x00K\x01tR"
    return made + (op(state) + b"b" if state else b"")


def filled(*state: bytes) -> bytes:
    """{"it": an empty array that gets this state}."""
    return b"\x80\x02}U\x02it" + b"".join(EMPTY) + b"(" + b"".join(state) + b"tbs."


PIXELS, RAW, BUFFER = dtype("u1"), b"U\x06abcdef", op(b"abcdef")
FIELDS = (3, "|", None, ("a",), {"a": ("O", 0)}, 8, 8, 0)  # a structure that hides an object: raw bytes taken for one


HOSTILE = {
    "huge array": asks("numpy", "ndarray", op((10**12,)), PIXELS),
    "array of objects at once": asks("numpy", "ndarray", op((2,)), op("O")),
    "array class made": b"\x80\x02}U\x02it" + ARRAY + b"K\x05\x85\x81s.",
    "reconstructed as another class": asks("numpy.core.multiarray", "_reconstruct", PIXELS, op((0,)), op("b")),
    "shape too large": filled(op(1), op((7,)), PIXELS, op(False), RAW),
    "shape that overflows": filled(op(1), op((2**32, 2**32)), PIXELS, op(False), RAW),
    "shape of nothing that overflows": filled(op(1), op((0, 2**63)), PIXELS, op(False), b"U\x00"),
    "negative shape": filled(op(1), op((-2, -3)), PIXELS, op(False), RAW),
    "shape of truth values": filled(op(1), op((True, 6)), PIXELS, op(False), RAW),
    "shape of 70 dimensions": filled(op(1), op((1,) * 69 + (6,)), PIXELS, op(False), RAW),
    "state too short": filled(op(1), op((6,))),
    "values in a list": filled(op(1), op((2,)), PIXELS, op(False), op([1, 2])),
    "no dtype": filled(op(1), op((6,)), op("u1"), op(False), RAW),
    "array as dtype": filled(op(1), op((6,)), b"".join(EMPTY), op(False), RAW),
    "objects": filled(op(1), op((2,)), dtype("O8"), op(False), op([1, 2])),
    "objects from bytes": filled(op(1), op((1,)), dtype("O8"), op(False), b"U\x08abcdefgh"),
    "structure": filled(op(1), op((1,)), dtype("V8", *FIELDS), op(False), b"U\x08abcdefgh"),
    "number with hidden fields": filled(op(1), op((1,)), dtype("f8", *FIELDS), op(False), b"U\x08abcdefgh"),
    "dates": filled(op(1), op((1,)), dtype("M8"), op(False), b"U\x08abcdefgh"),
    "dtype of no size": filled(op(1), op((10**15,)), dtype("S0"), op(False), b"U\x00"),
    "dtype by a dict": asks("numpy", "dtype", op({"names": ["a"], "formats": ["O"]})),
    "dtype by commas": asks("numpy", "dtype", op("O,O")),
    "dtype with an order of its own": filled(op(1), op((6,)), dtype("u1", 3, "x", None, None, None), op(False), RAW),
    "text outside Unicode": filled(op(1), op((1,)), dtype("U1"), op(False), b"U\x04\xff\xff\xff\xff"),
    "buffer of objects": asks("numpy.core.numeric", "_frombuffer", RAW, dtype("O8"), op((1,)), op("C")),
    "buffer that is no buffer": asks("numpy.core.numeric", "_frombuffer", ARRAY, PIXELS, op((6,)), op("C")),
    "axes of its own": asks("numpy.core.numeric", "_frombuffer", BUFFER, PIXELS, op((6,)), op("K"), op((9,))),
    "buffer beside the file": b"\x80\x05}\x8c\x02it\x97s.",
    "scalar too large": asks("numpy.core.multiarray", "scalar", dtype("f8"), RAW),
    "scalar of an object": asks("numpy.core.multiarray", "scalar", dtype("O8"), RAW),
    "encoded otherwise": asks("_codecs", "encode", op("abc"), op("rot13")),
    "a gigabyte of zeros": asks("builtins", "bytes", op(10**9)),
    "state of a function": b"\x80\x02}U\x02itc_codecs\nencode\n}U\x0c__defaults__)sbs.",
    "slots of a function": b"\x80\x02}U\x02itc_codecs\nencode\nN}U\x08__code__Ns\x86bs.",
    "array set by key": filled(op(1), op((6,)), PIXELS, op(False), RAW)[:-2] + b"K\x00K\x05ss.",
    "text as a list": b"\x80\x02}U\x02itU\x03abcK\x01as.",
    "key nested too deeply": b"\x80\x02}" + b"(" * 200_000 + b"t" * 200_000 + b"K\x01s.",
    "place in memory too far": b"\x80\x02}U\x02itK\x01r\xff\xff\xff\x7fs",
    "bytearray longer than the file": b"\x80\x05}\x8c\x02it\x96" + struct.pack("<Q", 1 << 45) + b"ab",
    "text longer than the file": b"\x80\x04}\x8c\x02it\x8d" + struct.pack("<Q", 1 << 62) + b"ab",
    "frame longer than the file": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"}.",
    "a set": b"\x80\x04}\x8c\x02it\x8fs.",
    "an object by number": b"\x80\x02}U\x02it\x82\x01s.",
    "an object by name": b"}S'it'\nPname\ns.",
    "an old instance": b"}S'it'\n(ios\nsystem\ns.",
    "a number of 5,000 digits": b"}S'it'\nI" + b"9" * 5000 + b"\ns.",
    "a name with lines": b"\x80\x04}\x8c\x02it\x8c\x03a\nb\x8c\x03c\nd\x93s.",
}  # fmt: skip


@pytest.mark.parametrize("way", HOSTILE)
def test_what_may_be_named_cannot_be_misused(load, way):
    with pytest.raises(UserError) as refusal:
        load(HOSTILE[way])
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 700


GENUINE = [
    filled(op(1), op((2, 3)), PIXELS, op(False), RAW).replace(b"numpy.core", b"numpy._core"),
    asks("numpy._core.numeric", "_frombuffer", BUFFER, PIXELS, op((2, 3)), op("C")),
]


@pytest.mark.parametrize("raw", GENUINE, ids=["state", "buffer"])
def test_the_same_opcodes_with_right_arguments_are_read(load, raw):
    assert load(raw)["it"].tobytes() == b"abcdef" == pickle.loads(raw)["it"].tobytes()


@pytest.mark.parametrize("code", ["O8", "V8", "M8"])
def test_an_array_of_something_else_is_named(load, code):
    values = {"O8": np.array([1, "a"], object), "V8": np.zeros(2, [("a", "f8")]), "M8": np.zeros(2, "M8[s]")}
    said = "it holds an array of Python objects" if code == "O8" else f"it holds an array of values of type '{code}'"
    for protocol in PROTOCOLS:
        with pytest.raises(UserError, match=said):
            load(pickle.dumps({"data": values[code]}, protocol))


def test_a_global_that_is_refused_is_named_and_not_taken_for_damage(load):
    from collections import OrderedDict

    with pytest.raises(UserError, match="it asks for collections.OrderedDict., and nothing of it was run") as refusal:
        load(pickle.dumps(OrderedDict(data=np.zeros(2))))
    assert "truncated" not in str(refusal.value)
