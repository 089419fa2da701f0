"""A suspect that can only be asked: the questions for it, and the verdict on its answers."""

import json
import math
from pathlib import Path

import numpy as np
import torch

from fingerprinting import attacks, files, fingerprints, verdicts
from fingerprinting.fingerprints import Fingerprint
from fingerprinting.reports.formats import markdown_table
from fingerprinting.representations import TRANSFER
from fingerprinting.runtime import UserError
from fingerprinting.study import SKIPPED, Study
from fingerprinting.verdicts import METHOD

INPUTS, TEXTS, ABOUT, VERDICT = "questions.npy", "questions.txt", "questions.json", "verdict.json"


def judge(study: Study, *, questions: str, answers: str, other_task: bool, level: float, cleared: float) -> str:
    """Write the questions, or pass the verdict on answers to them. It is no step of a study: nothing is recorded."""
    verdicts.check_levels(level, cleared)
    source_sha256 = attacks.weights_sha256(study, study.source_id)
    fingerprint, folder = fingerprints.load(study, METHOD, source_sha256), Path(questions)
    _check_support(fingerprint, other_task, level)
    if answers:
        print(_judged(study, fingerprint, folder, Path(answers), other_task, level, cleared))
    else:
        print(_asked(study, fingerprint, folder))
    return SKIPPED


def _check_support(fingerprint: Fingerprint, other_task: bool, level: float) -> None:
    """Said before a suspect is asked, which may be possible only once."""
    prefix = TRANSFER if other_task else ""
    if prefix + "centre" not in fingerprint.extra:
        raise UserError(
            "this fingerprint cannot judge a suspect of another task: it had no reference models of one; "
            "give references.py and calibration.py TRANSFER_COPIES above 0 and run calibrated.py again"
        )
    n = len(fingerprint.extra[prefix + "honest"])
    if level < 1 / (1 + n):
        raise UserError(
            f"{n} calibration models support no LEVEL below {_rounded_up(1 / (1 + n))}; give a higher one, or "
            "calibration.py more copies"
        )


def _rounded_up(share: float) -> str:
    return f"{math.ceil(share * 1000) / 1000:.3f}"


