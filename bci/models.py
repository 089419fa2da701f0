"""EEG classifiers written from their papers, for any number of electrodes and samples.

All take EEG (N, channels, samples) in microvolt at RATE; the first layer scales. What the papers give in samples is
kept in seconds, and convolutions are padded, so that short windows pass all poolings.
"""

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from bci.recordings import RATE
from fingerprinting.study.domain import Architecture

Shape = tuple[int, ...]

UNIT = 50.0  # microvolt; a usual amplitude of EEG
SEGMENT = RATE // 4  # samples; CCNN's maps have a column per segment, whose spectrum has a bin every 4 Hz
BANDS = ((1, 2), (2, 4), (4, 8), (8, 13))  # first bin and the one behind the last: theta, alpha, beta, gamma
NOISE = 1.0  # microvolt; the amplitude above which a band's entropy is counted
QUIET = 0.01  # ShallowConvNet: powers below it, where a batch's mean is about 1, count as silence


def odd(seconds: float) -> int:
    """About that many seconds in samples; odd, so that a kernel has a middle."""
    return round(seconds * RATE) // 2 * 2 + 1


class Scale(nn.Module):
    """(N, channels, samples) in microvolt -> (N, 1, channels, samples) of about 1; the same for every model."""

    def forward(self, eeg: torch.Tensor) -> torch.Tensor:
        return eeg[:, None] / UNIT


class Electrodes(nn.Conv2d):
    """EEGNet's convolution across electrodes, `depth` filters for each map, of norm 1 at most."""

    def __init__(self, maps: int, depth: int, channels: int) -> None:
        super().__init__(maps, maps * depth, (channels, 1), groups=maps, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return F.conv2d(features, self.weight.renorm(2, 0, 1.0), groups=self.groups)


class LogPower(nn.Module):
    """ShallowConvNet's logarithm of the mean square over 0.3 s, every 0.06 s; 0 for silence, hence for masked units."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        power = F.avg_pool2d(features.square(), (1, odd(0.3)), (1, round(0.06 * RATE)))
        return (power.clamp_min(QUIET) / QUIET).log()


class BandMaps(nn.Module):
    """CCNN's input, made of the signal: (N, 1, channels, samples) -> (N, 1 + bands, channels, segments).

    A map of channels x time stands in for the paper's map of the scalp, since not every set says where its electrodes
    were. Its planes are the paper's differential entropies of four bands (of Gaussian noise: half the logarithm of its
    variance, here relative to NOISE) and the segment's mean level, which carries slow potentials.
    """

    def forward(self, scaled: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(scaled[:, 0].unfold(2, SEGMENT, SEGMENT)) / SEGMENT
        power = 2 * (spectrum.real.square() + spectrum.imag.square()) * (UNIT / NOISE) ** 2
        entropies = [0.5 * power[..., first:end].sum(3).log1p() for first, end in BANDS]
        return torch.stack([spectrum.real[..., 0], *entropies], 1)


class FiltersInOne(nn.Sequential):
    """Layers of which the first two, filters in time and filters across all electrodes, run as the one convolution that
    they amount to: the maps of each electrode, which are most of the arithmetic, are never made.

    (N, 1, channels, samples) -> (N, maps, 1, samples) behind the second. Where hooks listen, layer runs after layer.
    """

    def forward(self, scaled: torch.Tensor) -> torch.Tensor:
        in_time, across, *others = self
        if any(layer._forward_hooks or layer._forward_pre_hooks for layer in (in_time, across)):
            return super().forward(scaled)
        mixed = across.get_parameter("weight")[..., 0]  # (maps, maps in time, channels)
        kernel = torch.einsum("omc,mt->oct", mixed, in_time.get_parameter("weight")[:, 0, 0])
        bias = torch.einsum("omc,m->o", mixed, in_time.get_parameter("bias"))
        features = F.conv1d(scaled[:, 0], kernel, bias, padding=kernel.shape[2] // 2)[:, :, None]
        for layer in others:
            features = layer(features)
        return features


class ChannelsFirst(nn.Sequential):
    """A classifier that is faster in torch's usual layout on a CPU, where others are with channels last."""

    memory_format = torch.contiguous_format


class Branches(nn.Module):
    """Modules side by side on one input, their outputs joined along `dim`."""

    def __init__(self, dim: int, *branches: nn.Module) -> None:
        super().__init__()
        self.dim, self.branches = dim, nn.ModuleList(branches)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(features) for branch in self.branches], self.dim)


