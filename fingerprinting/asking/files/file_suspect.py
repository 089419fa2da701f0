"""A suspect that is a file: told by its content, opened in a child process, and asked there."""

import hashlib
import importlib.util
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import ARRAY, PNG, TEXT, Encoding
from fingerprinting.asking.files import formats, protocol, transformers_model
from fingerprinting.asking.files.sandbox import MEMORY, Sandbox
from fingerprinting.asking.respondent import Response
from fingerprinting.core.errors import UserError
from fingerprinting.study.domain import DOMAINS, file_of, load_domain

BATCH = 32  # inputs of a request, unless BATCH= says otherwise
PACKAGES = {formats.ONNX: ("onnxruntime", "onnx"), formats.TRANSFORMERS: ("transformers", "text")}  # package, extra
WEIGHED = 3  # times its file's size that a suspect may take besides


@dataclass(frozen=True)
class Source:
    """What the owner's source takes and says: a suspect in safetensors is built for the same."""

    domain: str  # a domain's name or the path of a domain file, or of its folder
    classes: int
    shape: tuple[int, ...]  # of a query
    dtype: str  # of queries, as NumPy calls it


@dataclass(frozen=True)
class Opening:
    """What judge.py's constants of these names say of a file."""

    model: str = ""
    trust: bool = False
    input: str = ""
    output: str = ""


class FileSuspect:
    """Its process begins when it is made, and ends when it is closed."""

    def __init__(
        self,
        address: str,
        source: Source,
        opening: Opening,
        classes: Classes,
        encoding: Encoding,
        batch: int,
        timeout: float,
    ) -> None:
        path = Path(address)
        found = formats.format_of(path, trust=opening.trust)
        self._path, self._classes, self._encoding = path, classes, encoding
        _check_model(path, found, opening.model, source)
        _check_encoding(path, found, encoding)
        _check_installed(path, found)
        digest, size = content_of(path)
        self.name = f"{path.name} (sha256 {digest[:16]}{f', {opening.model}' if opening.model else ''})"
        self.batch = batch or BATCH
        spec = {
            "format": found,
            "path": str(path.resolve()),
            "name": str(path),
            "memory": MEMORY + WEIGHED * size,
            "timeout": timeout,
            "modules": str(Path.cwd()),
            "model": opening.model,
            "input": opening.input,
            "output": opening.output,
            "domain": source.domain if source.domain in DOMAINS else str(file_of(source.domain)),
            "files": [str(path) for path in load_domain(source.domain).files],
            "classes": source.classes,
            "shape": list(source.shape),
            "dtype": source.dtype,
            "unit": load_domain(source.domain).inputs.input_range == (0.0, 1.0),
            "texts": encoding.name == TEXT,
        }
        self._sandbox = Sandbox(str(path), spec, timeout)
        self._say()

    def ask(self, inputs: np.ndarray) -> list[Response]:
        started = time.perf_counter()
        kind, content = self._sandbox.ask(*self._sent(inputs))
        try:
            said = protocol.plain(content) if kind == protocol.NAMED else rows_of(protocol.unpacked(content))
        except ValueError:
            raise self._sandbox.unreadable() from None
        if said is None:
            raise UserError(
                f"{self._path} gives neither a class nor a number for each class to each query; give OUTPUT= another"
            )
        if not isinstance(said, list) or len(said) != len(inputs):
            raise UserError(f"{self._path} does not give one response to each query; BATCH=1 asks singly")
        self._check_classes(said)
        seconds = (time.perf_counter() - started) / len(inputs)
        return [self._classes.response(one, seconds=seconds) for one in said]

    def preview(self, inputs: np.ndarray) -> str:
        sent = f"an array {inputs.shape} of {inputs.dtype}"
        return f"{self.name}: {sent if self._encoding.is_array else f'{len(inputs)} as {self._encoding.name}'}"

    def close(self) -> None:
        self._sandbox.close()

    def _sent(self, inputs: np.ndarray) -> tuple[bytes, bytes]:
        if self._encoding.name == TEXT:
            return protocol.TEXTS, json.dumps(self._encoding.all_of(inputs)).encode()
        return protocol.ARRAY, protocol.packed(pixels(inputs) if self._encoding.name == PNG else inputs)

    def _check_classes(self, said: list) -> None:
        names, counts = self._classes.names, {len(one) for one in said if isinstance(one, list)}
        if names is None or self._classes.mapped or counts <= {len(names)}:
            return
        raise UserError(
            f"{self._path} gives {max(counts)} numbers, and the source has {len(names)} classes; if it is of another "
            "task give OTHER_TASK=True, else CLASSES=map.json or OUTPUT= another"
        )

    def _say(self) -> None:
        """What its owner should know of how it is run."""
        if says := self._sandbox.about.get("says"):
            print(f"{self._path}: {protocol.words(str(says).encode())}.")
        for what, why in self._sandbox.closed.items():
            if why:
                print(
                    f"Warning: the suspect's process could not be kept from the {what} by the system ({why}), only "
                    "within Python; run it where nothing is to be lost."
                )


def pixels(inputs: np.ndarray) -> np.ndarray:
    """Images (n, channels, height, width) in [0, 1] as PNGs hold them: (n, height, width, 3) of 8 bits."""
    rounded = np.clip(np.rint(inputs * 255), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return rounded if rounded.shape[3] == 3 else rounded.repeat(3, 3)


def rows_of(said: np.ndarray) -> list | None:
    """A whole number or a list of numbers for each query; None where there is neither."""
    if not said.ndim or not len(said) or sum(side != 1 for side in said.shape[1:]) > 1:
        return None
    width = math.prod(said.shape[1:])
    if width > 1:
        return said.reshape(len(said), width).tolist()
    return said.reshape(-1).tolist() if said.dtype.kind in "iu" else None


def content_of(path: Path) -> tuple[str, int]:
    """The sha256 of a file, or of all files of a folder and their names, and how many bytes these are."""
    if path.is_dir():
        total, size = hashlib.sha256(), 0
        for one in sorted(found for found in path.rglob("*") if found.is_file()):
            digest, more = content_of(one)
            total.update(f"{one.relative_to(path).as_posix()}\0{digest}\n".encode())
            size += more
        return total.hexdigest(), size
    total = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            total.update(piece)
    return total.hexdigest(), path.stat().st_size


def _check_model(path: Path, found: str, model: str, source: Source) -> None:
    if found == formats.SAFETENSORS and not model:
        known = ", ".join(load_domain(source.domain).networks.architectures)
        raise UserError(
            f"{path} holds weights and no network; give MODEL= an architecture ({known}), torchvision:name or "
            "my_package.net:build"
        )
    if found != formats.SAFETENSORS and model:
        raise UserError(f"MODEL={model} is for weights in safetensors, and {path} holds its own network; leave it out")


def _check_encoding(path: Path, found: str, encoding: Encoding) -> None:
    if found == formats.TRANSFORMERS:
        kind = transformers_model.kind_of(transformers_model.check(path))
        wanted = TEXT if kind == transformers_model.TEXTS else PNG
    else:
        wanted = ARRAY
    if encoding.name != wanted:
        raise UserError(f"{path} is asked in ENCODING={wanted}, not {encoding.name}; a queries' domain must have it")


def _check_installed(path: Path, found: str) -> None:
    package, extra = PACKAGES.get(found, ("", ""))
    if package and importlib.util.find_spec(package) is None:
        raise UserError(f"{path} is run by {package}, which is not installed; run pip install -e '.[{extra}]'")
