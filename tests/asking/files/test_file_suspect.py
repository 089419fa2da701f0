"""A suspect's file in its process: what it says, what it cannot reach, and how it ends."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import encoding
from fingerprinting.asking.files import file_suspect, sandbox
from fingerprinting.asking.files.file_suspect import FileSuspect, Opening, Source
from fingerprinting.core.runtime import UserError
from fingerprinting.study.domain import load_domain

SHAPE, CLASSES = (1, 8, 8), 10
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system closes network and files on Linux")
KEY = "a-key-of-the-owner"
# A network whose code is the enemy's: which attack it tries stands in its weight.
ENEMY = """
    import os, pathlib, socket, subprocess, time, torch

    def build(classes):
        return Enemy()

    class Enemy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, inputs):
            told = [attempt(tried) for tried in (write, read, environment, connect, start, fork, parent)]
            return torch.tensor([[float(one) for one in told] + [0.0] * 3] * len(inputs))

    def attempt(tried):
        try:
            return tried()
        except (OSError, PermissionError):
            return False

    def write():
        pathlib.Path({canary!r}).touch()
        return True

    def read():
        return bool(pathlib.Path({secret!r}).read_text())

    def environment():
        return {key!r} in os.environ.values()

    def connect():
        routed = len(pathlib.Path('/proc/self/net/route').read_text().splitlines()) > 1
        return routed or bool(socket.create_connection(('127.0.0.1', 9)))

    def start():
        return subprocess.run(['/bin/true']).returncode == 0

    def fork():
        return os.fork() >= 0

    def parent():
        return bool(pathlib.Path(f'/proc/{{os.getppid()}}/environ').read_bytes())
"""


def opened(path: Path, timeout: float = 60.0, batch: int = 0, **opening) -> FileSuspect:
    asked = encoding("array", load_domain("cv").inputs, SHAPE)
    names = tuple(f"class {place}" for place in range(CLASSES))
    source = Source("cv", CLASSES, SHAPE, "float32")
    return FileSuspect(str(path), source, Opening(**opening), Classes(names), asked, batch, timeout)


def network(name: str = "conv3", classes: int = CLASSES) -> torch.nn.Module:
    torch.manual_seed(0)
    return load_domain("cv").networks.architectures[name].build(classes, SHAPE).eval()


def queries(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).random((count, *SHAPE), dtype=np.float32)


def enemy(folder: Path, monkeypatch, body: str) -> Path:
    """Weights, and a module that builds whatever network the body has."""
    monkeypatch.chdir(folder)
    (folder / "enemy.py").write_text(textwrap.dedent(body))
    save_file({"weight": torch.zeros(1)}, folder / "net.safetensors")
    return folder / "net.safetensors"


def forward(lines: str) -> str:
    indented = textwrap.indent(textwrap.dedent(lines), " " * 8)
    return (
        "import os, time, torch\n\n\ndef build():\n    return Enemy()\n\n\nclass Enemy(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.weight = torch.nn.Parameter(torch.zeros(1))\n\n"
        f"    def forward(self, inputs):\n{indented}"
    )


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


@LINUX
def test_its_code_reaches_nothing(tmp_path, monkeypatch):
    secret, canary = tmp_path / "secret.txt", tmp_path / "canary"
    secret.write_text("secret")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HTTPS_PROXY", f"http://{KEY}@proxy")
    body = textwrap.dedent(ENEMY).format(canary=str(canary), secret=str(secret), key=KEY)
    suspect = opened(enemy(tmp_path, monkeypatch, body), model="enemy:build")
    try:
        (said,) = suspect.ask(queries(1))
    finally:
        suspect.close()
    assert json.loads(said.raw) == [0.0] * CLASSES
    assert not canary.exists()


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("while True: pass", "did not respond within TIMEOUT=2 seconds|took more processor time"),
        ("return torch.zeros(1 << 40)", "wants more than the 4.0 GiB of memory that its file may take"),
        ("os.abort()", r"crashed \(SIGABRT\); run the same command"),
        ("os._exit(0)", "ended its process; run the same command"),
        ("raise ValueError('odd\\nwords')", r"cannot be run \(ValueError: odd words\)"),
    ],
    ids=["for ever", "memory", "crash", "end", "error"],
)
def test_one_that_ends_badly_ends_in_a_sentence(tmp_path, monkeypatch, lines, sentence):
    suspect = opened(enemy(tmp_path, monkeypatch, forward(lines)), model="enemy:build")
    suspect._sandbox._timeout = 2.0 if "while" in lines else 60.0
    try:
        with pytest.raises(UserError, match=sentence) as error:
            suspect.ask(queries(1))
        assert "\n" not in str(error.value)
    finally:
        suspect.close()
    assert suspect._sandbox._process.returncode is not None


def test_it_ends_with_whoever_asks(tmp_path, monkeypatch):
    """Killed, not closed."""
    path = enemy(tmp_path, monkeypatch, forward("while True: pass"))
    script = (
        "from tests.asking.files.test_file_suspect import opened\nfrom pathlib import Path\nimport os, signal\n"
        f"suspect = opened(Path({str(path)!r}), model='enemy:build')\n"
        "print(suspect._sandbox._process.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    pid = int(ended.stdout)
    end = time.monotonic() + 20
    while _runs(pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


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
