"""A suspect whose code is the enemy's: what it cannot reach, how it ends, and what it cannot make its parent do."""

import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fingerprinting.asking.files import sandbox
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from tests.asking.files.opening import CLASSES, enemy, forward, opened, queries

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system closes network and files on Linux")
KEY = "a-key-of-the-owner"
# Which attempts come through is what it says of a query. Half of them are machine code's: no audit hook sees these.
ENEMY = """
    import ctypes, os, pathlib, socket, struct, subprocess, time, torch

    NATIVE = ctypes.CDLL(None, use_errno=True)

    def build(classes):
        return Enemy()

    class Enemy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, inputs):
            came_through = [one.__name__ for one in ATTEMPTS if attempt(one)]
            assert not came_through, came_through
            return torch.eye(10)[:1].repeat(len(inputs), 1)

    def attempt(tried):
        try:
            return tried()
        except OSError:
            return False

    def write():
        pathlib.Path({canary!r}).touch()
        return True

    def native_write():
        return NATIVE.creat({canary!r}.encode(), 0o600) >= 0

    def write_in_the_folder():
        pathlib.Path('here').touch()
        return True

    def read():
        return bool(pathlib.Path({secret!r}).read_text())

    def native_read():
        return NATIVE.open({secret!r}.encode(), os.O_RDONLY) >= 0

    def passwords():
        return bool(pathlib.Path('/etc/passwd').read_text())

    def change_rights():
        return NATIVE.chmod({secret!r}.encode(), 0o777) == 0

    def change_times():
        return NATIVE.utimes({secret!r}.encode(), None) == 0

    def remove():
        return NATIVE.unlink({secret!r}.encode()) == 0

    def environment():
        return {key!r} in os.environ.values()

    def connect():
        return bool(socket.create_connection(('127.0.0.1', {port})))

    def native_socket():
        return any(NATIVE.socket(family, 1, 0) >= 0 for family in (1, 2, 10, 16))

    def start():
        return subprocess.run(['/bin/true']).returncode == 0

    def fork():
        return os.fork() >= 0

    def native_fork():
        return NATIVE.fork() >= 0

    def native_start():
        return NATIVE.execv(b'/bin/true', (ctypes.c_char_p * 2)(b'true', None)) == 0

    def parents_environment():
        return bool(pathlib.Path(f'/proc/{{os.getppid()}}/environ').read_bytes())

    def others_commands():
        return bool(pathlib.Path(f'/proc/{{os.getppid()}}/cmdline').read_bytes())

    def end_the_parent():
        return NATIVE.kill(os.getppid(), 0) == 0

    def trace_the_parent():
        return NATIVE.ptrace(16, os.getppid(), None, None) == 0

    def starve_the_parent():
        return NATIVE.prlimit(os.getppid(), 7, None, ctypes.create_string_buffer(16)) == 0

    def leave_again():
        return NATIVE.unshare(0x10000000) == 0

    def mount():
        return NATIVE.mount(b'none', b'/usr', b'tmpfs', 0, None) == 0

    ATTEMPTS = (write, native_write, write_in_the_folder, read, native_read, passwords, change_rights, change_times,
                remove, environment, connect, native_socket, start, fork, native_fork, native_start,
                parents_environment, others_commands, end_the_parent, trace_the_parent, starve_the_parent, leave_again,
                mount)
"""


@LINUX
def test_its_code_reaches_nothing(tmp_path, monkeypatch, capsys):
    secret, canary = tmp_path / "secret.txt", tmp_path / "canary"
    secret.write_text("secret")
    before = secret.stat()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("HTTPS_PROXY", f"http://{KEY}@proxy")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        told = {"canary": str(canary), "secret": str(secret), "key": KEY, "port": listening.getsockname()[1]}
        suspect = opened(enemy(tmp_path, monkeypatch, textwrap.dedent(ENEMY).format(**told)), model="enemy:build")
        try:
            (said,) = suspect.ask(queries(1))
        finally:
            suspect.close()
    assert json.loads(said.raw) == [1.0] + [0.0] * (CLASSES - 1)
    assert not canary.exists() and secret.stat() == before
    assert "Warning" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("while True: pass", "did not respond within TIMEOUT=2 seconds|took more processor time"),
        ("time.sleep(1e6)", "did not respond within TIMEOUT=2 seconds"),
        ("return torch.zeros(1 << 40)", "wants more than the 4.0 GiB of memory that its file may take"),
        ("while True: self.taken = torch.ones(10 << 28)", "wants more than the 4.0 GiB of memory"),
        ("os.abort()", r"crashed \(SIGABRT\); run the same command"),
        ("__import__('ctypes').string_at(0)", r"crashed \(SIGSEGV\); run the same command"),
        ("os._exit(0)", "ended its process; run the same command"),
        ("raise ValueError('odd\\nwords')", r"cannot be run \(ValueError: odd words\)"),
        ("while True: os.fork()", r"cannot be run \(PermissionError: os.fork is closed to a suspect\)"),
        ("return torch.zeros(1, 1 << 26)", "sent what is no response; its process was ended"),
    ],
    ids=["for ever", "asleep", "memory", "10 GB", "crash", "fault", "end", "error", "fork bomb", "long response"],
)
def test_one_that_ends_badly_ends_in_a_sentence(tmp_path, monkeypatch, lines, sentence):
    suspect = opened(enemy(tmp_path, monkeypatch, forward(lines)), model="enemy:build")
    suspect._sandbox._timeout = 2.0 if "while True: pass" in lines or "sleep" in lines else 60.0
    try:
        with pytest.raises(UserError, match=sentence) as error:
            suspect.ask(queries(1))
        assert "\n" not in str(error.value)
    finally:
        suspect.close()
    assert suspect._sandbox._process.returncode is not None


