"""How the suspect was asked, and what was fixed before: rows of a table, from the journal and the commitment."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from fingerprinting.asking.classes import Classes
from fingerprinting.asking.journal import Journal
from fingerprinting.calibrated.contents import CalibratedFingerprint
from fingerprinting.core.errors import UserError
from fingerprinting.judging import commitment, signature, statements, timestamp
from fingerprinting.judging.commitment import COMMITMENT
from fingerprinting.judging.verdict import Passed

Row = tuple[str, str]
LEAST = 0.001  # seconds below it are not told apart


def by_hand(passed: Passed, kept: Journal | None) -> list[Row]:
    """kept: the journal of a case, which has when each response was read."""
    times = sorted(entry.time for entry in kept.entries) if kept else []
    read = dict.fromkeys(map(_time, (times[0], times[-1]))) if times else {}
    return [
        ("by whom", "by hand, or by another program: the responses were read from a file"),
        *([("when they were read", " to ".join(read))] if read else []),
        ("queries", _queries(passed)),
        ("refusals and queries without a class", str(passed.found.get("unanswered", 0))),
    ]


def by_journal(passed: Passed, kept: Journal) -> list[Row]:
    """What the journal says: whom, when, how often, with which success."""
    about, entries, repeats = kept.about, kept.entries, kept.repeats
    attempts = [entry.attempts for entry in entries]
    retried = sum(count > 1 for count in attempts)
    seconds = sorted(entry.seconds for entry in entries)
    median, most = _seconds(seconds[len(seconds) // 2]), _seconds(seconds[-1])
    return [
        ("suspect", about.suspect),
        ("encoding", _encoding(passed, about.encoding)),
        *([("its classes", _mapped(passed.meant))] if passed.meant.mapped else []),
        ("queries", _queries(passed)),
        ("begun", _time(about.started)),
        ("last response", _time(max(entry.time for entry in entries))),
        ("queries sent", f"{len(entries)}, repeats among them"),
        ("attempts", f"{sum(attempts)} in all, at most {max(attempts)} for one query; queries retried: {retried}"),
        (
            "time to a response",
            f"median {median}, longest {most}",
        ),
        ("refusals and responses without a class", str(passed.found.get("unanswered", 0))),
        ("repeats", f"{len(repeats)}; another class than the first time: {_changed(passed.meant, kept)}"),
    ]


def _encoding(passed: Passed, name: str) -> str:
    changed = passed.found["suspect"].get("source_labels_changed")
    if changed is None:
        return f"{name}; whether it changes the source's own labels is not known"
    return f"{name}, which changes {changed} of the source's own labels"


def _mapped(meant: Classes) -> str:
    """The owner's map, which is a choice of the owner's: as it is."""
    assert meant.names is not None
    return ", ".join(f"{said} is {meant.names[place]}" for said, place in meant.mapped)


def _queries(passed: Passed) -> str:
    controls = CalibratedFingerprint.of(passed.fingerprint).controls
    said = f"{passed.found['queries']} of {len(passed.fingerprint)}, and {len(controls)} control queries"
    if looks := passed.found.get("looks"):
        said += f"; looked at after {', '.join(map(str, looks))} queries, and stopped as soon as it was flagged"
    return said


def _changed(meant: Classes, kept: Journal) -> int:
    first = kept.responses
    return sum(meant.label(entry.raw) != meant.label(first[index].raw) for index, entry in kept.repeats.items())


def _time(iso: str) -> str:
    return f"{statements.time_of(iso):%Y-%m-%d %H:%M:%S} UTC"


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= LEAST else f"below {LEAST} s"


def fixed_before(folder: Path) -> list[Row]:
    """What the commitment in the folder says, and by whom and when; empty where there is none."""
    path = folder / COMMITMENT
    if not path.is_file():
        return []
    content = path.read_bytes()
    found = commitment.read(content, str(path))
    code = found["code"]
    return [
        ("sha256 of commitment.json", hashlib.sha256(content).hexdigest()),
        ("made, by the clock of the machine", _time(found["made"])),
        ("signed by", _or_not(lambda: signature.key_of(path), signature.beside(path), "nobody")),
        (
            "timestamped",
            _or_not(lambda: f"{timestamp.check(path):%Y-%m-%d %H:%M:%S} UTC", timestamp.reply_to(path), "no"),
        ),
        ("sha256 of the fingerprint", found["fingerprint_sha256"]),
        ("sha256 of the source's weights", found["source"]["sha256"]),
        ("code", f"commit {code['commit'] or 'unknown'}{', changed since' if code['dirty'] else ''}"),
    ]


def _or_not(said: Callable[[], str], path: Path, otherwise: str) -> str:
    """A statement that stands beside another one; whether it holds is for verify_case.py to say."""
    if not path.is_file():
        return otherwise
    try:
        return said()
    except UserError as error:
        return str(error)
