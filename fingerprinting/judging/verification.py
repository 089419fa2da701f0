"""Verify a case that somebody else made: every digest, the order of events, and the verdict, passed once more.

Nothing of the owner's is needed: no weights, no data, none of its machines. Signer and authority have to be known from
elsewhere, for one inside the case would prove nothing.
"""

import math
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from fingerprinting.asking import classes
from fingerprinting.asking.classes import Classes
from fingerprinting.asking.journal import Journal
from fingerprinting.calibrated import verdicts
from fingerprinting.calibrated.contents import CONTRIBUTIONS, CalibratedFingerprint, TwinsCalibration
from fingerprinting.core.errors import UserError
from fingerprinting.core.foreign_text import in_markdown
from fingerprinting.core.markdown import markdown_table
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import (
    arrays,
    bundle,
    closing,
    commitment,
    judge,
    queries,
    signature,
    statements,
    suspect,
    timestamp,
    transcript,
)
from fingerprinting.judging.closing import CLOSING, VERDICT
from fingerprinting.judging.commitment import COMMITMENT, FINGERPRINT, JOURNAL, MAP, QUERIES, Rules
from fingerprinting.judging.page import page as page_of_verdict
from fingerprinting.judging.signature import Signer
from fingerprinting.judging.transcript import Transcript
from fingerprinting.judging.verdict import Levels

ARRAY, ABOUT, _ = QUERIES
IN_WORDS = ("why",)  # of a verdict
CLOSE = {"rel_tol": 1e-6, "abs_tol": 1e-9}  # of numbers computed on two machines
NOT_EXCLUDED = (
    "that the suspect was asked in secret before, and the queries chosen by what it said",
    "that several commitments were made side by side, and the one shown that came out best",
    "that responses were invented, or came from another model: ask the suspect some queries again",
    "that models were not trained as it says: have them shown, and compare their digests",
)


@dataclass(frozen=True)
class Case:
    """What a case says, once all of it was found to hold together."""

    committed: dict
    closed: dict
    transcript: Transcript
    verdict: dict
    fixed: str


@dataclass(frozen=True)
class Outside:
    """What was verified by signer and authority from outside; None where they were not given."""

    signer: Signer | None
    committed: datetime | None
    closed: datetime | None


def verify(*, case: str, signer: str, tsa_ca: str) -> None:
    """Print who fixed what and when, and the verdict; UserError where anything does not hold."""
    path = Path(case).expanduser()
    members = bundle.read(path)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, content in members.items():
            (folder / name).write_bytes(content)
        found = held_together(folder)
        print("\n".join(page(path, found, _outside(folder, found, signer, tsa_ca))))


def held_together(folder: Path) -> Case:
    """A case whose files lie in a folder, if every digest is right and its verdict follows from its journal."""
    committed = commitment.read((folder / COMMITMENT).read_bytes())
    closed = closing.read((folder / CLOSING).read_bytes())
    for statement, name in ((committed, COMMITMENT), (closed, CLOSING)):
        _check_files(folder, statement, name)
    fingerprint = _fingerprint(folder, committed)
    held, rules = CalibratedFingerprint.of(fingerprint), Rules(**committed["rules"])
    names = _check_queries(folder, fingerprint, held, committed)
    meant = _meant(folder, rules, names, {*committed["files"], *closed["files"]})
    said = transcript.read(folder / JOURNAL, len(fingerprint) + len(held.controls))
    if said.journal.about.fingerprint_sha256 != committed["fingerprint_sha256"]:
        raise UserError(f"{JOURNAL} is about another fingerprint than {COMMITMENT}")
    if said.journal.about.queries_sha256 != committed["files"][ARRAY]:
        raise UserError(f"{JOURNAL} is about other queries than {COMMITMENT}")
    if committed["encoding"] not in ("", said.journal.about.encoding):
        raise UserError(f"{JOURNAL} was asked with another ENCODING than {COMMITMENT} fixed")
    if statements.time_of(committed["made"]) > said.first + timestamp.TICK:
        raise UserError(f"{JOURNAL} begins before {COMMITMENT} was made")
    if statements.time_of(closed["closed"]) + timestamp.TICK < said.last:
        raise UserError(f"{JOURNAL} goes on after {CLOSING} was made")
    levels = rules.levels(committed["limit"], committed["scope"])
    found = passed(fingerprint, said.journal, levels, rules.budget, meant, committed["study"])
    _check_verdict(folder, found, committed)
    found["warnings"] = judge.warnings_of(committed["tier"], fingerprint, rules.other_task, rules.alpha)
    odd = suspect.findings_of(fingerprint, said.journal, levels, meant, folder)
    found["findings"] = [one.replace(f"{folder}/", "") for one in odd]
    return Case(committed, closed, said, found, _fixed(fingerprint, held, committed))


