"""DEAP (Koelstra et al. 2012), the preprocessed Python files: 32 subjects watch 40 music videos of a minute each.

The files are band-passed from 4 to 45 Hz, referenced to the average and sampled at RATE already.
"""

import re
from pathlib import Path
from typing import TypeGuard

import numpy as np

from bci.recordings import (
    RATE,
    RATINGS,
    VALENCE_THRESHOLD,
    Trial,
    check,
    check_unit,
    classes_of,
    only,
    visible,
    windowed,
)
from fingerprinting.core import places
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Dataset
from fingerprinting.data.safe_pickle import load_arrays

FOLDER = "data_preprocessed_python"
# The first 32 of a file's 40 channels.
ELECTRODES = (
    *("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz"),
    *("Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2"),
)
CHANNELS, SCALES = 40, 4  # valence, arousal, dominance, liking
BASELINE, SECONDS = 3, 60  # seconds before a video, seconds of it
NUMBERS = "fiu"  # numpy's kinds of them, of any width and byte order
MANY = 10  # trials; in so many somebody says more than the middle of a scale at least once


def deap(name: str, by_subject: bool) -> Dataset:
    folder = places.data_dir() / "DEAP" / FOLDER
    paths = _subjects(folder)
    if not paths:
        raise UserError(f"{folder} holds no s01.dat to s32.dat; data/README.md says where they come from")
    return windowed(name, [trial for path in paths for trial in read(path)], by_subject)


def read(path: Path) -> list[Trial]:
    """The trials of a subject: `data` (trials, 40, 8064), `labels` (trials, 4) with valence first, from 1 to 9."""
    content = load_arrays(path)
    data, labels = content.get("data"), content.get("labels")
    expected = (CHANNELS, (BASELINE + SECONDS) * RATE)
    if not (_numbers(data) and data.ndim == 3 and data.shape[1:] == expected and len(data)):
        raise UserError(
            f"data of {path} is {_described(data)}, not trials of {expected[0]} channels and {expected[1]} samples "
            f"({BASELINE + SECONDS} s at {RATE} Hz); take DEAP's {FOLDER}"
        )
    if not (_numbers(labels) and labels.shape == (len(data), SCALES)):
        raise UserError(
            f"labels of {path} ({_described(labels)}) are not {SCALES} ratings for each of {len(data)} trials; "
            "get the file again"
        )
    _check_ratings(labels, path)
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and refused
        signals = data[:, : len(ELECTRODES)].astype(np.float32)
    check(signals, path)
    baseline = signals[..., : BASELINE * RATE].mean(2, keepdims=True)
    trials = signals[..., BASELINE * RATE :] - baseline
    check_unit(trials, path)
    classes = classes_of(labels[:, 0])
    return [
        Trial(trial, int(label), path.stem, f"trial {number} of {path}")
        for number, (trial, label) in enumerate(zip(trials, classes, strict=True), 1)
    ]


def _subjects(folder: Path) -> list[Path]:
    """The subjects' files by number; two of a number, such as `s01.dat` and `s01 (1).dat`, are refused."""
    numbered: dict[str, list[Path]] = {}
    for path in visible(folder, ".dat"):
        found = re.match(r"s0*(\d+)", path.stem, re.IGNORECASE | re.ASCII)
        if not found:
            raise UserError(f"{path} is not named s01.dat to s32.dat as DEAP's files are; rename it or take it away")
        numbered.setdefault(found[1], []).append(path)
    return sorted(only(paths, "files of a subject") for paths in numbered.values())


def _check_ratings(ratings: np.ndarray, path: Path) -> None:
    """Refuses what is no scale from 1 to 9: binarised, scaled, or of five steps."""
    lowest, highest = ratings.min(), ratings.max()
    if not RATINGS[0] <= lowest <= highest <= RATINGS[1]:
        raise UserError(
            f"labels of {path} run from {lowest:g} to {highest:g} where ratings are numbers from {RATINGS[0]} to "
            f"{RATINGS[1]}; give the ratings as they were published"
        )
    if len(ratings) >= MANY and highest <= VALENCE_THRESHOLD:
        raise UserError(
            f"no label of {path} is above {highest:g} in {len(ratings)} trials, so they are no ratings from "
            f"{RATINGS[0]} to {RATINGS[1]}; give the ratings as they were published"
        )


def _numbers(value) -> TypeGuard[np.ndarray]:
    return isinstance(value, np.ndarray) and value.dtype.kind in NUMBERS


def _described(value) -> str:
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