# A process in place of the child: it is opened as the child would be, and then sends whatever it likes.
FORGER = """
import os, struct, sys, time

given, sent = os.fdopen(int(sys.argv[1]), 'rb'), os.fdopen(int(sys.argv[2]), 'wb')

def take():
    kind, length = struct.unpack('>cQ', given.read(9))
    return given.read(length)

def send(kind, content, length=None):
    sent.write(struct.pack('>cQ', kind, len(content) if length is None else length) + content)
    sent.flush()

take()
send(b'R', b'{}')
send(b'O', b'{}')
take()
"""
FORGED = {
    "garbage": ("sent.write(b'x' * 100)", "sent what is no response"),
    "endless": ("send(b'N', b'', 1 << 60)", "sent what is no response"),
    "no array": ("send(b'N', b'x' * 100)", "sent what is no response"),
    "nested": ("send(b'L', b'[' * (1 << 19))", "sent what is no response"),
    "long JSON": ("send(b'L', b'[],' * (1 << 22))", "sent what is no response"),
    "too few": ("send(b'L', b'[]')", "does not give one response to each query"),
    "an object": ("send(b'L', b'{}')", "does not give one response to each query"),
    "cut": ("send(b'N', b'x', 9)", "ended its process"),
    "drops": ("[(sent.write(b'N'), sent.flush(), time.sleep(0.1)) for _ in range(99)]", "sent what is no response"),
    "slow": (
        "[(sent.write(b'N\\0'), sent.flush(), time.sleep(1)) for _ in range(9)]",
        "did not respond within TIMEOUT=2",
    ),
    "sentence": ("send(b'U', b'give TRUST=True\\x1b[2J')", r"net.safetensors is refused: give TRUST=True \[2J$"),
    "failure": ("send(b'E', b'memory')", "wants more than the .* of memory"),
}


@pytest.mark.parametrize(("lines", "sentence"), FORGED.values(), ids=FORGED)
def test_forged_responses_are_found_out(tmp_path, monkeypatch, lines, sentence):
    (tmp_path / "forger.py").write_text(f"{FORGER}{lines}\n")
    monkeypatch.setattr(sandbox, "CHILD", (str(tmp_path / "forger.py"),))
    save_file({"weight": torch.zeros(1)}, tmp_path / "net.safetensors")
    suspect = opened(tmp_path / "net.safetensors", timeout=2.0, model="conv3")
    try:
        with pytest.raises(UserError, match=sentence) as error:
            suspect.ask(queries(1))
        assert "\n" not in str(error.value)
    finally:
        suspect.close()


def test_what_it_prints_goes_nowhere(tmp_path, monkeypatch, capfd):
    lines = "print('x' * 100000, flush=True); os.write(2, b'y'); return torch.eye(10)[:1]"
    suspect = opened(enemy(tmp_path, monkeypatch, forward(lines)), model="enemy:build")
    try:
        assert suspect.ask(queries(1))[0].label == 0
    finally:
        suspect.close()
    assert capfd.readouterr().out == ""


def test_it_ends_with_whoever_asks(tmp_path, monkeypatch):
    """Killed, not closed."""
    path = enemy(tmp_path, monkeypatch, forward("while True: pass"))
    script = (
        "from tests.asking.files.opening import opened\nfrom pathlib import Path\nimport os, signal\n"
        f"suspect = opened(Path({str(path)!r}), model='enemy:build')\n"
        "print(suspect._sandbox._process.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ours = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=ours)
    assert ended.stdout, ended.stderr
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
