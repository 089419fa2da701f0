"""The child process of a suspect, as its parent sees it: asked by frames, waited for, ended with all that it began."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fingerprinting.asking.files import protocol
from fingerprinting.core.errors import UserError

CHILD = ("-m", "fingerprinting.asking.files")
START = 180.0  # seconds until the child has imported what it needs
MEMORY = 4 << 30  # bytes that a suspect may take, and as much again as thrice its file
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "DATA_DIR", "BERT_DIR")  # of the environment
QUIET = {  # what libraries are told
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OPENBLAS_NUM_THREADS": "1",  # threads that run before files are closed would not be held by it
    "ORT_LOAD_CONFIG_FROM_MODEL": "0",  # else a model's own metadata would say how it is run
    "PYTHONDONTWRITEBYTECODE": "1",
}
PIECE = 1 << 16  # bytes that a pipe takes at once


class Sandbox:
    """name: of the suspect, for sentences. timeout: seconds for opening it, and for each request."""

    def __init__(self, name: str, spec: dict, timeout: float) -> None:
        if os.name != "posix":
            raise UserError(
                f"{name} is to be run in a process with limits, which this system has none of; ask it on Linux, or "
                "through SUSPECT=my_module:ask"
            )
        self._name, self._timeout, self._memory = name, timeout, spec["memory"]
        self._folder = tempfile.TemporaryDirectory(prefix="suspect-")
        self._process, self._to, self._from = _started(self._folder.name)
        try:
            self._write(protocol.SPEC, json.dumps(spec).encode(), START)
            self.closed = self._plain(self._read(START, "start"), protocol.READY)
            self.about = self._plain(self._read(timeout, "be opened"), protocol.OPENED)
        except BaseException:
            self.close()
            raise

    def ask(self, kind: bytes, content: bytes) -> tuple[bytes, bytes]:
        """A frame for a frame; UserError where the suspect fails, takes too long or too much."""
        self._write(kind, content, self._timeout)
        return self._read(self._timeout, "respond")

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._to, self._from):
            with contextlib.suppress(OSError):
                os.close(pipe)
        self._to = self._from = -1
        self._folder.cleanup()

    def unreadable(self) -> UserError:
        return UserError(f"{self._name} sent what is no response; its process was ended, and nothing of it was used")

    def _plain(self, frame: tuple[bytes, bytes], wanted: bytes) -> dict:
        try:
            found = protocol.plain(frame[1]) if frame[0] == wanted else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self.unreadable()
        return found

    def _write(self, kind: bytes, content: bytes, patience: float) -> None:
        left, end = memoryview(protocol.HEADER.pack(kind, len(content)) + content), time.monotonic() + patience
        while left:
            self._wait(self._to, selectors.EVENT_WRITE, end, "take a request")
            try:
                left = left[os.write(self._to, left[:PIECE]) :]
            except BrokenPipeError:
                return  # what it said before it ended is read next

    def _read(self, patience: float, what: str) -> tuple[bytes, bytes]:
        end = time.monotonic() + patience
        kind, length = protocol.HEADER.unpack(self._bytes(protocol.HEADER.size, end, what))
        if length > (protocol.LARGEST if kind == protocol.SAID else protocol.LARGEST_JSON):
            raise self.unreadable()
        content = self._bytes(length, end, what)
        if kind == protocol.REFUSED:
            said = protocol.words(content)
            raise UserError(said if said.startswith(self._name) else f"{self._name} is refused: {said}")
        if kind == protocol.FAILED:
            raise self._failed(protocol.words(content))
        return kind, content

    def _bytes(self, count: int, end: float, what: str) -> bytes:
        found = bytearray()
        while len(found) < count:
            self._wait(self._from, selectors.EVENT_READ, end, what)
            piece = os.read(self._from, min(PIECE, count - len(found)))
            if not piece:
                raise self._ended()
            found += piece
        return bytes(found)

    def _wait(self, pipe: int, event: int, end: float, what: str) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            if not selector.select(max(0.0, end - time.monotonic())):
                raise UserError(
                    f"{self._name} did not {what} within TIMEOUT={self._timeout:g} seconds; give more, or a smaller "
                    "BATCH="
                )

    def _failed(self, said: str) -> UserError:
        if said == "memory":
            return self._too_large()
        return UserError(f"{self._name} cannot be run ({said[:300]})")

    def _too_large(self) -> UserError:
        return UserError(
            f"{self._name} wants more than the {self._memory / 2**30:.1f} GiB of memory that its file may take; a "
            "smaller BATCH= takes less"
        )

    def _ended(self) -> UserError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        status = self._process.returncode
        if status == -signal.SIGXCPU:
            return UserError(f"{self._name} took more processor time than TIMEOUT={self._timeout:g} allows; give more")
        if status is not None and status < 0:
            how = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
            return UserError(f"{self._name} crashed ({how}); run the same command to ask the queries that are left")
        return UserError(f"{self._name} ended its process; run the same command to ask the queries that are left")


def _started(folder: str) -> tuple[subprocess.Popen, int, int]:
    """The process, the pipe to it and the pipe from it; it leads a group of its own and begins in an empty folder."""
    read, to = os.pipe()
    of, write = os.pipe()
    words = [sys.executable, *CHILD, str(read), str(write), str(os.getpid())]
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=_environment(folder),
        pass_fds=(read, write),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(read)
    os.close(write)
    os.set_blocking(to, False)
    return process, to, of


def _environment(folder: str) -> dict[str, str]:
    """No keys and no proxies; Python's own path, so that it finds the same packages."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    path = os.pathsep.join(str(Path(place or ".").resolve()) for place in sys.path)
    return {**kept, **QUIET, "PYTHONPATH": path, "HOME": folder, "TMPDIR": folder, "HF_HOME": folder}