def _meant(folder: Path, rules: Rules, names: tuple[str, ...], covered: set[str]) -> Classes:
    if rules.other_task:
        return Classes(None)
    if MAP not in covered:
        return Classes(names)
    try:
        return Classes(names, classes.read_map(folder / MAP, names))
    except UserError:
        raise statements.damaged(MAP) from None


def passed(fingerprint: Fingerprint, journal: Journal, levels: Levels, budget: int, meant: Classes, study: str) -> dict:
    """The verdict on what a journal holds, by the code of all verdicts, with what makes it weaker than it looks."""
    count = suspect.planned(fingerprint, levels, budget)
    with np.errstate(all="ignore"):  # of numbers that a forger chose
        return suspect.passed_on(study, fingerprint, journal, count, levels, meant)[0]


def _fixed(fingerprint: Fingerprint, held: CalibratedFingerprint, committed: dict) -> str:
    rules = Rules(**committed["rules"])
    encoding = committed["encoding"] or "the suspect's usual one"
    known = held.calibration(other_task=rules.other_task)
    beside = f"of {len(known.twins)} twins" if isinstance(known, TwinsCalibration) else "the weights of the score"
    return (
        f"{len(fingerprint)} queries and {len(held.controls)} control queries, their order and truth, the responses of "
        f"the source and {beside}, the scores of {known.ranked} calibration models, "
        + ", ".join(f"{name.upper()}={value}" for name, value in {**vars(rules), "encoding": encoding}.items())
    )


def _check_files(folder: Path, statement: dict, name: str) -> None:
    if changed := statements.changed(folder, statement):
        raise UserError(f"{', '.join(changed)} of the case is not what {name} says; get the case again")


def _fingerprint(folder: Path, committed: dict) -> Fingerprint:
    """The fingerprint of the case, after its arrays were found usable and equal to what was committed to."""
    try:
        found = store.read(folder / FINGERPRINT)
        said = commitment.about(found)
        count = found.metadata["classes"]
    except (UserError, ValueError, TypeError, KeyError, AttributeError, RecursionError, RuntimeError):
        raise statements.damaged(FINGERPRINT) from None
    if any(committed[name] != value for name, value in said.items()):
        raise UserError(f"{FINGERPRINT} is not what {COMMITMENT} says of it")
    if committed["source"]["sha256"] != found.metadata.get("source_sha256"):
        raise UserError(f"{FINGERPRINT} is of another source model than {COMMITMENT}")
    if type(count) is not int:
        raise statements.damaged(FINGERPRINT)
    arrays.check(found, count, FINGERPRINT)
    return found


def _check_queries(
    folder: Path, fingerprint: Fingerprint, held: CalibratedFingerprint, committed: dict
) -> tuple[str, ...]:
    """That the queries are the fingerprint's, and the control queries, in the order of the rules; the classes."""
    about = statements.parsed((folder / ABOUT).read_bytes(), ABOUT)
    rules, names = Rules(**committed["rules"]), about.get("classes")
    if not arrays.is_saved((folder / ARRAY).read_bytes(), queries.inputs_of(fingerprint, rules.early).numpy()):
        raise UserError(f"{ARRAY} does not hold the queries of {FINGERPRINT} in their order")
    same = (about.get("study"), about.get("fingerprint_sha256"), about.get("early"))
    if same != (committed["study"], committed["fingerprint_sha256"], rules.early):
        raise UserError(f"{ABOUT} is about another fingerprint, or another order, than {COMMITMENT}")
    if not (isinstance(names, list) and len(names) == fingerprint.metadata["classes"]):
        raise statements.damaged(ABOUT)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise statements.damaged(ABOUT)
    _check_rules(rules, fingerprint, held)
    return tuple(names)


def _check_rules(rules: Rules, fingerprint: Fingerprint, held: CalibratedFingerprint) -> None:
    verdicts.check_rates(rules.alpha, rules.beta, rules.tail)
    held.calibration(other_task=rules.other_task)
    if rules.early and (rules.other_task or CONTRIBUTIONS not in fingerprint.extra):
        raise UserError(f"{COMMITMENT} says EARLY=True of a fingerprint that passes no verdict before all responses")


def _check_verdict(folder: Path, found: dict, committed: dict) -> None:
    """Its words may be those of another version; all else must follow from the journal."""
    said = statements.parsed((folder / VERDICT).read_bytes(), VERDICT)
    names = [name for name in found if name not in IN_WORDS]
    if other := [name for name in names if name not in said or not _is_same(said[name], found[name])]:
        code = statements.shown(committed["code"].get("commit"))
        raise UserError(
            f"{VERDICT} says another {other[0]} than {JOURNAL} gives here; its code was that of commit {code}"
        )


