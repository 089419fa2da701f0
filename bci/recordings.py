"""What all EEG sets share: unit, rate and range, the checks of a recording, and the cutting of trials into windows.

An input is float32 (channels, samples), in microvolt at RATE.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from scipy.signal import resample_poly

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Dataset, Examples

RATE = 128  # samples a second, DEAP's; recordings of other rates are resampled
# Wider than what the recorders reach: SCP1's amplifier measures +-1000, Blink's headband 0 to 1650. Of long trials,
# windows beyond it are left out as artefacts.
INPUT_RANGE = (-2000.0, 2000.0)
WINDOW = RATE  # samples; emotion sets are cut into windows of a second
HELD_OUT = 10  # of ten trials (or subjects) of long recordings one is test and one is dev
EMOTION_CLASSES = ("low valence", "high valence")
RATINGS = (1, 9)  # the scale on which people say what they felt
VALENCE_THRESHOLD = 5  # of such a rating
# Median amplitude of an electrode's signal, microvolt: SCP1 has 6, Blink 13 to 26, standardised signals .7. A thousand
# times less or more is another unit.
AMPLITUDES = (0.1, 1000.0)
MICROVOLTS = {"millivolt": 1e3, "volt": 1e6, "nanovolt": 1e-3}
CHANNEL_RATIO = 300  # electrodes of one unit differ by less; the next unit is 1000 away


@dataclass(frozen=True)
class Trial:
    """signal (channels, samples), baseline removed; its class; who was recorded; the file, and its place in it."""

    signal: np.ndarray
    label: int
    subject: str
    origin: str
    stratum: str = ""  # people of one kind, which every party gets its share of; nothing is learnt from it


def mne() -> ModuleType:
    """mne, which is slow to import and needed by some sets only."""
    try:
        import mne
    except ModuleNotFoundError:
        raise UserError("this data set is read by mne, which is not there; run pip install mne") from None
    return mne


def visible(folder: Path, suffix: str) -> list[Path]:
    """A folder's files of that suffix in any case, by name; hidden ones, such as a Mac's `._x.bdf`, are never data."""
    found = (path for path in storage.visible(folder) if path.suffix.lower() == suffix and path.is_file())
    return sorted(found, key=lambda path: path.name.lower())


def only(candidates: list[Path], what: str) -> Path:
    """The one candidate; of several none is taken unasked."""
    if len(candidates) > 1:
        first, second = candidates[0], candidates[1].name
        raise UserError(f"{first} and {second} are two {what}; keep one of them")
    return candidates[0]


def classes_of(valence: np.ndarray) -> np.ndarray:
    """(N,) ratings -> (N,) places in EMOTION_CLASSES."""
    return (valence > VALENCE_THRESHOLD).astype(int)


def resampled(signals: np.ndarray, rate: int) -> np.ndarray:
    """(..., samples) at `rate` -> the same at RATE; a polyphase filter keeps out what RATE cannot carry."""
    return resample_poly(signals, RATE, rate, axis=-1, padtype="line")


def check(signals: np.ndarray, path: Path) -> None:
    """Refuses (trials, channels, samples) with gaps or a dead electrode."""
    if not np.isfinite(signals).all():
        raise UserError(f"{path} holds NaN or infinite values; fill the gaps or leave the recording out")
    flat = np.flatnonzero((signals == signals[..., :1]).all((0, 2)))
    if len(flat):
        raise UserError(
            f"channel {flat[0] + 1} of {path} is flat; interpolate the electrode or leave the recording out"
        )


def check_unit(signals: np.ndarray, path: Path) -> None:
    """Refuses (trials, channels, samples) that cannot be microvolt, or of which one channel has another unit.

    An amplitude is the median distance from a trial's own median, so that neither a level nor artefacts count.
    """
    distances = np.abs(signals - np.median(signals, axis=2, keepdims=True))
    amplitudes = np.median(distances, axis=(0, 2))
    usual = np.median(amplitudes)
    if not AMPLITUDES[0] <= usual <= AMPLITUDES[1]:
        raise UserError(
            f"{path} has amplitudes of {usual:.2g} where EEG in microvolt has {AMPLITUDES[0]:g} to {AMPLITUDES[1]:g}; "
            f"{_conversion(usual, *AMPLITUDES)}"
        )
    ratios = np.maximum(amplitudes, 1e-30) / usual
    odd = int(np.abs(np.log(ratios)).argmax())
    if not 1 / CHANNEL_RATIO <= ratios[odd] <= CHANNEL_RATIO:
        conversion = _conversion(amplitudes[odd], usual / CHANNEL_RATIO, usual * CHANNEL_RATIO)
        raise UserError(
            f"channel {odd + 1} of {path} has amplitudes of {amplitudes[odd]:.2g} where the others have {usual:.2g}; "
            f"{conversion}, or interpolate the electrode"
        )


def _conversion(amplitude: float, lowest: float, highest: float) -> str:
    """What to do with a signal of that amplitude, so that it lies between the two."""
    for unit, factor in MICROVOLTS.items():
        if lowest <= amplitude * factor <= highest:
            return f"this looks like {unit}, so multiply it by {factor:g}"
    return "convert its unit"


def check_range(signals: np.ndarray, path: Path) -> None:
    """Refuses trials (N, ...) that reach beyond INPUT_RANGE."""
    highest = np.abs(signals).reshape(len(signals), -1).max(1)
    if beyond := np.count_nonzero(highest > INPUT_RANGE[1]):
        raise UserError(
            f"{path} has values of {highest.max():.0f}, in {beyond} of {len(signals)} trials, where EEG in microvolt "
            f"stays below {INPUT_RANGE[1]:.0f}; convert its unit, or leave out the trials with artefacts"
        )


def windowed(
    name: str,
    trials: list[Trial],
    by_subject: bool,
    classes: tuple[str, ...] = EMOTION_CLASSES,
    window: int = WINDOW,
) -> Dataset:
    """The trials' windows; test and dev are whole trials, or whole subjects, and the pool is grouped likewise."""
    _check_once(trials)
    places = _subjects(trials) if by_subject else _trials(trials)
    parts = {"test": places % HELD_OUT == 0, "dev": places % HELD_OUT == 1, "pool": places % HELD_OUT > 1}
    groups = places if by_subject else np.arange(len(trials))
    strata = np.unique([trial.stratum for trial in trials], return_inverse=True)[1]
    examples, counts = {}, {}
    for part, chosen in parts.items():
        cut = [_windows(trial.signal, window) for trial, own in zip(trials, chosen, strict=True) if own]
        if not sum(len(windows) for windows in cut):
            raise UserError(
                f"{name} has {len(trials)} trials of {len({trial.subject for trial in trials})} subjects, which leaves "
                f"nothing for its {part} part; give more recordings"
            )
        counts[part] = torch.tensor([len(windows) for windows in cut])
        labels = torch.tensor([trial.label for trial, own in zip(trials, chosen, strict=True) if own])
        examples[part] = Examples(torch.cat(cut), labels.repeat_interleave(counts[part]))
    if len(found := {trial.label for trial in trials}) == 1:
        raise UserError(
            f"all {len(trials)} trials of {name} are {classes[found.pop()]}; check its labels, or give more recordings"
        )
    of_pool = [torch.from_numpy(of[parts["pool"]]).repeat_interleave(counts["pool"]) for of in (groups, strata)]
    return Dataset(name, classes, examples["pool"], examples["test"], examples["dev"], *of_pool)


