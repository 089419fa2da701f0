"""A suspect in TorchScript or as an exported program of torch: opening it can run code, so TRUST=True alone does it."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from fingerprinting.asking.files import weights_model
from fingerprinting.asking.files.formats import TORCHSCRIPT
from fingerprinting.core.errors import UserError


def prepare() -> None:
    """torch.export imports the compiler, which makes a folder for what it keeps, in the process's own."""
    importlib.import_module("torch.export")
    importlib.import_module("torch._dynamo.package")


def needed(spec: dict[str, Any]) -> list[str]:
    return [spec["path"]]


def opened(spec: dict[str, Any]) -> tuple[dict[str, str], Callable[[np.ndarray], np.ndarray]]:
    if spec["format"] == TORCHSCRIPT:
        model = torch.jit.load(spec["path"], map_location="cpu").eval()
    else:
        model = torch.export.load(spec["path"]).module()

    def run(queries: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            said = model(torch.from_numpy(queries.copy()))
        if not isinstance(said, torch.Tensor):
            raise UserError(f"{spec['name']} gives a {type(said).__name__}, no tensor; save it so that it gives logits")
        return weights_model.logits(said)

    return {"says": ""}, run
