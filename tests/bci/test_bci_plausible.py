"""Evolved EEG stays EEG: inside the range and the pass band of the recording it was made from."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bci.plausible import TAIL, Plausible, evolve, pass_band
from bci.recordings import INPUT_RANGE, RATE
from fingerprinting.fingerprints.queries.evolved import Evolution
from tests.bci.test_bci_models import built, recordings

STRONG = Evolution(steps=20, learning_rate=0.05, mu=1e-5, omega=2.0, substitutions=0, candidates=0)
PUBLISHED = Evolution(steps=10, learning_rate=1e-3, mu=1e-5, omega=2.0, substitutions=0, candidates=0)
BOTH = pytest.mark.parametrize("constants", [PUBLISHED, STRONG], ids=["published", "strong"])
CONFIDENT = torch.tensor([True, False] * 4)
SILENT = (1, 3)


@pytest.fixture(scope="module")
def source() -> nn.Module:
    """Sure of some recordings and unsure of others."""
    model = built("eegnet", (4, 448), 2)
    with torch.no_grad():
        model[2].weight.mul_(0.3)
    return model


@pytest.fixture(scope="module")
def inputs() -> torch.Tensor:
    return recordings(8, (4, 448), SILENT)


def power(eeg: torch.Tensor) -> torch.Tensor:
    return torch.fft.rfft(eeg.double()).abs().square()


@BOTH
def test_evolved_samples_stay_in_the_range_of_each_channel_and_silence_stays_silence(source, inputs, constants):
    before = inputs.clone()
    evolved = evolve(source, inputs, CONFIDENT, constants, INPUT_RANGE)
    assert evolved.shape == inputs.shape and evolved.dtype == inputs.dtype
    assert (evolved >= inputs.amin(2, keepdim=True)).all() and (evolved <= inputs.amax(2, keepdim=True)).all()
    assert (evolved[:, SILENT] == 0).all()
    assert (evolved != inputs)[:, ::2].flatten(1).any(1).all()
    assert torch.equal(inputs, before), "the primary samples stay as they were"


@BOTH
def test_what_is_changed_lies_in_the_pass_band(source, inputs, constants):
    change = evolve(source, inputs, CONFIDENT, constants, INPUT_RANGE) - inputs
    outside = power(change) * ~pass_band(inputs)
    assert (outside.sum((1, 2)) < 0.01 * power(change).sum((1, 2)))[CONFIDENT].all()
    # What moves an unsure sample is a gradient divided by some thousands, near the resolution of the recording.
    assert outside.sum((1, 2)).sqrt().max() / inputs.shape[2] < 0.05 * inputs.std()


def test_an_evolved_recording_has_as_little_power_outside_its_band_as_before(source, inputs):
    evolved = evolve(source, inputs, CONFIDENT, STRONG, INPUT_RANGE)
    assert (evolved - inputs).abs().amax((1, 2))[CONFIDENT].min() > 5, "microvolt: moved enough to leave it"
    for eeg in (inputs, evolved):
        outside = (power(eeg) * ~pass_band(inputs)).sum((1, 2))
        assert (outside < 2 * TAIL * power(eeg)[..., 1:].sum((1, 2))).all()


@BOTH
def test_all_samples_at_once_equal_one_at_a_time(source, inputs, constants):
    together = evolve(source, inputs, CONFIDENT, constants, INPUT_RANGE)
    rows = torch.arange(len(inputs)).split(1)
    alone = [evolve(source, inputs[row], CONFIDENT[row], constants, INPUT_RANGE) for row in rows]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_source_becomes_surer_of_confident_samples(inputs, seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4 * 448, 3))
    with torch.no_grad():
        model[1].weight.mul_(0.1)
    before = model(inputs).softmax(1)
    evolved = evolve(model, inputs, torch.ones(8, dtype=torch.bool), PUBLISHED, INPUT_RANGE)
    after = model(evolved).softmax(1).gather(1, before.argmax(1, keepdim=True))
    assert (before.amax(1) < 0.99).all(), "nothing is beyond doubt already"
    assert (after[:, 0] > before.amax(1)).all()


def test_published_steps_are_shares_of_the_amplitude(source, inputs):
    """Ten steps of 0.001 move a recording of 1 and of 100 microvolt by about a hundredth of its amplitude."""
    for eeg in (inputs, inputs / 100):
        evolved = evolve(source, eeg, torch.ones(8, dtype=torch.bool), PUBLISHED, INPUT_RANGE)
        moved = (evolved - eeg).abs().amax((1, 2)) / (eeg.amax((1, 2)) - eeg.amin((1, 2)))
        assert (moved > 1e-3).all() and (moved < 0.03).all()


def test_a_recording_at_the_ends_of_the_range_stays_there(source, inputs):
    extreme = inputs[:2].clone()
    extreme[0, 0, 100:110], extreme[1, 2, 50] = INPUT_RANGE[1], INPUT_RANGE[0]
    evolved = evolve(source, extreme, CONFIDENT[:2], STRONG, INPUT_RANGE)
    assert evolved.min() >= INPUT_RANGE[0] and evolved.max() <= INPUT_RANGE[1]


@given(st.integers(0, 2**32), st.sampled_from([1e-3, 0.1, 10.0]), st.sampled_from([(4, 448), (1, 129), (32, 128)]))
def test_no_change_however_large_leaves_the_range(seed, size, shape):
    eeg = recordings(2, shape)
    draw = torch.Generator().manual_seed(seed)
    moved = Plausible(eeg, INPUT_RANGE)(size * torch.randn(2, *shape, generator=draw))
    assert (moved >= eeg.amin(2, keepdim=True)).all() and (moved <= eeg.amax(2, keepdim=True)).all()
    assert not torch.equal(moved, eeg)


# The pass band


def band_of(eeg: np.ndarray) -> list[bool]:
    """By loops over frequencies: a frequency is in unless at most TAIL of the power lies up to it, or from it on."""
    powers = [sum(abs(np.sum(channel * wave)) ** 2 for channel in eeg) for wave in waves(eeg.shape[1])[1:]]
    total = sum(powers)
    inside = [
        bool(total) and sum(powers[: place + 1]) > TAIL * total and sum(powers[place:]) > TAIL * total
        for place in range(len(powers))
    ]
    return [inside[0], *inside]


def waves(samples: int) -> np.ndarray:
    """(frequencies, samples): those of a discrete Fourier transform, written out."""
    return np.exp(-2j * np.pi * np.outer(np.arange(samples // 2 + 1), np.arange(samples)) / samples)


@pytest.mark.parametrize("shape", [(4, 448), (1, 33), (3, 128), (2, 2)], ids=str)
def test_the_pass_band_is_the_one_that_loops_find(shape):
    batch = torch.cat([recordings(6, shape) + 300, torch.zeros(1, *shape)])
    found = pass_band(batch)
    assert found.shape == (7, 1, shape[1] // 2 + 1)
    assert found[:, 0].tolist() == [band_of(eeg) for eeg in batch.double().numpy()]


def test_the_pass_band_lies_between_the_slowest_and_the_fastest_wave():
    times = torch.arange(448) / RATE
    recording = sum(torch.sin(2 * torch.pi * hertz * times) for hertz in (8, 24))[None, None]
    hertz = torch.fft.rfftfreq(448, 1 / RATE)
    assert torch.equal(pass_band(recording)[0, 0], (hertz > 7.9) & (hertz < 24.1))
    drifting = recording + 5 * torch.sin(2 * torch.pi * times / 3.5)
    assert torch.equal(pass_band(drifting)[0, 0], hertz < 24.1), "the level moves where slow waves do"
