"""A suspect that can only be asked: the queries for it, and the verdict on its responses."""

import json
import math
from pathlib import Path

import numpy as np
import torch

from fingerprinting.calibrated import p_values, stopping, verdicts
from fingerprinting.calibrated.contents import CONTRIBUTIONS, CalibratedFingerprint
from fingerprinting.calibrated.response_files import clash, lines_of, read, text_of
from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.core import storage
from fingerprinting.core.markdown import markdown_table
from fingerprinting.core.runtime import UserError
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.models import trained
from fingerprinting.study.domain import COMMITTED
from fingerprinting.study.study import SKIPPED, Study

INPUTS, TEXTS, ABOUT, VERDICT = "queries.npy", "queries.txt", "queries.json", "verdict.json"


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
) -> str:
    """Write the queries, or pass the verdict on responses to them. It is no step of a study: nothing is recorded.

    early: the control queries come first, and a verdict may be passed before all queries are asked.
    """
    verdicts.check_rates(alpha, beta, tail)
    source_sha256 = trained.weights_sha256(study, study.source_id)
    fingerprint, folder = store.load(study, METHOD, source_sha256), Path(queries)
    if early:
        _check_early(fingerprint, other_task, alpha, tail)
    _check_support(fingerprint, other_task, alpha, tail)
    warnings = _warnings(study, fingerprint, other_task, alpha)
    if responses:
        _check_queries(folder, fingerprint, early)
        measured = _judged(study, fingerprint, Path(responses), other_task, alpha, beta, tail, early)
        found = measured | {"warnings": warnings}
        storage.write_text(folder / VERDICT, json.dumps(found, indent=1) + "\n")
        print("\n".join([*page(found), "", f"the same as JSON: {folder / VERDICT}"]))
    else:
        print("\n".join([_asked(study, fingerprint, folder, early), *(f"Warning: {one}." for one in warnings)]))
    return SKIPPED


