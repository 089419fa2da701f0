"""A closed journal as somebody else handed it over: what a suspect said, in the committed order, and when."""

import json
import math
from dataclasses import dataclass
from datetime import datetime

from fingerprinting.core.runtime import UserError
from fingerprinting.judging import statements
from fingerprinting.judging.commitment import JOURNAL, is_time, time_of

FORMAT = 1
LONGEST = 2_000  # characters of what a suspect said
MOST_LABELS = 2**63  # of another task, whose labels may be any numbers


@dataclass(frozen=True)
class Transcript:
    """labels: of each query in the committed order; None where no class was named, or nothing came.

    asked: requests for a response, repeats among them. first, last: when responses came.
    """

    suspect: str
    fingerprint_sha256: str
    queries_sha256: str
    labels: list[int | None]
    asked: int
    repeats: int
    first: datetime
    last: datetime


def read(content: bytes, queries: int, classes: int | None) -> Transcript:
    """A journal of so many queries; classes: how many there are, None where the suspect's are others.

    Refused: a torn line, an order other than that of the queries, a query with two responses, times that run back.
    """
    lines = _lines(content, queries)
    header, entries = lines[0], lines[1:]
    if not _is_header(header):
        raise statements.damaged(JOURNAL)
    labels: list[int | None] = [None] * queries
    before, there, repeats = time_of(header["started"]), -1, 0
    for number, entry in enumerate(entries, 2):
        if not _is_entry(entry, queries, classes):
            raise UserError(f"line {number} of {JOURNAL} is no response to a query; get the case again")
        index, time = entry["index"], time_of(entry["time"])
        if time < before:
            raise UserError(f"line {number} of {JOURNAL} is of an earlier time than the line before it")
        before = time
        if entry["repeat"]:
            repeats += 1
        elif index <= there:
            raise UserError(f"line {number} of {JOURNAL} is out of the order of queries that was committed to")
        else:
            there, labels[index] = index, entry["label"]
    return Transcript(
        suspect=header["suspect"],
        fingerprint_sha256=header["fingerprint_sha256"],
        queries_sha256=header["queries_sha256"],
        labels=labels,
        asked=sum(entry["attempts"] for entry in entries),
        repeats=repeats,
        first=time_of(entries[0]["time"]),
        last=before,
    )


def _lines(content: bytes, queries: int) -> list[dict]:
    """The header, and a line for each response; repeats may be as many as the queries."""
    if len(content) > (most := (2 * queries + 1) * (12 * LONGEST + 1_000)):
        raise UserError(f"{JOURNAL} has {len(content)} bytes; {queries} queries have {most} at most")
    if not content.endswith(b"\n"):
        raise UserError(f"{JOURNAL} ends in a torn line; a closed journal has none")
    try:
        lines = [json.loads(line, parse_constant=_refused) for line in content.decode("utf-8").split("\n")[:-1]]
    except (ValueError, RecursionError):
        raise statements.damaged(JOURNAL) from None
    if not 1 < len(lines) <= 2 * queries + 1 or not all(isinstance(line, dict) for line in lines):
        raise UserError(f"{JOURNAL} holds no responses, or more than there are queries; get the case again")
    return lines


def _refused(word: str) -> float:
    raise ValueError(word)


def _is_header(line: dict) -> bool:
    texts = ("fingerprint_sha256", "queries_sha256", "suspect")
    return (
        line.get("format") == FORMAT
        and is_time(line.get("started"))
        and all(isinstance(line.get(name), str) for name in texts)
    )


def _is_entry(line: dict, queries: int, classes: int | None) -> bool:
    label, raw, attempts, seconds = (line.get(name) for name in ("label", "raw", "attempts", "seconds"))
    return (
        _is_whole(line.get("index"), 0, queries)
        and (label is None or _is_whole(label, 0, MOST_LABELS if classes is None else classes))
        and (isinstance(raw, str) and len(raw) <= LONGEST)
        and _is_whole(attempts, 0, MOST_LABELS)
        and _is_duration(seconds)
        and isinstance(line.get("repeat"), bool)
        and is_time(line.get("time"))
    )


def _is_duration(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value) and value >= 0 or _is_whole(value, 0, MOST_LABELS)


def _is_whole(value: object, least: int, below: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < below
