"""report.html: a verdict on one page, for people who were not there and know no statistics.

It says the same whenever it is written from the same responses, so that the digest of a closed case holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fingerprinting.asking import journal
from fingerprinting.asking.journal import Journal
from fingerprinting.calibrated import stopping, verdicts
from fingerprinting.calibrated.contents import CalibratedFingerprint
from fingerprinting.calibrated.verdicts import INCONCLUSIVE, INDEPENDENT, STOLEN
from fingerprinting.core import storage
from fingerprinting.judging import case, commitment
from fingerprinting.judging.closing import REPORT
from fingerprinting.judging.queries import Places
from fingerprinting.judging.verdict import Passed
from fingerprinting.reports.figures.position import Group, drawn
from fingerprinting.reports.html import asked, examples, numbers, plain_words
from fingerprinting.reports.html.rendering import data_uri, rendered
from fingerprinting.study.study import Study

LARGEST = 1_000_000  # bytes of a page, which is sent by mail
SIGNS = {STOLEN: "⚑", INDEPENDENT: "✓", INCONCLUSIVE: "?"}


@dataclass(frozen=True)
class Picture:
    """source: the address that holds it. said: what it shows, for who cannot see it."""

    title: str
    source: str
    said: str


def judge(study: Study, **constants) -> str:
    """What judge.py does: case.judge, whose constants these are, with the page."""
    return case.judge(study, report=write, **constants)


def write(study: Study, passed: Passed) -> None:
    """The page beside verdict.json, with as many examples as there is room for."""
    path = passed.folder / REPORT
    for count in (examples.COUNT, examples.COUNT // 4, 0):
        text = page(study, passed, count)
        if len(text.encode()) <= LARGEST:
            break
    storage.write_text(path, text)
    print(f"to read and to print: {path}")


def page(study: Study, passed: Passed, count: int = examples.COUNT) -> str:
    """All of it as HTML, with so many examples."""
    found, kept = passed.found, _journal(passed)
    committed = asked.fixed_before(passed.folder)
    return rendered(
        "verdict.html",
        found=found,
        sign=SIGNS[found["outcome"]],
        sentence=plain_words.sentence(found),
        cautions=[*filter(None, [found.get("scope")]), *found["warnings"], *found.get("findings", ())],
        pictures=_pictures(passed),
        rows=numbers.numbers(passed),
        examples=examples.examples(study, passed, kept.responses if kept else {}, count),
        asked=asked.by_journal(passed, kept) if kept and "suspect" in found else asked.by_hand(passed, kept),
        committed=committed,
        limits=plain_words.limits(passed, kept=bool(kept), committed=bool(committed)),
    )


def _journal(passed: Passed) -> Journal | None:
    """That of this verdict; responses from a file have one in a case alone."""
    kept = "suspect" in passed.found or commitment.is_there(passed.folder)
    return journal.read(passed.folder / journal.NAME) if kept else None


def _pictures(passed: Passed) -> list[Picture]:
    """The suspect among models whose origin is known: by its evidence, and by its control accuracy."""
    found, other_task = passed.found, passed.levels.other_task
    held = CalibratedFingerprint.of(passed.fingerprint)
    independent, stolen = _compared_with(passed)
    known = None if found.get("either_way") else found["evidence"]
    groups = [
        Group(f"independent\n(n = {len(independent)})", independent, "independent"),
        Group(f"stolen\n(n = {len(stolen)})", stolen, "stolen"),
    ]
    shown = [_picture("Evidence of stealing", groups, known, numbers.axis(passed), None)]
    if not other_task:
        accuracy, span = held.controls.accuracy.numpy(), tuple(found["control_accuracy_range"])
        group = Group(f"independent\n(n = {len(accuracy)})", accuracy, "independent")
        own = found["control_accuracy"]
        shown.append(_picture("Control accuracy", [group], own, "share of control queries that are right", span))
    return shown


def _picture(
    title: str, groups: Sequence[Group], suspect: float | None, axis: str, span: tuple[float, float] | None
) -> Picture:
    return Picture(title, data_uri(drawn(groups, suspect, axis, span), "svg"), _in_words(groups, suspect, span))


def _in_words(groups: Sequence[Group], suspect: float | None, span: tuple[float, float] | None) -> str:
    said = ["nothing is known of the suspect" if suspect is None else f"the suspect at {suspect:.2f}"]
    for group in groups:
        if len(group.values):
            least, most = float(min(group.values)), float(max(group.values))
            said.append(f"{len(group.values)} {group.kind} models from {least:.2f} to {most:.2f}")
    if span:
        said.append(f"shaded, where verdicts are passed: {span[0]:.2f} to {span[1]:.2f}")
    return "; ".join(said)


def _compared_with(passed: Passed) -> tuple[np.ndarray, np.ndarray]:
    """The evidence of independent and of stolen models, on the queries that the suspect responded to."""
    fingerprint, levels, count = passed.fingerprint, passed.levels, passed.found["queries"]
    start = Places.of(fingerprint, levels.early).queries.start
    labels = passed.labels[start : start + count]
    if count < len(fingerprint):
        fingerprint = stopping.first(fingerprint, count)
    if CalibratedFingerprint.of(fingerprint).of_twins and not levels.other_task:
        fingerprint, _ = verdicts.answered(fingerprint, labels)
    known = CalibratedFingerprint.of(fingerprint).calibration(other_task=levels.other_task)
    return known.independent, known.stolen
