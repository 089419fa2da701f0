"""The folder of a suspect's queries: written for whoever asks by hand, checked before responses to them are read."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fingerprinting.asking import encodings
from fingerprinting.asking.classes import clash
from fingerprinting.asking.texts import text_of
from fingerprinting.calibrated import stopping, verdicts
from fingerprinting.calibrated.contents import CalibratedFingerprint
from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import statements
from fingerprinting.study.study import Study

INPUTS, TEXTS, ABOUT, VERDICT = "queries.npy", "queries.txt", "queries.json", "verdict.json"
IMAGES = "images"  # folder, with a PNG for each query where they are images: 0001.png is that of line 1


@dataclass(frozen=True)
class Places:
    """Where in the order of all that is asked the queries and the control queries stand."""

    queries: range
    controls: range

    @classmethod
    def of(cls, fingerprint: Fingerprint, early: bool) -> "Places":
        n, controls = len(fingerprint), len(CalibratedFingerprint.of(fingerprint).controls)
        if early:
            return cls(range(controls, controls + n), range(controls))
        return cls(range(n), range(n, n + controls))

    def __len__(self) -> int:
        return len(self.queries) + len(self.controls)


def inputs_of(fingerprint: Fingerprint, early: bool) -> torch.Tensor:
    """All that is asked, in its order: the queries, then the control queries; early: the control queries first."""
    parts = [fingerprint.inputs, CalibratedFingerprint.of(fingerprint).controls.inputs]
    return torch.cat(parts[::-1] if early else parts)


def write(study: Study, fingerprint: Fingerprint, folder: Path, early: bool, *, by_hand: bool = True) -> str:
    """Write them as arrays and, for who asks by hand, as texts or PNGs where they are such; returns where."""
    check_free(study, folder)
    inputs = inputs_of(fingerprint, early)
    with storage.atomic(folder / INPUTS) as temporary, temporary.open("wb") as file:
        np.save(file, inputs.numpy(), allow_pickle=False)
    written = str(folder / INPUTS)
    if study.domain.inputs.describe:
        texts = [encodings.described(study.domain.inputs, one) for one in inputs.numpy()]
        storage.write_text(folder / TEXTS, "".join(f"{text}\n" for text in texts))
        written += f", the same to read in {folder / TEXTS}"
    if by_hand and encodings.are_images(study.domain.inputs, tuple(inputs.shape[1:])):
        write_images(folder / IMAGES, inputs.numpy())
        written += f", as PNGs of 8 bits in {folder / IMAGES}"
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
    return written


def write_images(folder: Path, inputs: np.ndarray) -> None:
    """A PNG each, called by its line of the responses; those of earlier queries are taken away."""
    for old in folder.glob("[0-9]*.png"):
        old.unlink()
    for number, image in enumerate(inputs, 1):
        with storage.atomic(folder / f"{number:04}.png") as temporary:
            temporary.write_bytes(encodings.png(image))


def asked_by_hand(study: Study, fingerprint: Fingerprint, folder: Path, early: bool) -> str:
    """Write the queries; what to do with them."""
    written = write(study, fingerprint, folder, early)
    by = "by its name" if clash(study.classes) else "by its name or its place from 0"
    until = (
        f"Ask as many as {listed(enough(fingerprint))} of them, and go on as long as the verdict is "
        f"{verdicts.INCONCLUSIVE}.\n"
    )
    return (
        f"{len(Places.of(fingerprint, early))} queries are in {written}.\n"
        f"{until if early else ''}"
        f"Query the suspect with all of them, write its responses to a file, a line each and in this order (a class of "
        f"{ABOUT}, {by}), and run the same command with RESPONSES=that file; SUSPECT= asks by itself."
    )


def for_asking(study: Study, fingerprint: Fingerprint, folder: Path, early: bool) -> tuple[np.ndarray, str]:
    """All that is asked (n, ...) as it lies in the folder, written there if it is not yet, and the file's sha256."""
    if (folder / ABOUT).is_file():
        check(folder, fingerprint, early)
    else:
        write(study, fingerprint, folder, early, by_hand=False)
    with storage.reading(folder / INPUTS, "run judge.py without SUSPECT to write it again") as file:
        content = file.read()
    expected = inputs_of(fingerprint, early).numpy()
    if not content.endswith(np.ascontiguousarray(expected).tobytes()):
        raise UserError(
            f"{folder / INPUTS} is not what was written there; run judge.py without SUSPECT to write it again"
        )
    return expected, statements.sha256(content)


def enough(fingerprint: Fingerprint) -> list[int]:
    """How many responses, those to the control queries included, a verdict may be passed on before all are there."""
    controls = len(CalibratedFingerprint.of(fingerprint).controls)
    return [controls + count for count in stopping.looks(len(fingerprint))]


def listed(counts: list[int]) -> str:
    *before, last = map(str, counts)
    return f"{', '.join(before)} or {last}" if before else last


def check_free(study: Study, folder: Path) -> None:
    """The queries for another source stay, with the verdict that was passed on responses to them."""
    path = folder / ABOUT
    if path.is_file() and (there := about_of(path).get("study")) != study.folder:
        raise UserError(f"{folder} holds the queries of {there}; give QUERIES=another folder")


def check(folder: Path, fingerprint: Fingerprint, early: bool) -> None:
    path = folder / ABOUT
    if not path.is_file():
        raise UserError(f"{path} is missing; run judge.py without RESPONSES first, or give QUERIES=its folder")
    if about_of(path).get("fingerprint_sha256") != fingerprint.metadata["sha256"]:
        raise UserError(
            f"the queries in {folder} are of another fingerprint than is there now; run judge.py without RESPONSES "
            "and ask the suspect again"
        )
    if (written := about_of(path).get("early", False)) != early:
        raise UserError(f"the queries in {folder} were written with EARLY={written}, in another order; give the same")


def about_of(path: Path) -> dict:
    """What stands in queries.json."""
    try:
        about = json.loads(text_of(path))
    except (ValueError, RecursionError):  # no JSON, a number of too many digits, brackets without end
        about = None
    if not (isinstance(about, dict) and isinstance(about.get("study"), str)):
        raise UserError(f"{path} is damaged; delete it and run judge.py without RESPONSES again")
    return about