def _is_same(said: object, found: object) -> bool:
    """Numbers may differ in their last digits, which another machine computes otherwise."""
    if isinstance(found, list):
        return isinstance(said, list) and len(said) == len(found) and all(map(_is_same, said, found))
    if isinstance(found, float):
        return isinstance(said, float) and math.isclose(said, found, **CLOSE)
    return type(said) is type(found) and said == found


def _outside(folder: Path, found: Case, signer: str, tsa_ca: str) -> Outside:
    who, committed, closed = None, None, None
    paths = [folder / COMMITMENT, folder / CLOSING]
    if tsa_ca:
        _check_there([timestamp.reply_to(path) for path in paths], "timestamp", "TSA_CA=")
        committed, closed = (timestamp.verified(path, tsa_ca) for path in paths)
        check_order(found, committed, closed)
    if signer:
        _check_there([signature.beside(path) for path in paths], "signature", "SIGNER=")
        who, other = (
            signature.signer_of(path, signer, at) for path, at in zip(paths, (committed, closed), strict=True)
        )
        if who != other:
            raise UserError(f"{COMMITMENT} and {CLOSING} are signed by two: {who.name} and {other.name}")
    return Outside(who, committed, closed)


def check_order(found: Case, committed: datetime, closed: datetime) -> None:
    """committed, closed: when the commitment and the closing were there, as an authority says."""
    if committed > found.transcript.first + timestamp.TICK:
        raise UserError(f"{COMMITMENT} was timestamped after the first response, which proves no order of them")
    if closed + timestamp.TICK < found.transcript.last:
        raise UserError(f"{CLOSING} was timestamped before the last response, which proves no order of them")


def _check_there(paths: list[Path], what: str, asked: str) -> None:
    if lacking := [path.name for path in paths if not path.is_file()]:
        raise UserError(f"the case has no {what} ({', '.join(lacking)}), which {asked} asks for")


def page(path: Path, found: Case, outside: Outside) -> list[str]:
    """Markdown: what was verified, by whom, when, what was fixed, the verdict, and what remains possible."""
    said, committed = found.transcript, found.committed
    code = committed["code"]
    asked, attempts = said.journal, sum(entry.attempts for entry in said.journal.entries)
    mapped = "fixed too" if MAP in committed["files"] else "which was not fixed" if MAP in found.closed["files"] else ""
    who, when = outside.signer, outside.committed and outside.closed
    unproved = " and ".join(filter(None, ["" if who else "who made it (SIGNER=)", "" if when else "when (TSA_CA=)"]))
    head = f"**{_cell(path.name)} holds together**: all digests are right, and its verdict is what its journal gives."
    if not (who or when):
        head = f"**Integrity only.** {head} It does not prove {unproved}."
    elif unproved:
        head += f" It does not prove {unproved}."
    rows = [
        ["who", f"{_cell(who.name)}, {who.key}" if who else "not verified"],
        [
            "fixed",
            f"{outside.committed:%Y-%m-%d %H:%M:%S} UTC" if when else f"not verified; it says {committed['made']}",
        ],
        [
            "closed",
            f"{outside.closed:%Y-%m-%d %H:%M:%S} UTC" if when else f"not verified; it says {found.closed['closed']}",
        ],
        ["responses, by its own clock", f"{said.first:%Y-%m-%d %H:%M:%S} to {said.last:%Y-%m-%d %H:%M:%S} UTC"],
        ["what was fixed", found.fixed],
        ["study", _cell(committed["study"])],
        ["source model", committed["source"]["sha256"]],
        ["code", f"commit {_cell(code.get('commit'))}{', changed since' if code.get('dirty') is not False else ''}"],
        ["commitment", statements.sha256(statements.written(committed))],
        ["suspect, as it was called", f"{_cell(asked.about.suspect)}, ENCODING={_cell(asked.about.encoding)}"],
        ["queries sent", f"{len(asked.entries)}, {len(asked.repeats)} of them repeats, in {attempts} attempts"],
        *([["classes", f"the suspect's are mapped by {MAP}, {mapped}"]] if mapped else []),
    ]
    return [
        *(head, "", *markdown_table(["", ""], rows), "", *page_of_verdict(found.verdict), ""),
        *("What this does not exclude:", *(f"- {one}" for one in NOT_EXCLUDED)),
    ]


def _cell(text: object) -> str:
    """What a case says of itself, which nobody vouches for."""
    return in_markdown(statements.shown(text))
