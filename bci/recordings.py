"""What all EEG sets share: unit, rate and range, the checks of a recording, and the cutting of trials into windows.

An input is float32 (channels, samples), in microvolt at RATE.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.signal import resample_poly

from fingerprinting.examples import Dataset, Examples
from fingerprinting.runtime import UserError

RATE = 128  # samples a second, DEAP's; recordings of other rates are resampled
# Wider than what the recorders reach: SCP1's amplifier measures +-1000, Blink's headband 0 to 1650. Of long trials,
# windows beyond it are left out as artefacts.
INPUT_RANGE = (-2000.0, 2000.0)
WINDOW = RATE  # samples; emotion sets are cut into windows of a second
HELD_OUT = 10  # of ten trials (or subjects) of long recordings one is test and one is dev
EMOTION_CLASSES = ("low valence", "high valence")
VALENCE_THRESHOLD = 5  # of ratings from 1 to 9


@dataclass(frozen=True)
class Trial:
    """signal (channels, samples), baseline removed; its class; who was recorded."""

    signal: np.ndarray
    label: int
    subject: str


def resampled(signals: np.ndarray, rate: int) -> np.ndarray:
    """(..., samples) at `rate` -> the same at RATE; a polyphase filter keeps out what RATE cannot carry."""
    return resample_poly(signals, RATE, rate, axis=-1, padtype="line")


def check(signals: np.ndarray, path: Path) -> None:
    """Refuses (trials, channels, samples) in microvolt with gaps, a dead electrode or an implausible scale."""
    if not np.isfinite(signals).all():
        raise UserError(f"{path} holds NaN or infinite values; fill the gaps or leave the recording out")
    flat = np.flatnonzero((signals == signals[..., :1]).all((0, 2)))
    if len(flat):
        raise UserError(
            f"channel {flat[0] + 1} of {path} is flat; interpolate the electrode or leave the recording out"
        )


def check_scale(amplitude: float, path: Path) -> None:
    """Refuses what cannot be microvolt, judged by INPUT_RANGE."""
    if amplitude > INPUT_RANGE[1]:
        raise UserError(
            f"{path} has amplitudes of {amplitude:.0f} where EEG in microvolt stays below {INPUT_RANGE[1]:.0f}; "
            "convert its unit"
        )


def windowed(name: str, trials: list[Trial], by_subject: bool) -> Dataset:
    """The trials' windows; test and dev are whole trials, or whole subjects, and the pool is grouped likewise."""
    places = _subjects(trials) if by_subject else _trials(trials)
    parts = {"test": places % HELD_OUT == 0, "dev": places % HELD_OUT == 1, "pool": places % HELD_OUT > 1}
    groups = places if by_subject else np.arange(len(trials))
    examples, counts = {}, {}
    for part, chosen in parts.items():
        cut = [_windows(trial.signal) for trial, own in zip(trials, chosen, strict=True) if own]
        if not sum(len(windows) for windows in cut):
            raise UserError(
                f"{name} has {len(trials)} trials of {len({trial.subject for trial in trials})} subjects, which leaves "
                f"nothing for its {part} part; give more recordings"
            )
        counts[part] = torch.tensor([len(windows) for windows in cut])
        labels = torch.tensor([trial.label for trial, own in zip(trials, chosen, strict=True) if own])
        examples[part] = Examples(torch.cat(cut), labels.repeat_interleave(counts[part]))
    groups = torch.from_numpy(groups[parts["pool"]]).repeat_interleave(counts["pool"])
    return Dataset(name, EMOTION_CLASSES, examples["pool"], examples["test"], examples["dev"], groups)


def _windows(signal: np.ndarray) -> torch.Tensor:
    """(windows, channels, WINDOW) of a trial, end to end, without those beyond INPUT_RANGE."""
    whole = signal[:, : signal.shape[1] // WINDOW * WINDOW]
    cut = torch.from_numpy(whole.astype(np.float32)).unflatten(1, (-1, WINDOW)).transpose(0, 1)
    return cut[cut.abs().amax((1, 2)) <= INPUT_RANGE[1]]


def _subjects(trials: list[Trial]) -> np.ndarray:
    """(trials,): the place of each trial's subject among all subjects."""
    return np.unique([trial.subject for trial in trials], return_inverse=True)[1]


def _trials(trials: list[Trial]) -> np.ndarray:
    """(trials,): the place of each trial among all of its class, so that every class is held out alike."""
    labels = np.array([trial.label for trial in trials])
    places = np.empty(len(labels), int)
    for label in np.unique(labels):
        places[labels == label] = np.arange((labels == label).sum())
    return places
