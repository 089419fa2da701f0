"""EDF and EDF+ as mne reads them, with what mne passes over in silence refused."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bci.recordings import mne
from fingerprinting.core import storage
from fingerprinting.core.errors import UserError

# How mne's warnings begin that speak of samples which are not those that were recorded.
DAMAGES = "Number of records|Scaling factor|Physical range|Header information is incorrect"
VOLTS = ("\xb5V", "mV", "V")  # units that mne knows, and converts to volt


def read(path: Path, electrodes: tuple[str, ...], rates: tuple[int, ...]) -> Any:
    """mne's Raw of the recording with those electrodes alone, in that order, at one of the rates.

    Labels are recognised in any case, and without the full stops with which PhysioNet fills them.
    """
    with storage.reading(path, "get it again, see data/README.md"):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", DAMAGES)
        try:
            raw = mne().io.read_raw_edf(path, encoding="latin1", verbose="warning")
        except Exception as error:  # mne has no error of its own for what is no EDF
            reason = " ".join(str(error).split(".")[0].split()) or type(error).__name__
            raise UserError(f"{path} is no EDF file, or truncated or damaged ({reason}); get the file again") from None
    names = [_name(electrode, raw.ch_names, path) for electrode in electrodes]
    for name in names:
        if raw._orig_units[name] not in VOLTS:
            raise UserError(f"{path} gives {name} in none of uV, mV and V; convert it to uV")
    if raw.info["sfreq"] not in rates:
        wanted = " or ".join(map(str, rates))
        raise UserError(f"{path} has {raw.info['sfreq']:g} samples a second, not {wanted}; take another file")
    return raw.pick(names)


def microvolt(raw: Any, begin: float = 0.0, end: float = np.inf) -> np.ndarray:
    """(electrodes, samples) float64 of the seconds from `begin` to `end`, less where the recording is shorter."""
    rate = raw.info["sfreq"]
    return 1e6 * raw.get_data(start=round(begin * rate), stop=min(len(raw.times), round(min(end, 1e9) * rate)))


def _name(electrode: str, labels: list[str], path: Path) -> str:
    found = [label for label in labels if label.rstrip(".").lower() == electrode.lower()]
    if len(found) != 1:
        said = f"holds {electrode} {len(found)} times" if found else f"lacks {electrode}"
        raise UserError(f"{path} has {len(labels)} channels and {said}; take another file")
    return found[0]
