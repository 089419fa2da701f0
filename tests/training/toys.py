"""Data, a network and a recipe that are trained in a moment, for the tests of training."""

import torch
from torch import nn

from fingerprinting.core.runtime import seed_everything
from fingerprinting.data.datasets import Examples
from fingerprinting.models import kinds
from fingerprinting.training.recipe import Recipe
from fingerprinting.training.trainer import fit

CPU = torch.device("cpu")


def recipe(epochs: int = 2, batch_size: int = 8, learning_rate: float = 1e-2, min_updates: int = 0, augment=False):
    return Recipe(epochs, learning_rate, batch_size, 0.01, min_updates, augment)


def toy_data(count: int = 60, seed: int = 0) -> Examples:
    draw = torch.Generator().manual_seed(seed)
    inputs = torch.rand(count, 6, generator=draw)
    return Examples(inputs, (inputs[:, 0] > inputs[:, 1]).long())


def toy_model() -> nn.Module:
    """Draws when it is built, when it is trained (dropout), and has running statistics."""
    seed_everything("toy")
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))


def trained_on(study, task: kinds.Training) -> nn.Module:
    fit(task.model, task.part, study.parts["dev"], task.objective, recipe(1, 32), "attacker", CPU, task.after_step)
    return task.model
