"""How the suspect was asked, and what was fixed before: rows of a table, from the journal and the commitment."""

import hashlib
from pathlib import Path

from fingerprinting.asking.journal import Journal
from fingerprinting.core.runtime import UserError
from fingerprinting.judging import commitment, signature, timestamp
from fingerprinting.judging.commitment import COMMITMENT
from fingerprinting.judging.verdict import Passed

Row = tuple[str, str]


def by_hand(passed: Passed) -> list[Row]:
    return [
        ("by whom", "by hand, or by another program: the responses were read from a file"),
        ("queries", _queries(passed)),
        ("refusals and queries without a class", str(passed.found.get("unanswered", 0))),
    ]


def by_journal(passed: Passed, kept: Journal) -> list[Row]:
    """What the journal says: whom, when, how often, with which success."""
    about, entries = kept.about, kept.entries
    first, repeats = kept.responses, kept.repeats
    tried = [entry.attempts for entry in entries]
    retried = sum(attempts > 1 for attempts in tried)
    differ = sum(entry.label != first[index].label for index, entry in repeats.items() if index in first)
    seconds = sorted(entry.seconds for entry in entries)
    last = max((entry.time for entry in entries), default=about.started)
    return [
        ("suspect", about.suspect),
        ("encoding", _encoding(passed, about.encoding)),
        ("queries", _queries(passed)),
        ("from", about.started),
        ("until", last),
        ("sent", f"{len(entries)} queries in {sum(tried)} attempts"),
        ("retried", f"{retried} queries, at most {max(tried, default=0)} attempts for one"),
        ("seconds for a response", f"{seconds[len(seconds) // 2]:.3g} in the middle, {seconds[-1]:.3g} at most"),
        ("refusals and responses without a class", str(passed.found.get("unanswered", 0))),
        ("repeats", f"{len(repeats)} queries were sent once more; {differ} of them got another class then"),
    ]


def _encoding(passed: Passed, name: str) -> str:
    changed = passed.found["suspect"].get("source_labels_changed")
    if changed is None:
        return f"{name}; whether it changes the source's own labels is not known"
    return f"{name}, which changes {changed} of the source's own labels"


def _queries(passed: Passed) -> str:
    controls = len(passed.fingerprint.extra["control_truth"])
    said = f"{passed.found['queries']} of {len(passed.fingerprint)}, and {controls} control queries"
    if looks := passed.found.get("looks"):
        said += f"; looked at after {', '.join(map(str, looks))} queries, and stopped as soon as it was flagged"
    return said


def fixed_before(folder: Path) -> list[Row]:
    """What the commitment in the folder says, and by whom and when; empty where there is none."""
    path = folder / COMMITMENT
    if not path.is_file():
        return []
    content = path.read_bytes()
    found = commitment.read(content, str(path))
    code = found["code"].get("commit")
    return [
        ("sha256 of commitment.json", hashlib.sha256(content).hexdigest()),
        ("made, by the clock of the machine", found["made"]),
        ("signed by", _or_not(lambda: signature.key_of(path), signature.beside(path), "nobody")),
        (
            "timestamped",
            _or_not(lambda: f"{timestamp.check(path):%Y-%m-%d %H:%M:%S} UTC", timestamp.reply_to(path), "no"),
        ),
        ("sha256 of the fingerprint", found["fingerprint_sha256"]),
        ("sha256 of the source's weights", found["source"].get("sha256", "not stated")),
        *([("code", str(code))] if code else []),
    ]


def _or_not(said, path: Path, otherwise: str) -> str:
    """A statement that stands beside another one; whether it holds is for verify_case.py to say."""
    if not path.is_file():
        return otherwise
    try:
        return said()
    except UserError as error:
        return str(error)
