"""The journal of an asking, responses.jsonl: what a suspect said to each query, on disk before the next one is sent.

Its first line says of what it is the journal; then comes a line for each query that was asked. Whoever asks again goes
on behind the last of them, and sends no query whose response stands there, but for those that are marked as repeats.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from fingerprinting.asking.respondent import LONGEST, Response
from fingerprinting.core import storage
from fingerprinting.core.errors import UserError

FORMAT = 1
NAME = "responses.jsonl"
LARGEST = 1_000_000_000  # bytes; one line is a few kilobytes at most


@dataclass(frozen=True)
class About:
    """Of what a journal is: the fingerprint, queries.npy, who was asked, and in which encoding."""

    fingerprint_sha256: str
    queries_sha256: str
    suspect: str
    encoding: str
    started: str = ""  # UTC, ISO 8601


@dataclass(frozen=True)
class Entry:
    """A line: the response to the query at that place in the queries' order, from 0."""

    index: int
    label: int | None
    raw: str
    attempts: int
    seconds: float
    time: str  # UTC, ISO 8601
    repeat: bool


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


class Journal:
    """What stands in a journal's file, and the only way to add to it; without a path, one that nobody keeps."""

    def __init__(self, path: Path | None, about: About, entries: list[Entry]) -> None:
        self.path, self.about, self.entries = path, about, entries

    @property
    def responses(self) -> dict[int, Entry]:
        """Index -> the first response to that query, repeats left out."""
        return {entry.index: entry for entry in self.entries if not entry.repeat}

    @property
    def repeats(self) -> dict[int, Entry]:
        return {entry.index: entry for entry in self.entries if entry.repeat}

    def append(self, indices: Sequence[int], responses: Sequence[Response], *, repeat: bool = False) -> None:
        """All of them at once, on the disk when this returns."""
        time = now()
        new = [
            Entry(index, said.label, said.raw[:LONGEST], said.attempts, round(said.seconds, 6), time, repeat)
            for index, said in zip(indices, responses, strict=True)
        ]
        if self.path:
            _write(self.path, [asdict(entry) for entry in new])
        self.entries += new


@contextlib.contextmanager
def opened(path: Path, about: About) -> Iterator[Journal]:
    """The journal at path to go on with, or a new one; nobody else writes to it until the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{path} is being written by another process; wait for it, or end it") from None
    try:
        yield _opened(path, about)
    finally:
        lock.release()


def _opened(path: Path, about: About) -> Journal:
    there = read(path) if path.exists() else None
    if there is None:
        about = About(**{**asdict(about), "started": now()})
        path.unlink(missing_ok=True)
        _write(path, [{"format": FORMAT, **asdict(about)}])
        _sync_folder(path.parent)
        return Journal(path, about, [])
    _check_same(path, there.about, about)
    os.truncate(path, _whole(path.read_bytes()))
    return there


def _check_same(path: Path, there: About, asked: About) -> None:
    if there.suspect != asked.suspect:
        raise UserError(
            f"{path} holds the responses of {there.suspect}; give QUERIES=another folder for {asked.suspect}"
        )
    if there.encoding != asked.encoding:
        raise UserError(f"{path} was asked with ENCODING={there.encoding}; give the same, or QUERIES=another folder")
    if (there.fingerprint_sha256, there.queries_sha256) != (asked.fingerprint_sha256, asked.queries_sha256):
        raise UserError(f"{path} holds responses to other queries than are there now; give QUERIES=another folder")


def _write(path: Path, lines: list[dict]) -> None:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    with path.open("ab") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """So that a new file's name survives a power cut too; where folders cannot be opened, it need not be done."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _whole(content: bytes) -> int:
    """The length of its whole lines: what a power cut tore off is no line."""
    return content.rfind(b"\n") + 1


def read(path: Path) -> Journal | None:
    """What stands in a journal, a torn last line left out; None where not even the first line was finished."""
    with storage.reading(path, "give the folder of the queries that were asked") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise UserError(f"{path} has more than {LARGEST} bytes, far too many for a journal; give another file")
    first, *lines = content[: _whole(content)].split(b"\n")[:-1] or [b""]
    if not first and not lines:
        return None
    about = _header(path, first)
    entries = [_entry(path, number, line) for number, line in enumerate(lines, 2)]
    _check_once(path, entries)
    return Journal(path, about, entries)


def _loaded(line: bytes) -> dict:
    try:
        found = json.loads(line.decode())
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _header(path: Path, line: bytes) -> About:
    found = _loaded(line)
    if found.get("format") != FORMAT or not all(isinstance(found.get(name), str) for name in About.__annotations__):
        raise UserError(f"{path} does not begin as a journal of this project does; move it away, and ask again")
    return About(**{name: found[name] for name in About.__annotations__})


def _entry(path: Path, number: int, line: bytes) -> Entry:
    found = _loaded(line)
    index, label, raw, attempts = (found.get(name) for name in ("index", "label", "raw", "attempts"))
    seconds, time, repeat = (found.get(name) for name in ("seconds", "time", "repeat"))
    counted = all(type(value) is int and value >= 0 for value in (index, attempts))
    named = "label" in found and (label is None or type(label) is int and label >= 0)
    timed = type(seconds) in (int, float) and isinstance(time, str)
    if not (counted and named and timed and isinstance(raw, str) and isinstance(repeat, bool)):
        raise UserError(f"line {number} of {path} is damaged; restore the file, or move it away and ask again")
    return Entry(**{name: found[name] for name in Entry.__annotations__})


def _check_once(path: Path, entries: list[Entry]) -> None:
    seen = set()
    for number, entry in enumerate(entries, 2):
        if (entry.index, entry.repeat) in seen:
            raise UserError(f"line {number} of {path} is the second of query {entry.index}; restore the file")
        seen.add((entry.index, entry.repeat))
