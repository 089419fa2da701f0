"""A suspect that can only be asked: the queries for it, and the verdict on its responses."""

import json
from dataclasses import replace
from pathlib import Path

from fingerprinting.asking import classes, response_files
from fingerprinting.asking.classes import Classes
from fingerprinting.calibrated import p_values, stopping, verdicts
from fingerprinting.calibrated.contents import CONTRIBUTIONS, CalibratedFingerprint
from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import by_hand
from fingerprinting.judging import queries as folder_of_queries
from fingerprinting.judging import suspect as suspects
from fingerprinting.judging.page import page, rounded_up
from fingerprinting.judging.queries import INPUTS, VERDICT
from fingerprinting.judging.suspect import Asking, encoding_changes
from fingerprinting.judging.verdict import Levels, Passed, Report
from fingerprinting.models import trained
from fingerprinting.study.domain import COMMITTED
from fingerprinting.study.study import SKIPPED, Study


def judge(
    study: Study,
    *,
    queries: str,
    responses: str,
    other_task: bool,
    alpha: float,
    beta: float,
    tail: str,
    early: bool = False,
    classes: str = "",
    report: Report | None = None,
    committed: bool = False,
    **asking,
) -> str:
    """Write the queries, ask a suspect, or pass the verdict on responses. No step of a study: nothing is recorded.

    early: the control queries come first, and a verdict may be passed before all queries are asked. report: writes more
    for people to read, once the verdict is on the disk. committed: the verdict is one of a case, whose journal
    has to hold responses from a file too. asking: how a suspect is asked, the constants of `Asking`.
    """
    verdicts.check_rates(alpha, beta, tail)
    source_sha256 = trained.weights_sha256(study, study.source_id)
    fingerprint, folder = store.load(study, METHOD, source_sha256), Path(queries)
    domain, how = study.domain, Asking(**asking)
    levels = Levels(alpha, beta, tail, other_task, early, domain.limit, domain.scope)
    if early:
        _check_early(fingerprint, other_task, alpha, tail)
    _check_support(fingerprint, other_task, alpha, tail)
    warnings = warnings_of(study.tier, fingerprint, other_task, alpha)
    if how.suspect and responses:
        raise UserError("SUSPECT= asks for responses and RESPONSES= has them already; give one of the two")
    if Path(how.suspect).suffix.lower() in response_files.SUFFIXES:
        how, responses = replace(how, suspect=""), how.suspect
    if not (how.suspect or responses):
        said = folder_of_queries.asked_by_hand(study, fingerprint, folder, early)
        warned = (f"Warning: {one}." for one in [*warnings, *filter(None, [domain.scope])])
        print("\n".join([said, *_rounded(study, fingerprint, early), *warned]))
        return SKIPPED
    meant = _meant(study, classes, other_task)
    if how.suspect:
        passed = suspects.judged(study, fingerprint, folder, levels, meant, how)
    else:
        passed = by_hand.judged(study, fingerprint, folder, Path(responses), levels, meant, how, kept=committed)
    if passed:
        found, labels = passed
        found |= {"warnings": warnings}
        _keep(folder, found)
        if report:
            report(study, Passed(folder, fingerprint, levels, meant, labels, found))
    return SKIPPED


def _keep(folder: Path, found: dict) -> None:
    storage.write_text(folder / VERDICT, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print("\n".join([*page(found), "", f"the same as JSON: {folder / VERDICT}"]))


def _meant(study: Study, path: str, other_task: bool) -> Classes:
    if other_task:
        if path:
            raise UserError("CLASSES= maps responses to the source's classes; leave it out with OTHER_TASK=True")
        return Classes(None)
    return Classes(study.classes, classes.read_map(Path(path), study.classes) if path else ())


def _rounded(study: Study, fingerprint: Fingerprint, early: bool) -> list[str]:
    """What PNGs of 8 bits do to the queries, where there are such."""
    changed = encoding_changes(study, fingerprint, "png")
    return (
        [] if not changed else [f"As PNGs they are others: {changed} of the source's labels change; {INPUTS} is exact."]
    )


def _check_support(fingerprint: Fingerprint, other_task: bool, alpha: float, tail: str) -> None:
    """Said before a suspect is asked, which may be possible only once."""
    n = CalibratedFingerprint.of(fingerprint).calibration(other_task=other_task).ranked
    if p_values.extrapolated(alpha, n) and tail == "conformal":
        raise UserError(
            f"{n} calibration models support no ALPHA below {rounded_up(1 / (1 + n))}; give a higher one, or train "
            "more by COPIES= of calibration.py or a longer TIME= of protect.py"
        )


def _check_early(fingerprint: Fingerprint, other_task: bool, alpha: float, tail: str) -> None:
    held = CalibratedFingerprint.of(fingerprint)
    if other_task:
        raise UserError("EARLY=True is for suspects of the source's classes; ask all queries of one of OTHER_TASK=True")
    if not held.of_twins:
        raise UserError("EARLY=True passes verdicts by twins; run calibrated.py SIZE=twins or SIZE=pairs first")
    if CONTRIBUTIONS not in fingerprint.extra:
        raise UserError(
            "this fingerprint does not hold what independent models respond to each query, which EARLY=True compares "
            "with; run calibrated.py FORCE=True"
        )
    n, least = held.source.ranked, alpha * min(stopping.shares(len(stopping.looks(len(fingerprint)))))
    if p_values.extrapolated(least, n) and tail == "conformal":
        raise UserError(f"EARLY=True spends ALPHA in parts, and {n} calibration models rank none so low; TAIL=student")


def warnings_of(tier: str, fingerprint: Fingerprint, other_task: bool, alpha: float) -> list[str]:
    """What makes a verdict weaker than it looks."""
    held, said = CalibratedFingerprint.of(fingerprint), []
    if limit := verdicts.limit_of(fingerprint, other_task=other_task):
        said.append(f"every verdict is {verdicts.INCONCLUSIVE}: {limit}")
    known = held.calibration(other_task=other_task)
    independent, stolen = known.ranked, len(known.stolen)
    if tier not in COMMITTED:
        said.append(f"TIER={tier} is for a first look: flag no model by it; TIER=cpu is for verdicts")
    if p_values.extrapolated(alpha, independent):
        said.append(
            f"ALPHA={alpha:g} is extrapolated: {independent} calibration models support no ALPHA below "
            f"{rounded_up(1 / (1 + independent))} by themselves, and further ones are taken to be normally distributed"
        )
    elif independent < verdicts.FEW:
        most = verdicts.flagged_at_most(alpha, independent)
        said.append(
            f"ALPHA rests on {independent} calibration models only: where chance chose them badly, up to {most:.0%} of "
            f"independent models are flagged instead of {alpha:.0%}"
        )
    if 0 < stolen < verdicts.FEW:
        said.append(f"what stolen models look like rests on {stolen} of them only")
    truth, accurate = held.controls.truth, held.controls.accuracy
    alike = int(truth.unique(return_counts=True)[1].max())
    if not other_task and alike / len(truth) >= accurate.min():
        said.append(
            f"{alike} of the {len(truth)} control queries are of one class: the same response to all is as accurate "
            "as a calibration model; queries that are made again with more examples of the other classes mend that"
        )
    return said