def _check_support(fingerprint: Fingerprint, other_task: bool, alpha: float, tail: str) -> None:
    """Said before a suspect is asked, which may be possible only once."""
    n = len(CalibratedFingerprint.of(fingerprint).calibration(other_task=other_task).independent)
    if p_values.extrapolated(alpha, n) and tail == "conformal":
        raise UserError(
            f"{n} calibration models support no ALPHA below {_rounded_up(1 / (1 + n))}; give a higher one, or "
            "calibration.py more copies"
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
    n, least = len(held.source.independent), alpha * min(stopping.shares(len(stopping.looks(len(fingerprint)))))
    if p_values.extrapolated(least, n) and tail == "conformal":
        raise UserError(f"EARLY=True spends ALPHA in parts, and {n} calibration models rank none so low; TAIL=student")


def _rounded_up(share: float) -> str:
    return f"{math.ceil(share * 1000) / 1000:.3f}"


def _asked(study: Study, fingerprint: Fingerprint, folder: Path, early: bool) -> str:
    written = write_queries(study, fingerprint, folder, early)
    by = "by its name" if clash(study.classes) else "by its name or its place from 0"
    until = (
        f"Ask as many as {_or(_enough(fingerprint))} of them, and go on as long as the verdict is "
        f"{verdicts.INCONCLUSIVE}.\n"
    )
    return (
        f"{written}.\n"
        f"{until if early else ''}"
        f"Query the suspect with all of them, write its responses to a file, a line each and in this order (a class of "
        f"{ABOUT}, {by}), and run the same command with RESPONSES=that file."
    )


def write_queries(study: Study, fingerprint: Fingerprint, folder: Path, early: bool = False) -> str:
    """Write the queries and, after them, the control queries, as arrays and, where inputs are read, as texts.

    early: the control queries before them. Returns how many there are, and where.
    """
    _check_free(study, folder)
    parts = [fingerprint.inputs, CalibratedFingerprint.of(fingerprint).controls.inputs]
    inputs = torch.cat(parts[::-1] if early else parts)
    describe = study.domain.inputs.describe
    texts = [" ".join(describe(one.clone()).splitlines()) for one in inputs] if describe else []  # a line each
    with storage.atomic(folder / INPUTS) as temporary, temporary.open("wb") as file:
        np.save(file, inputs.numpy(), allow_pickle=False)
    written = str(folder / INPUTS)
    if texts:
        storage.write_text(folder / TEXTS, "".join(f"{text}\n" for text in texts))
        written += f", the same to read in {folder / TEXTS}"
    about = {
        "study": study.folder,
        "fingerprint_sha256": fingerprint.metadata["sha256"],
        "queries": len(inputs),
        "early": early,
        "shape": list(inputs.shape[1:]),
        "dtype": str(inputs.numpy().dtype),
        "classes": list(study.classes),
    }
    storage.write_text(folder / ABOUT, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    return f"{len(inputs)} queries are in {written}"


def _enough(fingerprint: Fingerprint) -> list[int]:
    """How many responses, those to the control queries included, a verdict may be passed on before all are there."""
    controls = len(CalibratedFingerprint.of(fingerprint).controls)
    return [controls + count for count in stopping.looks(len(fingerprint))]


def _asked_so_far(path: Path, fingerprint: Fingerprint) -> int:
    there, enough = len(lines_of(text_of(path))), _enough(fingerprint)
    if there not in enough:
        raise UserError(f"{path} has {there} responses; EARLY=True passes a verdict on {_or(enough)} of them")
    return there


def _or(counts: list[int]) -> str:
    *before, last = map(str, counts)
    return f"{', '.join(before)} or {last}" if before else last


def _judged(
    study: Study,
    fingerprint: Fingerprint,
    path: Path,
    other_task: bool,
    alpha: float,
    beta: float,
    tail: str,
    early: bool,
) -> dict:
    n, controls = len(fingerprint), len(CalibratedFingerprint.of(fingerprint).controls)
    there = _asked_so_far(path, fingerprint) if early else n + controls
    labels = torch.tensor(read(path, there, None if other_task else study.classes))
    if early:
        found = verdicts.measured_so_far(fingerprint, labels[controls:], labels[:controls], alpha, beta, tail)
    else:
        found = verdicts.measured(fingerprint, labels[:n], None if other_task else labels[n:], alpha, beta, tail)
    if study.domain.limit:
        found["limit"] = study.domain.limit
    return {
        "study": study.folder,
        "fingerprint_sha256": fingerprint.metadata["sha256"],
        "queries": there - controls,
        **found,
        "outcome": verdicts.passed(found),
        "why": verdicts.why(found),
    }


def page(found: dict) -> list[str]:
    """A verdict in Markdown; the control accuracy where its range over the calibration models is known."""
    rows = [
        ["verdict", f"**{found['outcome']}**"],
        *([[f"why {verdicts.INCONCLUSIVE}", found["why"]]] if found["why"] else []),
        *(["**warning**", warning] for warning in found["warnings"]),
        ["queries", str(found["queries"])],
        *([["asked one after another", _looks(found)]] if "looks" in found else []),
        ["compared with", f"{found['n_calibration']} calibration models, {found['n_stolen']} stolen reference models"],
        ["p-value under the independent hypothesis", f"{found['p_independent']:.3f}"],
        ["p-value under the stolen hypothesis", f"{found['p_stolen']:.3f}"],
        ["rule for stolen", f"the first up to ALPHA = {found['alpha']}, the second above BETA = {found['beta']}"],
        [
            "rule for independent",
            f"the first above {max(verdicts.USUAL, found['alpha'])}, the second up to BETA = {found['beta']}",
        ],
        *([name.replace("_", " "), f"{found[name]:+.2f}"] for name in verdicts.TRACES if name in found),
        *([["p-value", "extrapolated beyond the calibration models"]] if found.get("extrapolated") else []),
    ]
    if "control_accuracy_range" in found:
        least, most = found["control_accuracy_range"]
        said = f"{found['control_accuracy']:.2f}; calibration models {least:.2f} to {most:.2f}"
        rows.append(["control accuracy", said])
    if not found["n_stolen"]:
        rows.append(["why never independent", "it is compared with no stolen models, which SIZE=full trains"])
    elif (least := 1 / (1 + found["n_stolen"])) > found["beta"]:
        few = f"{found['n_stolen']} stolen models clear no model below BETA={_rounded_up(least)}"
        rows.append(["why never independent", f"{few}; give a higher one, or references.py more copies"])
    return markdown_table(["", ""], rows)


def _looks(found: dict) -> str:
    """When a verdict is passed, and how many queries to ask until the next one where this one decides nothing."""
    counts = found["looks"]
    said = f"looks after {', '.join(map(str, counts))}; the p-value is of all looks so far"
    further = [count for count in counts if count > found["queries"]]
    return said + (f"; go on to {further[0]}" if further and found["outcome"] != verdicts.STOLEN else "")


def _warnings(study: Study, fingerprint: Fingerprint, other_task: bool, alpha: float) -> list[str]:
    """What makes a verdict weaker than it looks."""
    held, said = CalibratedFingerprint.of(fingerprint), []
    known = held.calibration(other_task=other_task)
    independent, stolen = len(known.independent), len(known.stolen)
    if study.tier not in COMMITTED:
        said.append(f"TIER={study.tier} is for a first look: flag no model by it; TIER=cpu is for verdicts")
    if p_values.extrapolated(alpha, independent):
        said.append(
            f"ALPHA={alpha:g} is extrapolated: {independent} calibration models support no ALPHA below "
            f"{_rounded_up(1 / (1 + independent))} by themselves, and further ones are taken to be normally distributed"
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
            "as a calibration model; calibrated.py FORCE=True chooses them class by class"
        )
    return said


def _check_free(study: Study, folder: Path) -> None:
    """The queries for another source stay, with the verdict that was passed on responses to them."""
    path = folder / ABOUT
    if path.is_file() and (there := _about(path).get("study")) != study.folder:
        raise UserError(f"{folder} holds the queries of {there}; give QUERIES=another folder")


def _check_queries(folder: Path, fingerprint: Fingerprint, early: bool) -> None:
    path = folder / ABOUT
    if not path.is_file():
        raise UserError(f"{path} is missing; run judge.py without RESPONSES first, or give QUERIES=its folder")
    if _about(path).get("fingerprint_sha256") != fingerprint.metadata["sha256"]:
        raise UserError(
            f"the queries in {folder} are of another fingerprint than is there now; run judge.py without RESPONSES "
            "and ask the suspect again"
        )
    if (written := _about(path).get("early", False)) != early:
        raise UserError(f"the queries in {folder} were written with EARLY={written}, in another order; give the same")


def _about(path: Path) -> dict:
    """What stands in queries.json."""
    try:
        about = json.loads(text_of(path))
    except (ValueError, RecursionError):  # no JSON, a number of too many digits, brackets without end
        about = None
    if not (isinstance(about, dict) and isinstance(about.get("study"), str)):
        raise UserError(f"{path} is damaged; delete it and run judge.py without RESPONSES again")
    return about
