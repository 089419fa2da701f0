"""A suspect that can only be asked: the queries for it, and the verdict on its responses."""

import json
import math
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from fingerprinting.calibrated import p_values, verdicts
from fingerprinting.calibrated.contents import CalibratedFingerprint
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
LARGEST = 10_000_000  # bytes of a file that is read here; responses to some hundred queries are far smaller
SHOWN = 40  # characters of a response in a sentence
NUMBER = re.compile(r"\+?[0-9]+(\.[0-9]*)?(e\+?[0-9]+)?")  # also as NumPy's savetxt writes it: 3.000e+00


def judge(study: Study, *, queries: str, responses: str, other_task: bool, alpha: float, beta: float, tail: str) -> str:
    """Write the queries, or pass the verdict on responses to them. It is no step of a study: nothing is recorded."""
    verdicts.check_rates(alpha, beta, tail)
    source_sha256 = trained.weights_sha256(study, study.source_id)
    fingerprint, folder = store.load(study, METHOD, source_sha256), Path(queries)
    _check_support(fingerprint, other_task, alpha, tail)
    warnings = _warnings(study, fingerprint, other_task, alpha)
    if responses:
        _check_queries(folder, fingerprint)
        measured = _judged(study, fingerprint, Path(responses), other_task, alpha, beta, tail)
        found = measured | {"warnings": warnings}
        storage.write_text(folder / VERDICT, json.dumps(found, indent=1) + "\n")
        print("\n".join([*page(found), "", f"the same as JSON: {folder / VERDICT}"]))
    else:
        print("\n".join([_asked(study, fingerprint, folder), *(f"Warning: {one}." for one in warnings)]))
    return SKIPPED


def _check_support(fingerprint: Fingerprint, other_task: bool, alpha: float, tail: str) -> None:
    """Said before a suspect is asked, which may be possible only once."""
    n = len(CalibratedFingerprint.of(fingerprint).calibration(other_task=other_task).independent)
    if p_values.extrapolated(alpha, n) and tail == "conformal":
        raise UserError(
            f"{n} calibration models support no ALPHA below {_rounded_up(1 / (1 + n))}; give a higher one, or "
            "calibration.py more copies"
        )


def _rounded_up(share: float) -> str:
    return f"{math.ceil(share * 1000) / 1000:.3f}"


