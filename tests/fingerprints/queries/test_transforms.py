"""MetaFinger's transforms against scipy and by hand: ten of images, seven of recordings."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from fingerprinting.fingerprints.queries import transforms
from fingerprinting.fingerprints.queries.transforms import OF_IMAGES, OF_SIGNALS, any_transform
from tests.fingerprints.queries.linear import generator

BOUNDS = (0.0, 1.0)
AMOUNTS = dict(noise=0.1, bounds=BOUNDS)


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 2, 12, 10, generator=generator(1))


def signals() -> torch.Tensor:
    return torch.rand(3, 2, 40, generator=generator(2))


@pytest.mark.parametrize("inputs", [images(), signals()], ids=["images", "signals"])
def test_blurs_are_scipys(inputs):
    axes = tuple(range(2, inputs.dim()))
    size = [1, 1, *(3 for _ in axes)]
    pixels = inputs.numpy()
    found = transforms.averaged(inputs).numpy()
    np.testing.assert_allclose(found, ndimage.uniform_filter(pixels, size, mode="nearest"), atol=1e-6)
    found = transforms.median(inputs).numpy()
    np.testing.assert_allclose(found, ndimage.median_filter(pixels, size, mode="nearest"), atol=1e-6)
    expected = ndimage.gaussian_filter(pixels, 0.8, mode="nearest", radius=1, axes=axes)
    seen = [transforms.gaussian(inputs, draw=generator(seed)) for seed in range(40)]
    blurred = [one for one in seen if not torch.equal(one, inputs)]
    assert 20 <= len(blurred) < 40  # seven times in ten
    for one in blurred:
        np.testing.assert_allclose(one.numpy(), expected, atol=1e-5)


def test_noise_has_its_width_and_stays_in_the_range():
    middle = torch.full((1, 1, 100, 100), 0.5)
    gauss = transforms.normal(middle, draw=generator(), **AMOUNTS) - 0.5
    even = transforms.uniform(middle, draw=generator(), **AMOUNTS) - 0.5
    assert gauss.std().item() == pytest.approx(0.1, rel=0.05) and gauss.abs().max() > 0.2
    assert even.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.05) and even.abs().max() <= 0.1
    for one in (transforms.normal, transforms.uniform):
        moved = one(middle, draw=generator(), noise=9.0, bounds=BOUNDS)
        assert moved.min() == 0 and moved.max() == 1


def ramps() -> tuple[torch.Tensor, torch.Tensor]:
    """Two images (1, 1, 33, 33) that hold each place's own coordinates, from -1 to 1."""
    line = (2 * torch.arange(33) + 1) / 33 - 1
    return line.expand(1, 1, 33, 33).clone(), line[:, None].expand(1, 1, 33, 33).clone()


def test_a_shear_moves_each_axis_by_a_tenth_of_the_other_at_most():
    across, down = ramps()
    middle = (..., slice(8, 25), slice(8, 25))
    factors = []
    for seed in range(30):
        x, y = (transforms.sheared(one, draw=generator(seed)) for one in (across, down))
        by_x, by_y = ((moved - own)[middle] for moved, own in ((x, across), (y, down)))
        for step, other in ((by_x, down[middle]), (by_y, across[middle])):
            factor = (step * other).sum() / (other * other).sum()
            torch.testing.assert_close(step, factor * other, atol=1e-5, rtol=0)
            factors.append(factor.item())
    assert 0.08 < max(factors) <= 0.1 and -0.1 <= min(factors) < -0.08


def test_a_translation_goes_five_pixels_of_thirty_two_at_most():
    across, _ = ramps()
    middle = (..., slice(10, 23), slice(10, 23))
    steps = []
    for seed in range(30):
        step = (transforms.translated(across, draw=generator(seed)) - across)[middle]
        torch.testing.assert_close(step, step.mean().expand_as(step), atol=1e-5, rtol=0)
        steps.append(step.mean().item() / 2)
    assert 0.12 < max(steps) <= 5 / 32 and -5 / 32 <= min(steps) < -0.12


def test_resizing_keeps_the_whole_image_and_pads_with_grey():
    white = torch.ones(1, 1, 40, 40)
    shares = []
    for seed in range(40):
        moved = transforms.resized(white, draw=generator(seed))
        assert set(moved.unique().tolist()) >= {1.0} and moved.min() >= 0.5
        shares.append(((moved - 0.5) / 0.5).mean().item() ** 0.5)
    assert 0.6 - 1e-3 <= min(shares) < 0.65 and 0.95 < max(shares) <= 1


@pytest.mark.parametrize(("inputs", "kinds"), [(images(), OF_IMAGES), (signals(), OF_SIGNALS)], ids=["images", "eeg"])
def test_all_are_drawn_keep_the_shape_and_are_the_same_for_the_same_seed(inputs, kinds):
    drawn = [any_transform(generator(seed), 0.05, BOUNDS, images=inputs.dim() == 4) for seed in range(150)]
    assert {one.func for one in drawn} == set(kinds) and len(kinds) == (10 if inputs.dim() == 4 else 7)
    for seed in range(30):
        moved, again = (
            any_transform(generator(seed), 0.05, BOUNDS, images=inputs.dim() == 4)(inputs) for _ in range(2)
        )
        assert moved.shape == inputs.shape and torch.equal(moved, again)


@pytest.mark.parametrize("kind", OF_IMAGES, ids=lambda kind: kind.__name__)
def test_the_gradient_reaches_the_inputs(kind):
    inputs = (0.5 + 0.1 * images()).requires_grad_(True)
    kind(inputs, draw=generator(3), noise=0.01, bounds=BOUNDS).square().sum().backward()
    assert inputs.grad.abs().sum() > 0
