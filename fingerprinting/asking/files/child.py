"""What the child process does: it gives its rights up, opens a suspect, and responds to queries until nobody asks."""

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from fingerprinting.asking.files import lock, protocol, system_calls
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY

# Format -> module with prepare(), which imports; needed(spec), files that it reads; opened(spec), what is known of the
# suspect and a function from queries to responses.
OPENERS = {
    "onnx": "onnx_model",
    "safetensors": "weights_model",
    "transformers": "transformers_model",
    "torchscript": "trusted_model",
    "pt2": "trusted_model",
}
THREADED = {"onnx": "onnxruntime"}  # what has threads once it is imported: only when files are closed
MEMORY = ("alloc", "out of memory", "memoryerror")  # in whatever words libraries say that there is too little
TOO_LARGE = "memory"
START = 180.0  # seconds of importing, and of reading what the suspect asks for
SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system")


def main(given: BinaryIO, sent: BinaryIO, network: str) -> None:
    """network: what kept it from being closed, nothing where it is."""
    spec = json.loads(_frame(given)[1])
    try:
        opener = importlib.import_module(f"fingerprinting.asking.files.{OPENERS[spec['format']]}")
        opener.prepare()
        lock.time(START)
        packages, folders = code(spec)
        files = lock.files([*packages, *SYSTEM, f"/proc/{os.getpid()}", *opener.needed(spec)], folders)
        if spec["format"] in THREADED:
            importlib.import_module(THREADED[spec["format"]])
        lock.limits(spec["memory"])
        left = {"network": network, "files": files, "other processes": system_calls.close()}
        _send(sent, protocol.READY, json.dumps(left).encode())
        lock.time(spec["timeout"])
        about, run = opener.opened(spec)
        _send(sent, protocol.OPENED, json.dumps(about).encode())
        while True:
            _respond(given, sent, run, spec["timeout"])
    except UserError as error:
        _end(sent, protocol.REFUSED, str(error))
    except Exception as error:  # whatever the suspect raises
        _end(sent, protocol.FAILED, f"{type(error).__name__}: {error}")


def code(spec: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Paths of what can be imported, and folders that Python looks for it in: their other files stay closed."""
    packages, folders = [sys.prefix, sys.base_prefix], []
    for place in map(Path, filter(None, [*sys.path, spec["modules"], str(REPOSITORY)])):
        if place.name in ("site-packages", "dist-packages"):
            packages.append(str(place))
        elif place.is_dir():
            folders.append(str(place))
            packages += map(str, [*place.glob("*.py"), *(found.parent for found in place.glob("*/__init__.py"))])
    return packages, folders


def _respond(given: BinaryIO, sent: BinaryIO, run: Callable, timeout: float) -> None:
    kind, content = _frame(given)
    lock.time(timeout)
    said = run(protocol.unpacked(content) if kind == protocol.ARRAY else json.loads(content))
    if isinstance(said, list):
        _send(sent, protocol.NAMED, json.dumps(said).encode())
    else:
        _send(sent, protocol.SAID, protocol.packed(said))


def _end(sent: BinaryIO, kind: bytes, said: str) -> None:
    if kind == protocol.FAILED and any(word in said.lower() for word in MEMORY):
        said = TOO_LARGE
    _send(sent, kind, said.encode("utf-8", "replace")[:2000])
    os._exit(0)


def _frame(given: BinaryIO) -> tuple[bytes, bytes]:
    kind, length = protocol.HEADER.unpack(_read(given, protocol.HEADER.size))
    return kind, _read(given, length)


def _read(given: BinaryIO, length: int) -> bytes:
    content = given.read(length)
    if len(content) < length:  # whoever asks has closed it
        os._exit(0)
    return content


def _send(sent: BinaryIO, kind: bytes, content: bytes) -> None:
    sent.write(protocol.HEADER.pack(kind, len(content)) + content)
    sent.flush()