def _asked(study: Study, fingerprint: Fingerprint, folder: Path) -> str:
    """Write the queries and, after them, the control queries, as arrays and, where inputs are read, as texts."""
    _check_free(study, folder)
    inputs = torch.cat([fingerprint.inputs, CalibratedFingerprint.of(fingerprint).controls.inputs])
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
        "shape": list(inputs.shape[1:]),
        "dtype": str(inputs.numpy().dtype),
        "classes": list(study.classes),
    }
    storage.write_text(folder / ABOUT, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    by = "by its name" if _clash(study.classes) else "by its name or its place from 0"
    return (
        f"{len(inputs)} queries are in {written}.\n"
        f"Query the suspect with all of them, write its responses to a file, a line each and in this order (a class of "
        f"{ABOUT}, {by}), and run the same command with RESPONSES=that file."
    )


def _judged(
    study: Study, fingerprint: Fingerprint, path: Path, other_task: bool, alpha: float, beta: float, tail: str
) -> dict:
    n, controls = len(fingerprint), len(CalibratedFingerprint.of(fingerprint).controls)
    classes = None if other_task else study.classes
    labels = torch.tensor(read(path, n + controls, classes))
    found = verdicts.measured(fingerprint, labels[:n], None if other_task else labels[n:], alpha, beta, tail)
    return {
        "study": study.folder,
        "fingerprint_sha256": fingerprint.metadata["sha256"],
        "queries": n,
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


def _check_queries(folder: Path, fingerprint: Fingerprint) -> None:
    path = folder / ABOUT
    if not path.is_file():
        raise UserError(f"{path} is missing; run judge.py without RESPONSES first, or give QUERIES=its folder")
    if _about(path).get("fingerprint_sha256") != fingerprint.metadata["sha256"]:
        raise UserError(
            f"the queries in {folder} are of another fingerprint than is there now; run judge.py without RESPONSES "
            "and ask the suspect again"
        )


def _about(path: Path) -> dict:
    """What stands in queries.json."""
    try:
        about = json.loads(_text(path))
    except (ValueError, RecursionError):  # no JSON, a number of too many digits, brackets without end
        about = None
    if not (isinstance(about, dict) and isinstance(about.get("study"), str)):
        raise UserError(f"{path} is damaged; delete it and run judge.py without RESPONSES again")
    return about


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise UserError(f"{path} is no file" if path.exists() else f"{path} does not exist")
        if (size := path.stat().st_size) > LARGEST:
            raise UserError(f"{path} has {size} bytes, far too many to be read here; give another file")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); give another file") from None
    if "\0" in text:  # UTF-16, or a picture
        raise UserError(f"{path} is no text in UTF-8; save it as one")
    return text


def read(path: Path, count: int, classes: tuple[str, ...] | None) -> list[int]:
    """The responses in a file, as `parse` has them."""
    return parse(_text(path), count, classes, path)


def parse(text: str, count: int, classes: tuple[str, ...] | None, path: Path) -> list[int]:
    """Responses, a line each: names of `classes` or places among them; any words where no classes are given.

    Lines end in LF, CRLF or CR and nowhere else; blanks around a response, byte order marks and empty lines after the
    last one do not count. Where a class is called as another one's place, names alone are taken: 1 to 5 stars are
    places 0 to 4.
    """
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text.replace("\ufeff", ""))]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) != count:
        raise UserError(f"{path} has {len(lines)} responses to {count} queries; give a line for each")
    if missing := [number for number, line in enumerate(lines, 1) if not line]:
        raise UserError(f"line {missing[0]} of {path} is empty; every query needs a response")
    if classes is None:
        places = {word: place for place, word in enumerate(dict.fromkeys(lines))}
        return [places[line] for line in lines]
    known = _known(classes)
    found = [place for line in lines if (place := _place(line, known)) is not None]
    if len(found) < len(lines):
        number = next(number for number, line in enumerate(lines) if _place(line, known) is None)
        said = lines[number] if len(lines[number]) <= SHOWN else lines[number][:SHOWN] + "…"
        or_places = "" if _clash(classes) else f" or 0 to {len(classes) - 1}"
        raise UserError(
            f"line {number + 1} of {path} says {said!r}, which is no class; take {', '.join(classes)}{or_places}, or "
            "OTHER_TASK=True if its classes are others"
        )
    return found


Known = list[tuple[Callable[[str], str], dict[str, int]]]  # ways to spell, and what is so spelt -> place of a class


def _known(classes: tuple[str, ...]) -> Known:
    """From the strictest spelling on; one that makes two names alike is left out."""
    names: Known = [(spelt, {spelt(name): place for place, name in enumerate(classes)}) for spelt in SPELLINGS]
    names = [(spelt, places) for spelt, places in names if len(places) == len(classes)]
    return names if _clash(classes) else [*names, (_as_number, _places(classes))]


def _place(line: str, known: Known) -> int | None:
    return next((places[spelt(line)] for spelt, places in known if spelt(line) in places), None)


def _in_any_case(text: str) -> str:
    """Ａ, A and a are one letter, and so is an accent that stands alone with its letter."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _as_number(text: str) -> str:
    """3.0, 3e+00 and 03 are 3."""
    word = _in_any_case(text)
    number = float(word) if NUMBER.fullmatch(word) else math.nan
    return f"{number:.0f}" if number.is_integer() else word


SPELLINGS: tuple[Callable[[str], str], ...] = (str.strip, _in_any_case, _as_number)


def _places(classes: tuple[str, ...]) -> dict[str, int]:
    return {str(place): place for place in range(len(classes))}


def _clash(classes: tuple[str, ...]) -> bool:
    places = _places(classes)
    return any(places.get(_as_number(name), place) != place for place, name in enumerate(classes))
