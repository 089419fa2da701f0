"""The table of a verdict's page: each number with its n, and what it means."""

from dataclasses import dataclass

from fingerprinting.asking.respondent import UNANSWERED
from fingerprinting.calibrated import verdicts
from fingerprinting.calibrated.contents import CalibratedFingerprint
from fingerprinting.calibrated.verdicts import INDEPENDENT, STOLEN
from fingerprinting.judging.queries import Places
from fingerprinting.judging.verdict import Passed
from fingerprinting.reports.html import examples, plain_words


@dataclass(frozen=True)
class Number:
    """A row of the table of numbers."""

    name: str
    value: str
    of: str
    meaning: str


def numbers(passed: Passed) -> list[Number]:
    """p-values, evidence, agreement and control accuracy, each with its n."""
    found = passed.found
    rows = [
        _of_independent(found),
        _of_stolen(found),
        Number("evidence", f"{found['evidence']:+.2f}", "", axis(passed)),
    ]
    for name in verdicts.TRACES:
        if name in found:
            rows.append(Number(name.replace("_", " "), f"{found[name]:+.2f}", "", "log-odds against independence"))
    if not passed.levels.other_task:
        same, said = examples.agreeing(passed)
        rows += [
            Number("same class as the source", f"{same} of {said}", "queries", "before they are weighed"),
            _of_controls(passed),
        ]
        if "own_responses" in found:
            rows.append(_of_own_responses(found, said))
    return rows


def _of_independent(found: dict) -> Number:
    return Number(
        "p-value, independent",
        plain_words.p_value(found["p_independent"]),
        f"n = {found['n_calibration']} calibration models",
        f"how often independent models show as much evidence; {STOLEN} needs up to ALPHA = {found['alpha']:g}",
    )


def _of_stolen(found: dict) -> Number:
    name, n = "p-value, stolen", found["n_stolen"]
    if not n:
        return Number(
            name, "none", "n = 0 stolen reference models", f"no stolen models to compare with, so never {INDEPENDENT}"
        )
    return Number(
        name,
        plain_words.p_value(found["p_stolen"]),
        f"n = {n} stolen reference models",
        f"how often stolen models show as little; {INDEPENDENT} needs up to BETA = {found['beta']:g}",
    )


def _of_controls(passed: Passed) -> Number:
    found, places = passed.found, Places.of(passed.fingerprint, passed.levels.early).controls
    known = int((passed.labels[places.start : places.stop] != UNANSWERED).sum())
    least, most = found["control_accuracy_range"]
    return Number(
        "control accuracy",
        f"{found['control_accuracy']:.2f}",
        f"n = {known} control queries",
        f"verdicts are passed from {least:.2f} to {most:.2f}, as calibration models are accurate",
    )


def _of_own_responses(found: dict, said: int) -> Number:
    return Number(
        "responses of its own",
        f"{found['own_responses']:.2f}",
        f"n = {said} queries",
        f"neither the source's nor its twins'; verdicts are passed up to {found['most_own_responses']:.2f}, as many as "
        "calibration models have",
    )


def axis(passed: Passed) -> str:
    """What the evidence is."""
    of_twins = CalibratedFingerprint.of(passed.fingerprint).of_twins
    return "agreement with the source, less that with its twins" if of_twins else "log-odds of having been stolen"
