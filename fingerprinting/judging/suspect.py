"""judge.py SUSPECT=: the suspect is asked through whatever it stands behind, and judged by what its journal holds."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fingerprinting.asking import addresses, asking, encodings, findings, journal
from fingerprinting.asking.addresses import Options
from fingerprinting.asking.classes import Classes
from fingerprinting.asking.files.file_suspect import Source
from fingerprinting.asking.journal import About, Journal
from fingerprinting.asking.respondent import UNANSWERED, Previewed, Respondent
from fingerprinting.calibrated import stopping, verdicts
from fingerprinting.calibrated.contents import CalibratedFingerprint
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import queries
from fingerprinting.judging.queries import Places
from fingerprinting.judging.verdict import Levels, found_by
from fingerprinting.models import suspects
from fingerprinting.study.study import Study


@dataclass(frozen=True)
class Asking:
    """The constants of judge.py that say whom it asks, and how."""

    suspect: str = ""
    input: str = ""
    output: str = ""
    batch: int = 0
    rate: float = 0.0
    timeout: float = 60.0
    encoding: str = ""
    budget: int = 0
    dry_run: bool = False
    model: str = ""
    trust: bool = False


def judged(
    study: Study, fingerprint: Fingerprint, folder: Path, levels: Levels, meant: Classes, how: Asking
) -> tuple[dict, torch.Tensor] | None:
    """Ask what the journal lacks; the verdict on what it holds, and the labels. None where nothing is to be asked."""
    count = planned(fingerprint, levels, how.budget)
    shape = tuple(fingerprint.inputs.shape[1:])
    encoding = addresses.encoding_of(how.suspect, how.encoding, study.domain.inputs, shape)
    source = Source(study.address, len(study.classes), shape, str(fingerprint.inputs.numpy().dtype))
    asked = how.batch, how.rate, how.timeout, how.input, how.output, how.model, how.trust
    options = Options(meant, encoding, *asked, source)
    with contextlib.closing(addresses.open_suspect(how.suspect, options)) as respondent:
        if how.dry_run:
            print(_previewed(respondent, queries.inputs_of(fingerprint, levels.early).numpy(), count, fingerprint))
            return None
        inputs, sha256 = queries.for_asking(study, fingerprint, folder, levels.early)
        about = About(fingerprint.metadata["sha256"], sha256, respondent.name, encoding.name)
        with journal.opened(folder / journal.NAME, about) as kept:
            found, labels = _asked(study, fingerprint, respondent, inputs, kept, count, levels, meant)
    found |= {
        "suspect": _described(study, fingerprint, kept, meant, count),
        "findings": findings_of(fingerprint, kept, levels, meant, folder),
    }
    return found, labels


def planned(fingerprint: Fingerprint, levels: Levels, budget: int) -> int:
    """How many of the queries are asked, the first of them, with all control queries and repeats in the budget."""
    n, controls = len(fingerprint), len(CalibratedFingerprint.of(fingerprint).controls)
    count = asking.within(budget, n + controls) - controls
    if count == n:
        return n
    if count < 1:
        raise UserError(f"BUDGET={budget} leaves no query beside {controls} control queries; give more")
    if levels.early:
        raise UserError("EARLY=True asks as few queries as a verdict needs; give no BUDGET with it")
    if levels.other_task or not CalibratedFingerprint.of(fingerprint).of_twins:
        least = n + controls + asking.repeats(n + controls)
        raise UserError(
            f"BUDGET={budget} is too low: this verdict weighs all queries together; give {least} or more, or judge a "
            "suspect of the source's classes by calibrated.py SIZE=twins"
        )
    return count


def _previewed(respondent: Respondent, inputs: np.ndarray, count: int, fingerprint: Fingerprint) -> str:
    total = count + len(CalibratedFingerprint.of(fingerprint).controls)
    sent = total + asking.repeats(total)
    said = (
        f"{sent} queries would be sent to {respondent.name}, up to {respondent.batch} in a request; nothing was sent."
    )
    if not isinstance(respondent, Previewed):
        return said
    return f"The first request:\n\n{respondent.preview(inputs[: respondent.batch])}\n\n{said}"


def _asked(
    study: Study,
    fingerprint: Fingerprint,
    respondent: Respondent,
    inputs: np.ndarray,
    kept: Journal,
    count: int,
    levels: Levels,
    meant: Classes,
) -> tuple[dict, torch.Tensor]:
    """The verdict and its labels, after the queries that it needs: early, as few as flag the suspect."""

    def ask(wanted: Sequence[int]) -> None:
        asking.ask(respondent, inputs, kept, wanted)

    found, wanted = passed_on(study.folder, fingerprint, kept, count, levels, meant, ask)
    asking.ask_again(respondent, inputs, kept, wanted)
    return found, labels_of(kept, wanted, meant, len(Places.of(fingerprint, levels.early)))


def passed_on(
    study: str,
    fingerprint: Fingerprint,
    kept: Journal,
    count: int,
    levels: Levels,
    meant: Classes,
    ask: Callable[[Sequence[int]], None] = lambda wanted: None,
) -> tuple[dict, Sequence[int]]:
    """The verdict on what a journal holds, and the indices that it needs; ask(indices) comes before they are read.

    Early, it is the first that flags the suspect, or the last one for which there are responses.
    """
    places = Places.of(fingerprint, levels.early)
    wanted: Sequence[int] = ()
    for look in stopping.looks(count) if levels.early else (count,):
        more = sorted([*places.queries[:look], *places.controls])
        ask(more)
        if levels.early and wanted and more[-1] not in kept.responses:
            break
        wanted = more
        labels = labels_of(kept, wanted, meant, len(places))
        if levels.early:
            found = found_by(study, fingerprint, labels[: len(places.controls) + look], levels)
        else:
            found = found_by(study, fingerprint, labels, levels, count)
        if found["outcome"] == verdicts.STOLEN:
            break
    return found, wanted


def labels_of(kept: Journal, wanted: Sequence[int], meant: Classes, count: int) -> torch.Tensor:
    """(count,): what the first responses to the queries wanted mean, UNANSWERED elsewhere."""
    labels = torch.full((count,), UNANSWERED)
    said = kept.responses
    for index in wanted:
        label = meant.label(said[index].raw) if index in said else None
        labels[index] = UNANSWERED if label is None else label
    return labels


def encoding_changes(study: Study, fingerprint: Fingerprint, name: str, count: int | None = None) -> int | None:
    """How many of the source's labels are others when it is asked through an encoding; None where nobody can know."""
    inputs = fingerprint.inputs[:count].numpy()
    if name == encodings.PNG and not encodings.are_images(study.domain.inputs, inputs.shape[1:]):
        return None
    back = encodings.encoding(name, study.domain.inputs, inputs.shape[1:]).back
    if back is None:
        return None
    arrived = torch.from_numpy(np.ascontiguousarray(back(inputs)))
    if torch.equal(arrived, fingerprint.inputs[:count]):
        return 0
    if study.domain.asked_once:
        return None
    labels = suspects.ask(study, suspects.source_of(study), arrived).argmax(1)
    return int((labels != fingerprint.labels[:count]).sum())


def _described(study: Study, fingerprint: Fingerprint, kept: Journal, meant: Classes, count: int) -> dict:
    """Who was asked, and how: what a verdict keeps of it. classes: the map, which may be newer than the journal."""
    changed = encoding_changes(study, fingerprint, kept.about.encoding, count)
    return {
        "name": kept.about.suspect,
        "encoding": kept.about.encoding,
        **({} if changed is None else {"source_labels_changed": changed}),
        "started": kept.about.started,
        "sent": len(kept.entries),
        "repeated": len(kept.repeats),
        "requests": sum(entry.attempts for entry in kept.entries),
        **({"classes": dict(meant.mapped)} if meant.mapped else {}),
    }


def findings_of(fingerprint: Fingerprint, kept: Journal, levels: Levels, meant: Classes, folder: Path) -> list[str]:
    """What is odd about the responses of a journal; a map that may mend it is proposed in the folder."""
    held = CalibratedFingerprint.of(fingerprint)
    controls = Places.of(fingerprint, levels.early).controls
    truth = dict(zip(controls, held.controls.truth.tolist(), strict=True))
    return findings.found(kept, meant, truth, held.control_range[0], folder)
