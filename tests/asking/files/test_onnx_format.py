"""Before onnxruntime sees an ONNX file: operators of others and weights outside its folder are refused, unread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.asking.files import onnx_format
from fingerprinting.core.errors import UserError
from tests.asking.files import wire

RELU = wire.node("Relu")
OWN = wire.text(wire.FUNCTION, wire.text(1, "Mine") + wire.text(10, "here") + wire.text(7, RELU[2:]))


@pytest.fixture
def written(tmp_path):
    def write(content: bytes):
        path = tmp_path / "net.onnx"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("domain", ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"])
def test_operators_of_onnx_and_of_onnxruntime_are_taken(written, domain):
    assert onnx_format.checked(written(wire.model(wire.node("Relu", domain)))) == []


def test_operators_that_the_file_defines_itself_are_taken(written):
    assert onnx_format.checked(written(wire.model(wire.node("Mine", "here"), functions=OWN))) == []


@pytest.mark.parametrize(
    "content",
    [
        wire.model(wire.node("Evil", "mine")),
        wire.model(RELU, wire.node("EPContext", "com.microsoft")),
        wire.model(wire.node("If", "", wire.text(5, wire.text(6, wire.node("Evil", "mine"))))),
        wire.model(
            RELU, functions=wire.text(25, wire.text(1, "f") + wire.text(7, wire.text(4, "Evil") + b"\x3a\x01z"))
        ),
        wire.model(RELU) + wire.text(7, wire.node("Evil", "com.microsoftx")),
    ],
    ids=["plain", "opens files", "in a branch", "in a function", "in a second graph"],
)
def test_operators_of_others_are_refused_wherever_they_stand(written, content):
    with pytest.raises(UserError, match="wants the operator '.*' of '.*', which is code beside the model"):
        onnx_format.checked(written(content))


@pytest.mark.parametrize(
    "place",
    ["../../etc/passwd", "/etc/passwd", "a/../../b", "link", "*/_ORT_MEM_ADDR_/*", "..\\x", "", "nul\0"],
)
def test_weights_outside_the_folder_are_refused(written, tmp_path, place):
    (tmp_path / "link").symlink_to("/etc/passwd")
    for content in (
        wire.model(RELU, wire.text(wire.INITIALIZER, wire.tensor(place))),
        wire.model(wire.node("Constant", "", wire.text(5, wire.text(5, wire.tensor(place))))),
    ):
        with pytest.raises(UserError, match="outside its own folder or behind a link|which is not there"):
            onnx_format.checked(written(content))


def test_weights_beside_it_are_named(written, tmp_path):
    (tmp_path / "net.onnx.data").write_bytes(b"1234")
    content = wire.model(RELU, wire.text(wire.INITIALIZER, wire.tensor("net.onnx.data")))
    assert onnx_format.checked(written(content)) == [tmp_path / "net.onnx.data"]


def test_what_is_no_onnx_is_refused(written):
    nested = RELU
    for _ in range(200):
        nested = wire.node("If", "", wire.text(5, wire.text(6, nested)))
    for content in (b"", b"no model", wire.model(RELU)[:-3], wire.model(), wire.model(nested), b"\x0b\x0c" * 9):
        with pytest.raises(UserError, match="no ONNX file"):
            onnx_format.checked(written(content))


WHOLE = wire.model(RELU, wire.node("Mine", "here"), wire.text(wire.INITIALIZER, wire.tensor("w.data")), functions=OWN)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), st.booleans())
def test_whatever_is_flipped_or_cut_it_is_taken_or_refused(tmp_path_factory, place, value, cut):
    folder = tmp_path_factory.getbasetemp()
    (folder / "w.data").write_bytes(b"")
    path = folder / "flipped.onnx"
    path.write_bytes(WHOLE[:place] if cut else WHOLE[:place] + bytes([value]) + WHOLE[place + 1 :])
    try:
        assert onnx_format.checked(path) in ([], [folder / "w.data"])
    except UserError as error:
        assert "flipped.onnx" in str(error)