def without_repeats(trials: list[Trial]) -> list[Trial]:
    """The first trial of each signal and class: what is there twice under two names would cross a split."""
    kept: dict[tuple[bytes, int], Trial] = {}
    for trial in trials:
        kept.setdefault((_digest(trial), trial.label), trial)
    return list(kept.values())


def _check_once(trials: list[Trial]) -> None:
    """Refuses a recording that is there twice: it would cross a split."""
    seen: dict[bytes, str] = {}
    for trial in trials:
        if (digest := _digest(trial)) in seen:
            raise UserError(f"{trial.origin} holds the signal of {seen[digest]} again; keep one of them")
        seen[digest] = trial.origin


def _digest(trial: Trial) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(trial.signal).data).digest()


def _windows(signal: np.ndarray, window: int = WINDOW) -> torch.Tensor:
    """(windows, channels, window) of a trial, end to end, without those beyond INPUT_RANGE."""
    whole = signal[:, : signal.shape[1] // window * window]
    cut = torch.from_numpy(whole.astype(np.float32)).unflatten(1, (-1, window)).transpose(0, 1)
    return cut[cut.abs().amax((1, 2)) <= INPUT_RANGE[1]]


def _subjects(trials: list[Trial]) -> np.ndarray:
    """(trials,): the place of each trial's subject among all subjects, one stratum after the other."""
    return np.unique([f"{trial.stratum}/{trial.subject}" for trial in trials], return_inverse=True)[1]


def _trials(trials: list[Trial]) -> np.ndarray:
    """(trials,): the place of each trial among all of its class, so that every class is held out alike."""
    labels = np.array([trial.label for trial in trials])
    places = np.empty(len(labels), int)
    for label in np.unique(labels):
        places[labels == label] = np.arange((labels == label).sum())
    return places
