"""A linear model, images and a fingerprint made by hand, for the tests of learned fingerprints."""

import torch
from torch import nn

from fingerprinting.fingerprints.store import Fingerprint

BOUNDS = (0.0, 1.0)
EVERYWHERE = torch.ones(1, 1, 1, 1, dtype=torch.bool)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear_model(classes: int = 3, seed: int = 0, scale: float = 5.0) -> nn.Module:
    """Images (N, 1, 4, 4) -> logits (N, classes)."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, classes))
    model[1].weight.data = scale * torch.randn(classes, 16, generator=generator(seed))
    model[1].bias.data = -model[1].weight.data.sum(1) / 2  # balanced about the middle of the range
    return model.eval().requires_grad_(False)


def images(count: int = 60, seed: int = 1) -> torch.Tensor:
    return torch.rand(count, 1, 4, 4, generator=generator(seed))


def fingerprint_of(labels: torch.Tensor, truth: torch.Tensor, extra: dict, logits: torch.Tensor | None = None):
    logits = torch.zeros(len(labels), 3) if logits is None else logits
    return Fingerprint(torch.zeros(len(labels), 1), labels, truth, torch.full((len(labels),), -1), logits, {}, extra)