def _temporal(inputs: int, outputs: int, seconds: float, **options) -> nn.Conv2d:
    size = odd(seconds)
    return nn.Conv2d(inputs, outputs, (1, size), padding=(0, size // 2), **options)


def _pool(kind: type[nn.Module], size: int) -> nn.Module:
    return kind((1, size), ceil_mode=True)


def _classifier(
    body: list[nn.Module],
    classes: int,
    shape: Shape,
    whole: type[nn.Sequential] = nn.Sequential,
    inner: type[nn.Sequential] = nn.Sequential,
) -> nn.Sequential:
    features = inner(*body)
    with torch.no_grad():
        width = features.eval()(torch.zeros(1, 1, *shape)).shape[1]
    features.train()
    return whole(Scale(), features, nn.Linear(width, classes))


def eegnet(classes: int, shape: Shape) -> nn.Module:
    """EEGNet-8,2 (Lawhern et al. 2018): filters in time, per filter across electrodes, then a separable convolution."""
    body = [_temporal(1, 8, 0.5, bias=False), nn.BatchNorm2d(8)]
    body += [Electrodes(8, 2, shape[0]), nn.BatchNorm2d(16), nn.ELU(), _pool(nn.AvgPool2d, 4), nn.Dropout(0.5)]
    body += [_temporal(16, 16, 0.125, groups=16, bias=False), nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16)]
    body += [nn.ELU(), _pool(nn.AvgPool2d, 8), nn.Dropout(0.5), nn.Flatten()]
    return _classifier(body, classes, shape)


def shallow(classes: int, shape: Shape) -> nn.Module:
    """ShallowConvNet (Schirrmeister et al. 2017): filters in time and space, then the logarithm of their power."""
    body = [_temporal(1, 40, 0.1), nn.Conv2d(40, 40, (shape[0], 1), bias=False), nn.BatchNorm2d(40)]
    return _classifier([*body, LogPower(), nn.Dropout(0.5), nn.Flatten()], classes, shape, inner=FiltersInOne)


def deep(classes: int, shape: Shape) -> nn.Module:
    """DeepConvNet (Schirrmeister et al. 2017): four blocks of convolution and max pooling, 25-50-100-200 maps."""
    body: list[nn.Module] = [_temporal(1, 25, 0.04), nn.Conv2d(25, 25, (shape[0], 1), bias=False)]
    body += [nn.BatchNorm2d(25), nn.ELU(), _pool(nn.MaxPool2d, 3)]
    for inputs, outputs in ((25, 50), (50, 100), (100, 200)):
        body += [nn.Dropout(0.5), _temporal(inputs, outputs, 0.04, bias=False)]
        body += [nn.BatchNorm2d(outputs), nn.ELU(), _pool(nn.MaxPool2d, 3)]
    return _classifier([*body, nn.Flatten()], classes, shape, inner=FiltersInOne)


def tsception(classes: int, shape: Shape) -> nn.Module:
    """TSception (Ding et al. 2022): kernels of three lengths in time, then of all electrodes and of either half.

    With its 15 maps channels first are faster (benchmarks/layouts.py).
    """

    def block(convolution: nn.Conv2d, pool: int) -> list[nn.Module]:
        return [convolution, nn.LeakyReLU(), _pool(nn.AvgPool2d, pool)]

    half = max(1, shape[0] // 2)
    lengths = [nn.Sequential(*block(_temporal(1, 15, seconds), 8)) for seconds in (0.5, 0.25, 0.125)]
    whole = nn.Sequential(*block(nn.Conv2d(15, 15, (shape[0], 1)), 2))
    halves = nn.Sequential(*block(nn.Conv2d(15, 15, (half, 1), (half, 1)), 2))
    body = [Branches(3, *lengths), nn.BatchNorm2d(15), Branches(2, whole, halves), nn.BatchNorm2d(15)]
    body += [*block(nn.Conv2d(15, 15, (1 + shape[0] // half, 1)), 4), nn.BatchNorm2d(15)]
    body += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(15, 32), nn.ReLU(), nn.Dropout(0.5)]
    return _classifier(body, classes, shape, ChannelsFirst)


def ccnn(width: int):
    """CCNN (Yang et al. 2018): three 4 x 4 convolutions and a 1 x 1 on band maps; `width` is 64 in the paper.

    Batch norm is added, without which so few trials are learnt worse.
    """

    def build(classes: int, shape: Shape) -> nn.Module:
        planes = (1 + len(BANDS), width, 2 * width, 4 * width)
        body: list[nn.Module] = [BandMaps(), nn.BatchNorm2d(planes[0])]
        for inputs, outputs in zip(planes, planes[1:], strict=False):
            body += [nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(inputs, outputs, 4), nn.BatchNorm2d(outputs), nn.ReLU()]
        body += [nn.Conv2d(4 * width, width, 1), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.25), nn.Flatten()]
        body += [nn.Linear(width * shape[0] * (shape[1] // SEGMENT), 16 * width), nn.ReLU(), nn.Dropout(0.25)]
        return _classifier(body, classes, shape)

    return build


ARCHITECTURES = {
    "eegnet": Architecture(eegnet),
    "shallow": Architecture(shallow),
    "deep": Architecture(deep),
    "tsception": Architecture(tsception),
    "ccnn": Architecture(ccnn(64)),
    "ccnn_small": Architecture(ccnn(12)),
}
