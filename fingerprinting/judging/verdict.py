"""The verdict on labels, however they came: what it is measured on, at which levels, and what is kept of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from fingerprinting.asking.classes import Classes
from fingerprinting.calibrated import stopping, verdicts
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging.queries import Places
from fingerprinting.study.study import Study


@dataclass(frozen=True)
class Levels:
    """What was stated before: rates, the tail beyond the calibration models, what kind of verdict is passed, why none
    may go further than inconclusive, and what alone it covers where that is not all attacks.
    """

    alpha: float
    beta: float
    tail: str
    other_task: bool = False
    early: bool = False
    limit: str = ""
    scope: str = ""


@dataclass(frozen=True)
class Passed:
    """A verdict and what it was passed on. found: as verdict.json holds it.

    folder: of the queries. labels (m,): in the order of all that is asked, UNANSWERED where nothing is known; fewer
    than all where the last ones were not asked. meant: how they were read from what the suspect said.
    """

    folder: Path
    fingerprint: Fingerprint
    levels: Levels
    meant: Classes
    labels: torch.Tensor
    found: dict


Report = Callable[[Study, Passed], None]


def found_by(
    study: str, fingerprint: Fingerprint, labels: torch.Tensor, levels: Levels, count: int | None = None
) -> dict:
    """labels (m,) in the order of all that is asked, UNANSWERED where nothing is known; fewer than all if early.

    study: its folder's name. count: of the queries, the first of which alone were to be asked, control queries besides;
    None: all of them.
    """
    places = Places.of(fingerprint, levels.early)
    rates = levels.alpha, levels.beta, levels.tail
    controls = labels[places.controls.start : places.controls.stop]
    asked = labels[places.queries.start : places.queries.stop]
    if levels.early:
        found = verdicts.measured_so_far(fingerprint, asked, controls, *rates)
    else:
        if count is not None and count < len(fingerprint):
            fingerprint, asked = stopping.first(fingerprint, count), asked[:count]
        found = verdicts.measured(fingerprint, asked, None if levels.other_task else controls, *rates)
    if levels.limit:
        found["limit"] = levels.limit
    if levels.scope:
        found["scope"] = levels.scope
    return {
        "study": study,
        "fingerprint_sha256": fingerprint.metadata["sha256"],
        "queries": len(asked),
        **found,
        "outcome": verdicts.passed(found),
        "why": verdicts.why(found),
    }
