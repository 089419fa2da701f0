"""What can be done to recordings: augmentation, mixing, filters, drawing."""

import torch
import torch.nn.functional as F  # the field's standard name
from scipy.signal import butter, savgol_filter, sosfiltfilt

from bci.models import odd
from bci.recordings import RATE
from fingerprinting.robustness import autoencoder
from fingerprinting.robustness.attacker import Detector
from fingerprinting.robustness.evasion import QueryDetector

SHIFT = RATE // 16  # samples by which augmentation moves a recording at most
BAND = (0.5, 40.0)  # Hz; the pass band that EEG is usually filtered to before it is looked at
SMOOTHING = 0.1  # seconds over which an attacker smooths recordings
JITTER = 0.1  # augmentation's noise, as a share of each channel's deviation


def shifted_and_noisy(eeg: torch.Tensor) -> torch.Tensor:
    """Augmentation: one shift in time for the batch, ends repeated, and noise on channels that carry a signal."""
    start = int(torch.randint(0, 2 * SHIFT + 1, ()))
    moved = F.pad(eeg, (SHIFT, SHIFT), mode="replicate")[..., start : start + eeg.shape[-1]]
    return moved + JITTER * eeg.std(2, keepdim=True) * torch.randn_like(eeg)


def spliced(first: torch.Tensor, second: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One recording (N, channels, samples) up to a moment in its middle half, another one from there on."""
    samples = first.shape[2]
    moment = torch.randint(samples // 4, 3 * samples // 4 + 1, (len(first), 1, 1), generator=generator)
    return torch.where(torch.arange(samples) < moment, first, second)


def band_passed(eeg: torch.Tensor) -> torch.Tensor:
    """Recordings (N, channels, samples) in BAND: a Butterworth filter of order 4, run both ways; levels are kept."""
    sections = butter(4, BAND, "bandpass", fs=RATE, output="sos")
    level = eeg.mean(2, keepdim=True)
    return level + torch.from_numpy(sosfiltfilt(sections, (eeg - level).numpy(), axis=2).astype("float32"))


def smoothed(eeg: torch.Tensor) -> torch.Tensor:
    """Recordings (N, channels, samples) under a cubic Savitzky-Golay filter."""
    return torch.from_numpy(savgol_filter(eeg.numpy(), odd(SMOOTHING), 3, axis=2).astype("float32"))


def query_detector(
    inputs: torch.Tensor, detector: Detector, name: str, device: torch.device, bounds: tuple[float, float]
) -> QueryDetector:
    """The autoencoder's flags; it returns its reconstructions, or filtered recordings."""
    found = autoencoder.query_detector(inputs, detector, name, device, bounds)
    filters = {"band_passed": band_passed, "smoothed": smoothed}
    return QueryDetector(found.score, {**found.erasures, **filters})


def show(axis, eeg: torch.Tensor) -> None:
    """Draw (channels, samples) as stacked traces, the first on top; channels without a signal are left out."""
    traces = eeg[eeg.any(1)] - eeg[eeg.any(1)].mean(1, keepdim=True)
    height = float(traces.max() - traces.min()) if len(traces) else 1.0
    axis.plot((traces - height * torch.arange(len(traces))[:, None]).T.numpy(), linewidth=0.6, color="#333333")
    axis.margins(y=0.15)
    axis.text(0.02, 0.02, f"{height:.0f} \N{MICRO SIGN}V", fontsize=6, transform=axis.transAxes)
