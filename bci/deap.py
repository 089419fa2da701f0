"""DEAP (Koelstra et al. 2012), the preprocessed Python files: 32 subjects watch 40 music videos of a minute each.

The files are band-passed from 4 to 45 Hz, referenced to the average and sampled at RATE already.
"""

from pathlib import Path

import numpy as np

from bci.recordings import RATE, VALENCE_THRESHOLD, Trial, check, check_scale, windowed
from fingerprinting import files
from fingerprinting.examples import Dataset
from fingerprinting.pickles import load_arrays
from fingerprinting.runtime import UserError

FOLDER = "data_preprocessed_python"
# The first 32 of a file's 40 channels.
ELECTRODES = (
    *("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz"),
    *("Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2"),
)
CHANNELS, RATINGS = 40, 4
BASELINE, SECONDS = 3, 60  # seconds before a video, seconds of it


def deap(name: str, by_subject: bool) -> Dataset:
    folder = files.data_dir() / "DEAP" / FOLDER
    paths = sorted(folder.glob("s*.dat"))
    if not paths:
        raise UserError(f"{folder} holds no s01.dat to s32.dat; data/README.md says where they come from")
    return windowed(name, [trial for path in paths for trial in read(path)], by_subject)


def read(path: Path) -> list[Trial]:
    """The trials of a subject: `data` (trials, 40, 8064), `labels` (trials, 4) with valence first, from 1 to 9."""
    content = load_arrays(path)
    data, labels = content.get("data"), content.get("labels")
    expected = (CHANNELS, (BASELINE + SECONDS) * RATE)
    if not (isinstance(data, np.ndarray) and data.ndim == 3 and data.shape[1:] == expected and len(data)):
        raise UserError(
            f"data of {path} is {_described(data)}, not trials of {expected[0]} channels and {expected[1]} samples "
            f"({BASELINE + SECONDS} s at {RATE} Hz); take DEAP's {FOLDER}"
        )
    if not (isinstance(labels, np.ndarray) and labels.shape == (len(data), RATINGS) and np.isfinite(labels).all()):
        raise UserError(
            f"labels of {path} ({_described(labels)}) are not {RATINGS} ratings for each of {len(data)} trials; "
            "get the file again"
        )
    signals = data[:, : len(ELECTRODES)].astype(np.float32)
    check(signals, path)
    baseline = signals[..., : BASELINE * RATE].mean(2, keepdims=True)
    trials = signals[..., BASELINE * RATE :] - baseline
    check_scale(np.median(np.abs(trials)), path)
    return [
        Trial(trial, int(valence > VALENCE_THRESHOLD), path.stem)
        for trial, valence in zip(trials, labels[:, 0], strict=True)
    ]


def _described(value) -> str:
    return f"of shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
