"""How files are written: all at once or not at all."""

import contextlib
import errno
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from fingerprinting.core.errors import UserError
from fingerprinting.core.places import results_dir

# What the system says of a folder that is a file, belongs to somebody else, or lies on what is only read.
UNWRITABLE = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT),
    errno.ELOOP,
)
LOCK = ".lock"  # in the folder of results
SHARED = "shared_tensors"  # in metadata, where there are any: name -> the name under which that tensor is stored


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Write to the yielded temporary path; it becomes `path` only when the block ends without an error."""
    with _writable(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        with _writable(path):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def together(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """Write files called `names` into the yielded folder; they come to `folder`, in that order, when all are whole.

    What lies there already under such a name is kept.
    """
    with _writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=folder, prefix=".", suffix=".tmp")
    with temporary as place:
        yield Path(place)
        for name in names:
            with (Path(place) / name).open("rb") as written:
                os.fsync(written.fileno())
        for name in names:
            if not os.path.lexists(folder / name):
                (Path(place) / name).replace(folder / name)


@contextlib.contextmanager
def reading(path: Path, instead: str) -> Iterator[BinaryIO]:
    """An open file; where there is none, or the system refuses it, a sentence that ends in `instead`."""
    try:
        if not path.is_file():  # opening a pipe would wait for whoever writes to it
            wrong = "is no regular file; move it away, and" if os.path.lexists(path) else "does not exist;"
            raise UserError(f"{path} {wrong} {instead}")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}); make it readable, or {instead}") from None


def content_of(path: Path) -> bytes:
    """All of a file that others made; a sentence where it is none or the system refuses it."""
    with reading(path, "get it again, see data/README.md") as file:
        return file.read()


def text_of(path: Path, encoding: str) -> str:
    """The same as text, with lines ended by a line feed; UnicodeDecodeError where it is none."""
    return io.StringIO(content_of(path).decode(encoding), newline=None).read()


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without hidden files, which are never data; nothing where there is no folder."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror}); make it readable, or name another one") from None


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise UserError(f"{folder} cannot be written to ({os.strerror(error.errno)}); name another folder") from None


@contextlib.contextmanager
def alone_in_results() -> Iterator[None]:
    """Until the block ends no other process reads and writes results here: two steps may run side by side."""
    lock = FileLock(results_dir() / LOCK, is_singleton=True)
    with _writable(results_dir()):
        results_dir().mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def write_text(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def digest(tensors: dict[str, torch.Tensor]) -> str:
    """sha256 of names, dtypes, shapes and bytes: the content, whatever file it stands in."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()


def key_of(settings: dict | None) -> str:
    """sha256 of plain data: equal settings, equal key."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict) -> None:
    """Safetensors with JSON metadata; digests of both are added, so that damage is seen when they are read.

    What stands under several names, as tied weights do, is stored once; the digest is that of all names.
    """
    tensors, shared = _once(tensors)
    metadata = {**metadata, "sha256": digest(_under_all_names(tensors, shared)), **({SHARED: shared} if shared else {})}
    metadata["metadata_sha256"] = key_of(metadata)
    with atomic(path) as temporary:
        try:
            save_file(tensors, temporary, {name: json.dumps(value) for name, value in metadata.items()})
        except SafetensorError as error:
            # safetensors wraps the operating system's words; a full disk must still be known as one.
            raise OSError(str(error)) from error


def _once(tensors: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors on the CPU, none in another one's memory, and which further names stand for which of them."""
    stored: dict[str, torch.Tensor] = {}
    shared: dict[str, str] = {}
    names: dict[tuple, str] = {}
    memories = set()
    for name, tensor in tensors.items():
        view = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.numel() and view in names:
            shared[name] = names[view]
            continue
        names[view] = name
        value = tensor.detach().cpu().contiguous()
        memory = value.untyped_storage().data_ptr()
        stored[name] = value.clone() if memory in memories else value
        memories.add(memory)
    return stored, shared


def _under_all_names(stored: dict[str, torch.Tensor], shared: dict[str, str]) -> dict[str, torch.Tensor]:
    return stored | {name: stored[first] for name, first in shared.items()}


def read_metadata(path: Path) -> dict:
    """The metadata of a file of `save_tensors`, without its tensors."""
    with _opened(path) as file:
        return _metadata(path, file)[0]


def load_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and metadata of a file of `save_tensors`; a truncated or altered file is refused."""
    with _opened(path) as file:
        metadata, shared = _metadata(path, file)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    if not isinstance(shared, dict) or not all(isinstance(n, str) and n in tensors for n in shared.values()):
        raise _damaged(path)
    tensors = _under_all_names(tensors, shared)
    if digest(tensors) != metadata["sha256"]:
        raise _damaged(path)
    return tensors, metadata


@contextlib.contextmanager
def _opened(path: Path) -> Iterator:
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError:
        raise _damaged(path) from None


def _metadata(path: Path, file) -> tuple[dict, dict[str, str]]:
    """What the file says, and which names stand for which of its tensors."""
    texts = file.metadata() or {}
    if "sha256" not in texts:
        raise UserError(f"{path} was not written by this project; give a file that one of its scripts wrote")
    try:
        metadata = {name: json.loads(text) for name, text in texts.items()}
    except json.JSONDecodeError:
        raise _damaged(path) from None
    if metadata.pop("metadata_sha256", None) != key_of(metadata):
        raise _damaged(path)
    return metadata, metadata.pop(SHARED, {})


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is damaged or truncated; delete it and run the script that wrote it again")
