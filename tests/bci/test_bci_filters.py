"""EEG's filters: what passes and what is stopped."""

import math

import pytest
import torch

from bci.inputs import band_passed, smoothed


def tone(hertz: float) -> torch.Tensor:
    return 10 * torch.sin(2 * math.pi * hertz * torch.arange(512) / 128).view(1, 1, -1)


def kept(filtered: torch.Tensor, of: torch.Tensor) -> float:
    """Amplitude that is left, away from the ends."""
    return float(filtered[..., 128:-128].std() / of[..., 128:-128].std())


@pytest.mark.parametrize(("erase", "passed", "stopped"), [(band_passed, 10, 60), (smoothed, 2, 45)])
def test_filters_pass_slow_waves_and_stop_fast_ones(erase, passed, stopped):
    assert kept(erase(tone(passed)), tone(passed)) > 0.95
    assert kept(erase(tone(stopped)), tone(stopped)) < 0.2
    assert torch.allclose(erase(tone(passed) + 700).mean(), torch.tensor(700.0), atol=1)
    assert erase(tone(passed)).dtype == torch.float32
