"""mne's Epochs, and arrays of EEG, as float32 (N, channels, samples) in microvolt."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bci import recordings
from fingerprinting.core.errors import UserError
from fingerprinting.protecting.examples import LARGEST, SIGNALS, Found, numbered, too_large

MICROVOLT = 1e6  # in a volt
SHORTEST = recordings.RATE // 2  # samples, at the least: EEG networks pool so many


def epochs(path: Path) -> Found:
    """An mne file of epochs: their events are the classes; channel names and rate are its own."""
    mne = recordings.mne()
    try:
        held = mne.read_epochs(path, verbose="error", preload=False)
        size = 8 * len(held) * len(held.ch_names) * len(held.times)
        if size > LARGEST:
            raise too_large(path, size, "give fewer trials or channels")
        if len(kinds := set(held.get_channel_types())) > 1 or kinds != {"eeg"}:
            held = held.load_data().pick("eeg" if "eeg" in kinds else "data")
        signals, rate, names = held.get_data(verbose="error"), float(held.info["sfreq"]), tuple(held.ch_names)
        codes, events = {code: name for name, code in held.event_id.items()}, held.events[:, 2]
    except UserError:
        raise
    except Exception as error:  # mne raises anything over a file of another content
        raise UserError(
            f"{path} cannot be read as mne's epochs ({type(error).__name__}); save them by epochs.save()"
        ) from None
    if unnamed := sorted({int(code) for code in events} - set(codes)):
        raise UserError(f"{path} has events {unnamed[0]} without a name in event_id; name each class there")
    labels, classes = numbered(np.array([codes[int(code)] for code in events]))
    inputs, said = of_array(path, MICROVOLT * signals, rate)
    return Found(
        SIGNALS, inputs, labels, classes, [f"trial {place}" for place in range(len(inputs))], said, rate, names
    )


def of_array(path: Path, signals: np.ndarray, rate: float) -> tuple[torch.Tensor, str]:
    recordings.check(signals, path)
    recordings.check_unit(signals, path)
    recordings.check_range(signals, path)
    if signals.shape[2] < SHORTEST:
        raise UserError(f"{path} has trials of {signals.shape[2]} samples; {SHORTEST} are the least")
    kept = torch.from_numpy(np.ascontiguousarray(signals.astype(np.float32)))
    return kept, f"trials of {signals.shape[2] / rate:.2g} s at {rate:g} Hz, {signals.shape[1]} channels, microvolt"


def as_usual(found: Found) -> Found:
    """The same at the rate that this project's EEG networks are made for."""
    if found.rate == recordings.RATE:
        return found
    whole = round(found.rate)
    if abs(whole - found.rate) > 1e-3:
        raise UserError(f"RATE={found.rate:g} is no whole number; resample the trials to {recordings.RATE} Hz")
    inputs = torch.from_numpy(recordings.resampled(found.inputs.numpy(), whole).astype(np.float32))
    return replace(found, inputs=inputs, rate=recordings.RATE, said=f"{found.said}, resampled to {recordings.RATE} Hz")
