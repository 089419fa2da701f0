"""judge.py RESPONSES=: the verdict on responses that somebody else got, by hand or by another program."""

import contextlib
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from fingerprinting.asking import encodings, journal, response_files
from fingerprinting.asking.classes import Classes
from fingerprinting.asking.journal import About, Journal
from fingerprinting.asking.respondent import Response
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import queries, suspect
from fingerprinting.judging.queries import Places
from fingerprinting.judging.suspect import Asking
from fingerprinting.judging.verdict import Levels
from fingerprinting.study.study import Study

NAME = "responses that were read from a file"  # a journal's suspect


def judged(
    study: Study,
    fingerprint: Fingerprint,
    folder: Path,
    path: Path,
    levels: Levels,
    meant: Classes,
    how: Asking,
    *,
    kept: bool,
) -> tuple[dict, torch.Tensor]:
    """The verdict on the responses in a file, and the labels.

    kept: they go into the folder's journal as well, where they stay: each is then said once.
    """
    queries.check(folder, fingerprint, levels.early)
    places = Places.of(fingerprint, levels.early)
    responses = response_files.read(path, _asked_so_far(path, fingerprint) if levels.early else len(places), meant)
    count = suspect.planned(fingerprint, levels, how.budget)
    with _opened(study, fingerprint, folder, levels, how, kept=kept) as held:
        _check_said_once(held, responses, path)
        held.append(range(len(held.entries), len(responses)), responses[len(held.entries) :])
    found, wanted = suspect.passed_on(study.folder, fingerprint, held, count, levels, meant)
    found["findings"] = suspect.findings_of(fingerprint, held, levels, meant, folder)
    return found, suspect.labels_of(held, wanted, meant, len(places))


def _opened(
    study: Study, fingerprint: Fingerprint, folder: Path, levels: Levels, how: Asking, *, kept: bool
) -> AbstractContextManager[Journal]:
    encoding = encodings.encoding(
        how.encoding or encodings.ARRAY, study.domain.inputs, tuple(fingerprint.inputs.shape[1:])
    )
    if not kept:
        return contextlib.nullcontext(Journal(None, About(fingerprint.metadata["sha256"], "", NAME, encoding.name), []))
    _, sha256 = queries.for_asking(study, fingerprint, folder, levels.early)
    return journal.opened(folder / journal.NAME, About(fingerprint.metadata["sha256"], sha256, NAME, encoding.name))


def _check_said_once(held: Journal, responses: list[Response], path: Path) -> None:
    """Nobody tells a slip of the pen from a second try: what a case holds stays."""
    for entry in held.entries:
        now = responses[entry.index].raw if entry.index < len(responses) else None
        if entry.raw != now:
            said = "has no response" if now is None else f"says {now[:40]!r}"
            raise UserError(
                f"{path} {said} to query {entry.index + 1}, where {held.path} has {entry.raw[:40]!r} from before; the "
                "case keeps what came first, so put that back"
            )


def _asked_so_far(path: Path, fingerprint: Fingerprint) -> int:
    fewest, most = response_files.fewest_and_most(path)
    enough = queries.enough(fingerprint)
    found = [count for count in enough if fewest <= count <= most]
    if not found:
        counts = queries.listed(enough)
        raise UserError(f"{path} has {fewest} responses; EARLY=True passes a verdict on {counts} of them")
    return found[0]
