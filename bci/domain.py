"""EEG: its data sets, architectures per tier and the constants that all of its steps share."""

import torch
import torch.nn.functional as F  # the field's standard name
from scipy.signal import butter, savgol_filter, sosfiltfilt

from bci import data
from bci.models import ARCHITECTURES, odd
from bci.plausible import evolve
from bci.recordings import INPUT_RANGE, RATE
from fingerprinting.robustness import autoencoder
from fingerprinting.robustness.attacker import Detector
from fingerprinting.robustness.evasion import QueryDetector
from fingerprinting.study.domain import Data, Domain, Inputs, Networks

# Of all models that are trained from scratch, but for the source; adversarial training, of whatever model, has the last
# two. Scripts import them; in a domain of your own, those that it has hold in place of these.
# On eyes, whose trials are not few, they were chosen by a source's accuracy on dev and the reference part.
EPOCHS = dict(smoke=1, quick=1, cpu=dict(eyes=2, other=1), paper=50)  # passes; of few trials MIN_UPDATES decides
LEARNING_RATE = dict(smoke=2e-2, quick=2e-2, cpu=dict(eyes=1e-2, other=2e-2), paper=1e-3)  # of the one-cycle, its peak
EPSILON = 2.0  # adversarial perturbation, infinity norm, microvolt
PGD_STEPS = dict(smoke=1, quick=1, cpu=1, paper=7)  # 1: one step to the edge, its gradient at a random start

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


DOMAIN = Domain(
    name="bci",
    data=Data(
        load=data.load,
        prepare=data.prepare,
        datasets=dict(smoke="scp1", quick="scp1", cpu="scp1", paper="deap"),
        targets=dict(scp1="blink", eyes="blink_19", eegbci="blink_64", deap="mahnob", deap_subjects="mahnob_subjects"),
        pool_size=dict(smoke=200, quick=None, cpu=None, paper=None),
        published=data.PUBLISHED,
    ),
    networks=Networks(
        architectures=ARCHITECTURES,
        source=dict(smoke="ccnn_small", quick="ccnn_small", cpu="ccnn_small", paper="ccnn"),
        students=dict(
            smoke=("eegnet", "shallow"),
            quick=("eegnet", "shallow", "deep"),
            cpu=("eegnet", "shallow", "deep", "tsception"),
            paper=("eegnet", "shallow", "deep", "tsception"),
        ),
        source_of=dict(eyes="deep"),
    ),
    inputs=Inputs(
        input_range=INPUT_RANGE,
        augment=shifted_and_noisy,
        mix=spliced,
        evolve=evolve,
        query_detector=query_detector,
        show=show,
    ),
    constants=dict(
        BATCH_SIZE=dict(smoke=32, quick=32, cpu=dict(eyes=64, other=32), paper=128),  # examples per update
        # decoupled; strong, for few trials
        WEIGHT_DECAY=dict(smoke=1.0, quick=1.0, cpu=dict(eyes=0.01, other=1.0), paper=0.01),
        MIN_UPDATES=dict(smoke=30, quick=60, cpu=120, paper=0),  # few trials are passed more often
        AUGMENT=True,  # of training examples, by the domain's augment=
    ),
)
