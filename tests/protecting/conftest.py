"""A module of an owner's networks, and data of three kinds so small that they are learned in a second."""

import csv
import random
import sys

import numpy as np
import pytest

NETWORKS = """
import torch
from torch import nn


def build(classes, shape):
    layers = [nn.Conv2d(shape[0], 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(8 * ((shape[1] + 1) // 2) ** 2, classes))


def colour(num_classes=3):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))


def linear(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(48, classes))


def odd(classes, secret):
    return linear(classes)


def nothing(classes):
    return None


class Words(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.embedding = nn.Embedding(128, 8, padding_idx=0)
        self.head = nn.Linear(8, n_classes)

    def forward(self, inputs):
        return self.head(self.embedding(inputs.long().clamp(max=127)).mean(1))


class Bags(Words):
    def __init__(self, n_classes):
        super().__init__(n_classes)
        self.embedding = nn.EmbeddingBag(128, 8)

    def forward(self, ids):
        return self.head(self.embedding(ids))


def ids(texts):
    rows = [[sum(map(ord, word)) % 127 + 1 for word in text.split()] for text in texts]
    longest = max(map(len, rows))
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


def signals(classes, shape):
    layers = [nn.Conv1d(shape[0], 8, 9, 2), nn.BatchNorm1d(8), nn.ELU(), nn.AdaptiveAvgPool1d(4), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(32, classes))


def train(model, inputs, labels, seed):
    draw = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    step = torch.optim.Adam(model.parameters(), 1e-2)
    model.train()
    for _ in range(40):
        chosen = torch.randint(len(inputs), (64,), generator=draw)
        step.zero_grad()
        nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen]).backward()
        step.step()
    return model


def no_model(model, inputs, labels, seed):
    return "done"
"""
GOOD, BAD, OTHER = (words.split() for words in ("good great fine", "bad poor sad", "the a film it was so very not"))


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The folder where an owner runs protect.py, with mine.py in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    (tmp_path / "mine.py").write_text(NETWORKS)
    yield tmp_path
    sys.modules.pop("mine", None)


def images(examples: int = 360, channels: int = 3) -> dict[str, np.ndarray]:
    """x (N, 8, 8, channels) uint8 and y: three looks under so much noise that mistakes are made."""
    draw = np.random.default_rng(0)
    y = np.arange(examples) % 3
    x = draw.random((3, 8, 8, channels))[y] / 4 + 0.75 * draw.random((examples, 8, 8, channels))
    return dict(x=(255 * x).astype(np.uint8), y=y)


def write_texts(path, examples: int = 300) -> None:
    draw = random.Random(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["review", "stars"])
        for place in range(examples):
            meant = (GOOD if place % 2 else BAD) if draw.random() < 0.75 else (BAD if place % 2 else GOOD)
            words = [*draw.choices(OTHER, k=7), *draw.choices(meant, k=2)]
            draw.shuffle(words)
            rows.writerow([" ".join(words), ("one", "five")[place % 2]])


def recordings(trials: int = 240) -> dict[str, np.ndarray]:
    """x (N, 2, 128) microvolt and y: a rhythm on one channel of half of the trials."""
    draw = np.random.default_rng(0)
    y, times = np.arange(trials) % 2, np.arange(128) / 128
    x = draw.normal(0, 20, (trials, 2, 128))
    x[:, 0] += 14 * y[:, None] * np.sin(2 * np.pi * (10 * times + draw.random((trials, 1))))
    return dict(x=x, y=y)
