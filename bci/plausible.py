"""Evolving EEG so that it stays EEG: inside the amplitude range and the pass band of the recording it was made from.

The published step is for pixels in [0, 1]. Here a change is counted in shares of the recording's peak-to-peak
amplitude, which is what 1 is to an image; in microvolt the same constants would move nothing.
"""

import torch
from torch import nn

from fingerprinting.fingerprints.queries.evolved import Evolution
from fingerprinting.fingerprints.queries.evolved import evolve as evolve_by_gradient

TAIL = 1e-3  # share of a recording's power that lies below its pass band, and above it
ROUNDS = 4  # projections on band and range in turn: after one, clipped tips leave 4% of the power outside, now 0.1%
UNBOUNDED = (-float("inf"), float("inf"))  # a change has no bounds of its own, what it leads to has


def evolve(
    model: nn.Module,
    inputs: torch.Tensor,
    confident: torch.Tensor,
    constants: Evolution,
    bounds: tuple[float, float],
) -> torch.Tensor:
    """Evolved copies of recordings (N, channels, samples); confident (N,) tells which of the two rules applies."""
    evolved = inputs.clone()
    for chosen in (confident, ~confident):
        if chosen.any():
            plausible = Plausible(inputs[chosen], bounds)
            still = torch.zeros_like(inputs[chosen])
            change = evolve_by_gradient(nn.Sequential(plausible, model), still, confident[chosen], constants, UNBOUNDED)
            evolved[chosen] = plausible(change)
    return evolved


class Plausible(nn.Module):
    """Recordings (N, channels, samples), and what a change of them, in shares of their amplitude, makes of them."""

    def __init__(self, recordings: torch.Tensor, bounds: tuple[float, float]) -> None:
        super().__init__()
        self.recordings = recordings
        self.low = recordings.amin(2, keepdim=True).clamp_min(bounds[0])
        self.high = recordings.amax(2, keepdim=True).clamp_max(bounds[1])
        self.amplitude = self.high.amax(1, keepdim=True) - self.low.amin(1, keepdim=True)
        self.band = pass_band(recordings)

    def forward(self, change: torch.Tensor) -> torch.Tensor:
        moved = self.recordings + change * self.amplitude
        for _ in range(ROUNDS):
            spectrum = torch.fft.rfft(moved - self.recordings) * self.band
            moved = self.recordings + torch.fft.irfft(spectrum, n=change.shape[2])
            moved = torch.minimum(torch.maximum(moved, self.low), self.high)
        return moved


def pass_band(recordings: torch.Tensor) -> torch.Tensor:
    """Mask (N, 1, samples // 2 + 1) of the frequencies between a recording's outer TAILs of power, all channels'.

    The level, which may outweigh all else, is not counted; it belongs to the band where the lowest frequency does.
    """
    power = torch.fft.rfft(recordings)[..., 1:].abs().square().sum(1, keepdim=True)
    share = power / power.sum(2, keepdim=True).clamp_min(torch.finfo(power.dtype).tiny)
    up_to = share.cumsum(2)
    band = (up_to > TAIL) & (1 - up_to + share > TAIL)
    return torch.cat([band[..., :1], band], 2)
