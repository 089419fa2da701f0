"""What a suspect's file is, by its content and by its name: some are run, and some run code when they are opened."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fingerprinting.core.errors import UserError
from fingerprinting.study.transformers_classifier import CONFIG
from fingerprinting.study.weights import POINTER

ONNX, SAFETENSORS, TRANSFORMERS, TORCHSCRIPT, EXPORTED = "onnx", "safetensors", "transformers", "torchscript", "pt2"
TAIL = 1 << 20  # bytes at the end of an archive, in which it lists its files
SUFFIXES = {".onnx": ONNX, ".safetensors": SAFETENSORS, ".pt2": EXPORTED}
PICKLES = {".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".joblib", ".jit", ".ts"}  # or TorchScript
KERAS = {".h5", ".hdf5", ".keras"}
CLOSED = {  # what nobody opens here -> what it is called
    "pickle": "a pickle",
    "keras": "a model of Keras",
    "archive": "an archive of no known kind",
}
TRUSTED = {TORCHSCRIPT: "TorchScript", EXPORTED: "an exported program of torch"}


def is_transformers(address: str) -> bool:
    return (Path(address) / CONFIG).is_file()


def is_meant(address: str) -> bool:
    """Whether an address is that of a model's file or of a folder."""
    path = Path(address)
    return path.suffix.lower() in {*SUFFIXES, *PICKLES, *KERAS} or path.is_dir() or _known(path)


def format_of(path: Path, *, trust: bool) -> str:
    """ONNX, SAFETENSORS, TRANSFORMERS or, trusted, TORCHSCRIPT or EXPORTED; UserError for all else."""
    if path.is_dir():
        _check_links(path)
        return TRANSFORMERS if (path / CONFIG).is_file() else SAFETENSORS
    start, end = _ends(path)
    if start.startswith(POINTER):
        raise UserError(f"{path} is Git LFS's pointer to a model; run git lfs pull where it comes from")
    found = _by_content(start, end) or _by_name(path)
    if found in CLOSED:
        raise UserError(
            f"{path} is {CLOSED[found]}, which can run code when it is opened, and is not opened here; get the model "
            "as ONNX, or its weights as safetensors"
        )
    if found in TRUSTED and not trust:
        raise UserError(
            f"{path} is {TRUSTED[found]}, which can run code when it is opened; get the model as ONNX, or give "
            "TRUST=True if you trust whoever made it"
        )
    return found


@dataclass(frozen=True)
class Content:
    """What a file of a kind begins with, and what its end or its beginning holds besides."""

    begins: bytes
    is_so: Callable[[bytes], bool]  # of its beginning and end
    found: str


ZIP = b"PK\x03\x04"
CONTENTS = (  # the first that fits
    Content(ZIP, lambda both: b"constants.pkl" in both and b"/code/" in both, TORCHSCRIPT),
    Content(ZIP, lambda both: b"archive_format" in both or b"serialized_exported_program" in both, EXPORTED),
    Content(ZIP, lambda both: b"model.weights.h5" in both, "keras"),
    Content(ZIP, lambda both: b".pkl" in both, "pickle"),
    Content(ZIP, lambda _: True, "archive"),
    Content(b"\x89HDF\r\n\x1a\n", lambda _: True, "keras"),
    *(Content(b"\x80" + bytes([protocol]), lambda _: True, "pickle") for protocol in range(2, 6)),
)


def _check_links(folder: Path) -> None:
    """Nothing in a folder is to be a link out of it."""
    for path in folder.rglob("*"):
        try:
            inside = not path.is_symlink() or folder.resolve() in path.resolve(strict=True).parents
        except (OSError, RuntimeError):  # to nothing, or in a circle
            inside = False
        if not inside:
            raise UserError(f"{path} is a link out of its folder; copy the folder with what it links to (cp -rL)")


def _by_content(start: bytes, end: bytes) -> str:
    """What it is whatever its name; nothing where the content does not tell."""
    if _begins_safetensors(start):  # first: 80 04 is a pickle's beginning and a length of 1152 bytes
        return SAFETENSORS
    return next((one.found for one in CONTENTS if start.startswith(one.begins) and one.is_so(start + end)), "")


def _by_name(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in KERAS:
        return "keras"
    if suffix in PICKLES:
        return "pickle"
    if suffix not in SUFFIXES:
        raise UserError(f"{path} is of no kind that is known; give a model as ONNX, or its weights as safetensors")
    return SUFFIXES[suffix]


def _begins_safetensors(start: bytes) -> bool:
    """A length, and JSON that is so long."""
    return len(start) > 8 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 27


def _known(path: Path) -> bool:
    """Whether a file that is called something else is told by its content."""
    try:
        return path.is_file() and bool(_by_content(*_ends(path)))
    except UserError:
        return False


def _ends(path: Path) -> tuple[bytes, bytes]:
    """A file's beginning and its end."""
    try:
        if not path.is_file():
            raise UserError(f"{path} is no file" if path.exists() else f"{path} does not exist")
        with path.open("rb") as file:
            start = file.read(1024)
            file.seek(max(0, path.stat().st_size - TAIL))
            return start, file.read(TAIL)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); give a file that can") from None
