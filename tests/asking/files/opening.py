"""Suspects' files opened as judge.py opens them, and networks whose code is the enemy's."""

import textwrap
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import encoding
from fingerprinting.asking.files.file_suspect import FileSuspect, Opening, Source
from fingerprinting.study.domain import load_domain

SHAPE, CLASSES = (1, 8, 8), 10


def opened(path: Path, timeout: float = 60.0, batch: int = 0, **opening) -> FileSuspect:
    asked = encoding("array", load_domain("cv").inputs, SHAPE)
    names = tuple(f"class {place}" for place in range(CLASSES))
    source = Source("cv", CLASSES, SHAPE, "float32")
    return FileSuspect(str(path), source, Opening(**opening), Classes(names), asked, batch, timeout)


def network(name: str = "conv3", classes: int = CLASSES) -> torch.nn.Module:
    torch.manual_seed(0)
    return load_domain("cv").networks.architectures[name].build(classes, SHAPE).eval()


def queries(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).random((count, *SHAPE), dtype=np.float32)


def enemy(folder: Path, monkeypatch, body: str) -> Path:
    """Weights, and a module that builds whatever network the body has."""
    monkeypatch.chdir(folder)
    (folder / "enemy.py").write_text(textwrap.dedent(body))
    save_file({"weight": torch.zeros(1)}, folder / "net.safetensors")
    return folder / "net.safetensors"


def forward(lines: str) -> str:
    indented = textwrap.indent(textwrap.dedent(lines), " " * 8)
    return (
        "import os, time, torch\n\n\ndef build():\n    return Enemy()\n\n\nclass Enemy(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.weight = torch.nn.Parameter(torch.zeros(1))\n\n"
        f"    def forward(self, inputs):\n{indented}"
    )
