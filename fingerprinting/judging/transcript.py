"""A closed journal that somebody else handed over: responses in the committed order, and when they came."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fingerprinting.asking import journal
from fingerprinting.asking.journal import Journal
from fingerprinting.asking.respondent import LONGEST
from fingerprinting.core.errors import UserError
from fingerprinting.judging import statements
from fingerprinting.judging.statements import is_time, time_of

MOST_ATTEMPTS = 1_000_000  # at one query


@dataclass(frozen=True)
class Transcript:
    """first, last: when the first and the last response came, by the clock of whoever asked."""

    journal: Journal
    first: datetime
    last: datetime


def read(path: Path, queries: int) -> Transcript:
    """The journal of so many queries.

    Refused: a torn line, an order other than that of the queries, a query with two responses, times that run back.
    """
    name, found = path.name, _read(path)
    if not (found.entries and is_time(found.about.started)):
        raise UserError(f"{name} holds no responses, or does not say when they began; get the case again")
    before, there = time_of(found.about.started), -1
    for number, entry in enumerate(found.entries, 2):
        usual = entry.index < queries and len(entry.raw) <= LONGEST and entry.attempts <= MOST_ATTEMPTS
        if not (usual and is_time(entry.time)):
            raise UserError(f"line {number} of {name} is no response to a query; get the case again")
        time = time_of(entry.time)
        if time < before:
            raise UserError(f"line {number} of {name} is of an earlier time than the line before it")
        if not entry.repeat and entry.index <= there:
            raise UserError(f"line {number} of {name} is out of the order of queries that was committed to")
        before, there = time, there if entry.repeat else entry.index
    return Transcript(found, time_of(found.entries[0].time), before)


def _read(path: Path) -> Journal:
    if not path.read_bytes().endswith(b"\n"):
        raise UserError(f"{path.name} ends in a torn line; a closed journal has none")
    try:
        found = journal.read(path)
    except UserError as error:
        raise UserError(str(error).replace(f"{path.parent}/", "").split(";")[0] + "; get the case again") from None
    if found is None:
        raise statements.damaged(path.name)
    return found
