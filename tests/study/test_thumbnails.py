"""Inputs that records keep to be looked at: as they were, within half of a level."""

import json

import pytest
import torch

from fingerprinting.study.thumbnails import LEVELS, restored, thumbnail


@pytest.mark.parametrize("low", [0.0, -800.0])
def test_a_thumbnail_is_within_half_a_level(low):
    values = low + 3 * torch.rand(2, 5, 7, generator=torch.Generator().manual_seed(0))
    found = restored(json.loads(json.dumps(thumbnail(values))))
    assert found.shape == values.shape and found.dtype == torch.float32
    assert (found - values).abs().max() <= (values.max() - values.min()) / LEVELS / 2 + 1e-4


def test_extremes_and_equal_values_are_kept():
    values = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert torch.equal(restored(thumbnail(values)), values)
    assert torch.equal(restored(thumbnail(torch.full((3,), 0.25))), torch.full((3,), 0.25))
