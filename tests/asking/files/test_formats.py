"""What a suspect's file is: told by its content, whatever its name; what runs code is refused and not opened."""

import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from fingerprinting.asking import addresses
from fingerprinting.asking.files import formats
from fingerprinting.core.errors import UserError

CODE = "can run code when it is opened"


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def refused(path: Path, *, trust: bool = False) -> str:
    with pytest.raises(UserError) as error:
        formats.format_of(path, trust=trust)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("suffix", ["safetensors", "onnx", "pt", "pth", "bin", "pkl", "joblib"])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_is_refused_whatever_its_name(tmp_path, suffix, protocol):
    path = tmp_path / f"net.{suffix}"
    canary = tmp_path / "canary"
    path.write_bytes(pickle.dumps(Canary(canary), protocol))
    assert "is a pickle, which " + CODE in refused(path, trust=True) and not canary.exists()
    assert addresses.kind_of(str(path)).example == "suspect.onnx"


def test_what_torch_saves_is_a_pickle(tmp_path):
    torch.save({"w": torch.zeros(2)}, tmp_path / "net.safetensors")
    assert "is a pickle, which " + CODE in refused(tmp_path / "net.safetensors", trust=True)


def test_torchscript_and_exported_programs_need_trust(tmp_path):
    net = torch.nn.Linear(2, 2)
    torch.jit.trace(net, torch.zeros(1, 2)).save(str(tmp_path / "net.bin"))
    torch.export.save(torch.export.export(net, (torch.zeros(1, 2),)), tmp_path / "net.pt2")
    for name, found, said in (
        ("net.bin", formats.TORCHSCRIPT, "is TorchScript"),
        ("net.pt2", formats.EXPORTED, "is an exported program of torch"),
    ):
        assert said in refused(tmp_path / name) and "TRUST=True" in refused(tmp_path / name)
        assert formats.format_of(tmp_path / name, trust=True) == found


def test_keras_is_refused_by_content_and_by_name(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"\x89HDF\r\n\x1a\n and more")
    with zipfile.ZipFile(tmp_path / "other.onnx", "w") as file:
        file.writestr("model.weights.h5", b"")
    (tmp_path / "net.keras").write_bytes(b"whatever")
    for name in ("net.onnx", "other.onnx", "net.keras"):
        assert "is a model of Keras, which " + CODE in refused(tmp_path / name, trust=True)


def test_other_archives_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.onnx", "w") as file:
        file.writestr("README", b"")
    assert "is an archive of no known kind" in refused(tmp_path / "net.onnx", trust=True)


def test_safetensors_whose_length_begins_as_a_pickle_does_are_safetensors(tmp_path):
    """A header of 1152 bytes: 80 04."""
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(1152)
    (tmp_path / "net.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    assert formats.format_of(tmp_path / "net.safetensors", trust=False) == formats.SAFETENSORS


def test_safetensors_are_known_by_any_name(tmp_path):
    save_file({"w": torch.zeros(2)}, tmp_path / "net.bin")
    assert formats.format_of(tmp_path / "net.bin", trust=False) == formats.SAFETENSORS


def test_what_is_missing_a_pointer_or_of_no_kind_is_said_to_be(tmp_path):
    (tmp_path / "pointer.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "net.xyz").write_bytes(b"whatever")
    assert "does not exist" in refused(tmp_path / "net.onnx")
    assert "run git lfs pull" in refused(tmp_path / "pointer.onnx")
    assert "is of no kind that is known" in refused(tmp_path / "net.xyz")
    with pytest.raises(UserError, match="is there, but of no kind that can be asked"):
        addresses.kind_of(str(tmp_path / "net.xyz"))


@given(st.binary(max_size=200), st.sampled_from(["onnx", "safetensors", "pt2", "pt", "keras"]), st.booleans())
def test_whatever_the_bytes_it_is_a_format_or_a_sentence(tmp_path_factory, content, suffix, torch_first):
    path = tmp_path_factory.getbasetemp() / f"net.{suffix}"
    path.write_bytes((save({"w": torch.zeros(1)}) if torch_first else b"") + content)
    try:
        assert formats.format_of(path, trust=False) in (formats.ONNX, formats.SAFETENSORS)
    except UserError as error:
        assert str(path) in str(error)
