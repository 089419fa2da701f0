"""Statements that are signed and timestamped: JSON with one spelling only, and digests of files."""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from fingerprinting.core.errors import UserError
from fingerprinting.core.foreign_text import visible

MOST = 4_000_000  # bytes of a statement
SHOWN = 60  # characters of foreign text in a sentence


def written(statement: dict) -> bytes:
    """The one spelling of a statement: sorted keys, ASCII, no number that JSON does not have."""
    return (json.dumps(statement, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def read(content: bytes, name: str) -> dict:
    """A statement; one of another spelling, which could mean two things, is refused."""
    found = parsed(content, name)
    try:
        same = written(found) == content
    except (ValueError, RecursionError):
        same = False
    if not same:
        raise damaged(name)
    return found


def parsed(content: bytes, name: str) -> dict:
    """A JSON object from outside, however it is spelt."""
    if len(content) > MOST:
        raise UserError(f"{name} has {len(content)} bytes, far too many; get it again from whoever made it")
    try:
        found = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):  # no JSON, no UTF-8, a number of too many digits, brackets without end
        found = None
    if not isinstance(found, dict):
        raise damaged(name)
    return found


def damaged(name: str) -> UserError:
    return UserError(f"{name} is damaged or was altered; get it again from whoever made it")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """sha256 of those of the files that are there."""
    return {name: sha256((folder / name).read_bytes()) for name in names if (folder / name).is_file()}


def changed(folder: Path, statement: dict) -> list[str]:
    """Those of the files named in a statement that are no longer what it says of them."""
    there = digests(folder, statement["files"])
    return [name for name, digest in statement["files"].items() if there.get(name) != digest]


def shown(text: object) -> str:
    """Foreign text as a sentence may hold it: all of it seen, and not long."""
    return visible(str(text)[:SHOWN])


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def time_of(text: str) -> datetime:
    """UTC as statements and journals write it; ValueError where it is none."""
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if found.utcoffset() is None:
        raise ValueError(text)
    return found.astimezone(timezone.utc)


def is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and time_of(value) is not None
    except (ValueError, OverflowError):
        return False
