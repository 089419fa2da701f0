"""The autoencoder of a vision attacker: it learns inputs, and what it cannot reproduce is flagged and erased."""

from dataclasses import replace

import pytest
import torch
from sklearn.datasets import load_digits

from fingerprinting.core import statistics
from fingerprinting.robustness import autoencoder, evasion
from tests.robustness.attacker import ATTACKER, CPU, draw


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    return torch.from_numpy(load_digits().images).float()[:, None] / 16


@pytest.fixture(scope="module")
def fitted(digits) -> autoencoder.Autoencoder:
    return autoencoder.fit(digits[:1200], ATTACKER.detector, "test", CPU)


def test_fitting_lowers_the_error_on_inputs_that_were_not_fitted_on(digits, fitted):
    torch.manual_seed(0)
    untrained = autoencoder.Autoencoder(digits[:1200], ATTACKER.detector.code).eval()
    with torch.no_grad():
        before, after = (autoencoder.errors(model, digits[1200:]).mean() for model in (untrained, fitted))
    assert after < before / 2


def test_noise_is_reproduced_worse_than_digits_and_is_flagged(digits, fitted):
    noise = torch.rand(200, 1, 8, 8, generator=draw())
    query_detector = autoencoder.query_detector(digits[:1200], ATTACKER.detector, "test", CPU, (0.0, 1.0))
    benign, strange = query_detector.score(digits[1200:]), query_detector.score(noise)
    assert torch.allclose(strange, autoencoder.errors(fitted, noise).detach(), atol=1e-5)
    assert statistics.auc(-strange.numpy(), -benign.numpy()) > 0.95
    threshold = evasion.threshold(benign[:300], 0.05)
    assert (strange > threshold).double().mean() > 0.7 > 0.2 > (benign[300:] > threshold).double().mean()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 13, 10), (2, 45), (4, 448)])
def test_erased_inputs_keep_shape_range_and_silent_channels(shape):
    inputs = torch.rand(130, *shape, generator=draw())
    inputs[:, -1] = 0
    small = replace(ATTACKER.detector, autoencoder_epochs=1, autoencoder_updates=2)
    erased = autoencoder.query_detector(inputs, small, "test", CPU, (0.0, 1.0)).erasures["reconstructed"](inputs)
    assert erased.shape == inputs.shape and erased.min() >= 0 and erased.max() <= 1
    assert (erased[:, -1] == 0).all() and (len(inputs[0]) == 1 or (erased[:, 0] != inputs[:, 0]).any())


def test_reconstructions_stay_inside_the_bounds_of_an_input(digits):
    small = replace(ATTACKER.detector, autoencoder_epochs=1, autoencoder_updates=2)
    detector = autoencoder.query_detector(digits[:200], small, "test", CPU, (0.25, 0.5))
    erased = detector.erasures["reconstructed"](digits[:50])
    assert erased.min() == 0.25 and erased.max() <= 0.5


def test_stored_and_physical_images_are_the_same_to_a_screen(digits):
    stored = (digits * 255).round().to(torch.uint8)
    small = replace(ATTACKER.detector, autoencoder_epochs=1, autoencoder_updates=2)
    query_detector = autoencoder.query_detector(stored[:200], small, "test", CPU, (0.0, 1.0))
    assert torch.allclose(query_detector.score(stored[200:]), query_detector.score(stored[200:].float() / 255))