def _asked(study: Study, fingerprint: Fingerprint, folder: Path) -> str:
    """Write the queries and, after them, the control questions, as arrays and, where inputs are read, as texts."""
    inputs = torch.cat([fingerprint.inputs, fingerprint.extra["control_inputs"]])
    described = study.domain.describe and "".join(f"{study.domain.describe(one.clone())}\n" for one in inputs)
    with files.atomic(folder / INPUTS) as temporary, temporary.open("wb") as file:
        np.save(file, inputs.numpy(), allow_pickle=False)
    written = str(folder / INPUTS)
    if described:
        files.write_text(folder / TEXTS, described)
        written += f", the same to read in {folder / TEXTS}"
    about = {
        "study": study.folder,
        "fingerprint_sha256": fingerprint.metadata["sha256"],
        "questions": len(inputs),
        "shape": list(inputs.shape[1:]),
        "dtype": str(inputs.numpy().dtype),
        "classes": list(study.classes),
    }
    files.write_text(folder / ABOUT, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    by = "by its name" if _clash(study.classes) else "by its name or its place from 0"
    return (
        f"{len(inputs)} questions are in {written}.\n"
        f"Ask the suspect all of them, write its answers to a file, a line each and in this order (a class of "
        f"{ABOUT}, {by}), and run the same command with ANSWERS=that file."
    )


def _judged(
    study: Study,
    fingerprint: Fingerprint,
    folder: Path,
    path: Path,
    other_task: bool,
    level: float,
    cleared: float,
) -> str:
    _check_questions(folder, fingerprint)
    n, controls = len(fingerprint), len(fingerprint.extra["control_truth"])
    classes = None if other_task else study.classes
    labels = torch.tensor(parse(_text(path), n + controls, classes, path))
    found = verdicts.verdict(fingerprint, labels[:n], None if other_task else labels[n:], level, cleared)
    about = {"study": study.folder, "fingerprint_sha256": fingerprint.metadata["sha256"], "queries": n, **found}
    files.write_text(folder / VERDICT, json.dumps(about, indent=1) + "\n")
    return "\n".join([*_page(fingerprint, found, n), "", f"the same for machines: {folder / VERDICT}"])


def _page(fingerprint: Fingerprint, found: dict, n: int) -> list[str]:
    rows = [
        ["verdict", f"**{found['outcome']}**"],
        ["queries", str(n)],
        ["honest models that show as much", f"p = {found['p_honest']:.3f} of {found['n_calibration']}"],
        ["thefts that show as little", f"p = {found['p_stolen']:.3f} of {found['n_thefts']}"],
        ["stolen at", f"p of honest models up to {found['level']}"],
        ["independent at", f"p of thefts up to {found['cleared']}, and of honest models above {verdicts.USUAL}"],
        *([name.replace("_", " "), f"{found[name]:+.2f}"] for name in verdicts.TRACES if name in found),
    ]
    if "ability" in found:
        honest = fingerprint.extra["honest_ability"]
        said = f"{found['ability']:.2f}; calibration models {honest.min():.2f} to {honest.max():.2f}"
        rows.append(["control questions answered rightly", said])
    if (least := 1 / (1 + found["n_thefts"])) > found["cleared"]:
        few = f"{found['n_thefts']} thefts clear nobody below CLEARED={_rounded_up(least)}"
        rows.append(["why never independent", f"{few}; give a higher one, or references.py more copies"])
    if not found["in_range"]:
        rows.append(["why inconclusive", "less able than all calibration models: they say nothing about such models"])
    return markdown_table(["", ""], rows)


def _check_questions(folder: Path, fingerprint: Fingerprint) -> None:
    path = folder / ABOUT
    if not path.is_file():
        raise UserError(f"{path} is missing; run judge.py without ANSWERS first, or give QUESTIONS=its folder")
    try:
        asked = json.loads(_text(path)).get("fingerprint_sha256")
    except (json.JSONDecodeError, AttributeError):
        raise UserError(f"{path} is damaged; run judge.py without ANSWERS again") from None
    if asked != fingerprint.metadata["sha256"]:
        raise UserError(
            f"the questions in {folder} are of another fingerprint than is there now; run judge.py without ANSWERS "
            "and ask the suspect again"
        )


def _text(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8") from None


def parse(text: str, count: int, classes: tuple[str, ...] | None, path: Path) -> list[int]:
    """Answers, a line each: names of `classes` or places among them; any words where no classes are given.

    Where a class is called as another one's place, names alone are taken: 1 to 5 stars are places 0 to 4.
    """
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if len(lines) != count:
        raise UserError(f"{path} has {len(lines)} answers to {count} questions; give a line for each")
    if missing := [number for number, line in enumerate(lines, 1) if not line]:
        raise UserError(f"line {missing[0]} of {path} is empty; every question needs an answer")
    if classes is None:
        places = {word: place for place, word in enumerate(dict.fromkeys(lines))}
    else:
        places = {name: place for place, name in enumerate(classes)} | ({} if _clash(classes) else _places(classes))
    if unknown := [(number, line) for number, line in enumerate(lines, 1) if line not in places]:
        number, line = unknown[0]
        or_places = "" if _clash(classes) else f" or 0 to {len(classes) - 1}"
        raise UserError(
            f"line {number} of {path} says {line!r}, which is no class; take {', '.join(classes)}{or_places}, or "
            "OTHER_TASK=True if its classes are others"
        )
    return [places[line] for line in lines]


def _places(classes: tuple[str, ...]) -> dict[str, int]:
    return {str(place): place for place in range(len(classes))}


def _clash(classes: tuple[str, ...]) -> bool:
    places = _places(classes)
    return any(places.get(name, place) != place for place, name in enumerate(classes))
