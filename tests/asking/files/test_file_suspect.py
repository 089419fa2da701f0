"""A suspect's file in its process: it says what it says anywhere, and what does not fit is refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fingerprinting.asking.files import file_suspect, sandbox
from fingerprinting.core.errors import UserError
from tests.asking.files.opening import network, opened, queries


def test_weights_say_what_the_same_network_says_here(tmp_path):
    save_file(network().state_dict(), tmp_path / "net.safetensors")
    suspect = opened(tmp_path / "net.safetensors", model="conv3")
    try:
        said = suspect.ask(queries())
        with torch.inference_mode():
            expected = network()(torch.from_numpy(queries())).argmax(1).tolist()
        assert [one.label for one in said] == expected
        assert suspect.name.startswith("net.safetensors (sha256 ") and "conv3" in suspect.name
        process = suspect._sandbox._process
        assert process.poll() is None
    finally:
        suspect.close()
    assert process.poll() is not None


def test_weights_of_other_classes_names_or_bytes_are_refused(tmp_path):
    save_file(network(classes=7).state_dict(), tmp_path / "seven.safetensors")
    suspect = opened(tmp_path / "seven.safetensors", model="conv3")
    try:
        with pytest.raises(UserError, match="gives 7 numbers, and the source has 10 classes; .* OTHER_TASK=True"):
            suspect.ask(queries())
    finally:
        suspect.close()
    (tmp_path / "lying.safetensors").write_bytes((1 << 20).to_bytes(8, "little") + b'{"w":{}}')
    with pytest.raises(UserError, match=r"lying.safetensors is no safetensors file; .* it may be cut off"):
        opened(tmp_path / "lying.safetensors", model="conv3")


def test_what_can_be_said_before_a_process_begins(tmp_path, monkeypatch):
    save_file(network().state_dict(), tmp_path / "net.safetensors")
    (tmp_path / "net.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match="holds weights and no network; give MODEL= an architecture .conv3"):
        opened(tmp_path / "net.safetensors")
    with pytest.raises(UserError, match="MODEL=conv3 is for weights in safetensors, and .* holds its own network"):
        opened(tmp_path / "net.onnx", model="conv3")
    monkeypatch.setattr(file_suspect.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"is run by onnxruntime, which is not installed; run pip install .*\[onnx\]"):
        opened(tmp_path / "net.onnx")
    monkeypatch.setattr(sandbox.os, "name", "nt")
    with pytest.raises(UserError, match="a process with limits, which this system has none of"):
        sandbox.Sandbox("net.onnx", {"memory": 0}, 1.0)


def test_rows_are_labels_or_a_number_for_each_class():
    rows = file_suspect.rows_of
    assert rows(np.array([3, 1])) == [3, 1] and rows(np.array([[3], [1]], "uint8")) == [3, 1]
    assert rows(np.array([[0.5, 0.25]], "float16")) == [[0.5, 0.25]]
    assert rows(np.zeros((2, 3, 1, 1))) == [[0.0] * 3] * 2
    assert rows(np.zeros(2)) is None and rows(np.zeros((2, 3, 4))) is None and rows(np.array(1)) is None
