"""report.html: a verdict on one page, for people who were not there and know no statistics.

It says the same whenever it is written from the same responses, so that the digest of a closed case holds.
"""

from collections.abc import Sequence

import numpy as np

from fingerprinting.asking import journal
from fingerprinting.asking.journal import Journal
from fingerprinting.asking.respondent import UNANSWERED
from fingerprinting.calibrated import stopping, verdicts
from fingerprinting.calibrated.contents import CalibratedFingerprint
from fingerprinting.calibrated.verdicts import INCONCLUSIVE, INDEPENDENT, STOLEN
from fingerprinting.core import storage
from fingerprinting.judging.closing import REPORT
from fingerprinting.judging.queries import Places
from fingerprinting.judging.verdict import Passed
from fingerprinting.reports.figures.position import Group, drawn
from fingerprinting.reports.html import asked, examples, plain_words
from fingerprinting.reports.html.rendering import data_uri, rendered
from fingerprinting.study.study import Study

LARGEST = 1_000_000  # bytes of a page, which is sent by mail
SIGNS = {STOLEN: "⚑", INDEPENDENT: "✓", INCONCLUSIVE: "?"}


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
        study=study,
        found=found,
        sign=SIGNS[found["outcome"]],
        sentence=plain_words.sentence(found),
        cautions=[*found["warnings"], *found.get("findings", ())],
        pictures=_pictures(passed),
        rows=_numbers(passed),
        examples=examples.examples(study, passed, kept.responses if kept else {}, count),
        asked=asked.by_journal(passed, kept) if kept else asked.by_hand(passed),
        committed=committed,
        limits=plain_words.limits(passed, asked_here=kept is not None, committed=bool(committed)),
    )


def _journal(passed: Passed) -> Journal | None:
    return journal.read(passed.folder / journal.NAME) if "suspect" in passed.found else None


def _pictures(passed: Passed) -> list[dict]:
    """The suspect among models whose origin is known: by its evidence, and by its control accuracy."""
    found, other_task = passed.found, passed.levels.other_task
    held = CalibratedFingerprint.of(passed.fingerprint)
    independent, stolen = _compared_with(passed)
    known = None if found.get("either_way") else found["evidence"]
    groups = [
        Group(f"independent\n(n = {len(independent)})", independent, "independent"),
        Group(f"stolen\n(n = {len(stolen)})", stolen, "stolen"),
    ]
    axis = "agreement with the source, less that with its twins" if held.of_twins else "log-odds of having been stolen"
    shown = [_picture("Evidence of stealing", groups, known, axis, None)]
    if not other_task:
        accuracy, span = held.controls.accuracy.numpy(), tuple(found["control_accuracy_range"])
        group = Group(f"independent\n(n = {len(accuracy)})", accuracy, "independent")
        own = found["control_accuracy"]
        shown.append(_picture("Control accuracy", [group], own, "share of control queries that are right", span))
    return shown


def _picture(
    title: str, groups: Sequence[Group], suspect: float | None, axis: str, span: tuple[float, float] | None
) -> dict:
    return {
        "title": title,
        "source": data_uri(drawn(groups, suspect, axis, span), "svg"),
        "said": _in_words(groups, suspect, span),
        "axis": axis,
    }


def _in_words(groups: Sequence[Group], suspect: float | None, span: tuple[float, float] | None) -> str:
    """What a picture shows, for who cannot see it."""
    said = ["nothing is known of the suspect" if suspect is None else f"the suspect at {suspect:.2f}"]
    for group in groups:
        if len(group.values):
            least, most = float(min(group.values)), float(max(group.values))
            said.append(f"{len(group.values)} {group.kind} models from {least:.2f} to {most:.2f}")
    if span:
        said.append(f"verdicts are passed from {span[0]:.2f} to {span[1]:.2f}")
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


def _numbers(passed: Passed) -> list[dict]:
    found, twins = passed.found, CalibratedFingerprint.of(passed.fingerprint).of_twins
    independent, stolen = found["n_calibration"], found["n_stolen"]
    rows = [
        _row(
            "p-value, independent",
            plain_words.p_value(found["p_independent"]),
            f"n = {independent} calibration models",
            f"how often independent models show as much evidence; {STOLEN} needs up to ALPHA = {found['alpha']:g}",
        ),
        _row(
            "p-value, stolen",
            plain_words.p_value(found["p_stolen"]) if stolen else "none",
            f"n = {stolen} stolen reference models",
            f"how often stolen models show as little; {INDEPENDENT} needs up to BETA = {found['beta']:g}"
            if stolen
            else f"no stolen models to compare with, so never {INDEPENDENT}",
        ),
        _row("evidence", f"{found['evidence']:+.2f}", "", _evidence(twins)),
    ]
    for name in verdicts.TRACES:
        if name in found:
            rows.append(_row(name.replace("_", " "), f"{found[name]:+.2f}", "", "log-odds against independence"))
    if not passed.levels.other_task:
        same, said = examples.agreeing(passed)
        rows.append(_row("same class as the source", f"{same} of {said}", "queries", "before it is weighed"))
        least, most = found["control_accuracy_range"]
        rows.append(
            _row(
                "control accuracy",
                f"{found['control_accuracy']:.2f}",
                f"n = {int((_controls(passed) != UNANSWERED).sum())} control queries",
                f"verdicts are passed from {least:.2f} to {most:.2f}, as calibration models are accurate",
            )
        )
    return rows


def _row(name: str, value: str, of: str, meaning: str) -> dict:
    return {"name": name, "value": value, "of": of, "meaning": meaning}


def _evidence(twins: bool) -> str:
    return "agreement with the source, less that with its twins" if twins else "log-odds of having been stolen"


def _controls(passed: Passed):
    places = Places.of(passed.fingerprint, passed.levels.early).controls
    return passed.labels[places.start : places.stop]
