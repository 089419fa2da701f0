"""What models say when asked, kept by content: the same weights are asked the same inputs once."""

from collections.abc import Callable

import torch
from torch import nn

from fingerprinting import files
from fingerprinting.runtime import UserError
from fingerprinting.study import Study
from fingerprinting.training import predict


def ask(study: Study, inputs: torch.Tensor, weights_sha256: str, load: Callable[[], nn.Module]) -> torch.Tensor:
    """Logits (N, C) on inputs (N, ...) of the model with that digest; `load()` is called only if it must be asked."""
    folder = study.artifacts / "answers" / files.digest({"inputs": inputs})[:16]
    path = folder / f"{weights_sha256[:16]}.safetensors"
    if path.is_file():
        return files.load_tensors(path)[0]["logits"]
    logits = predict(load(), inputs, study.device)
    if not torch.isfinite(logits).all():
        raise UserError("a suspect answered NaN or infinity; its weights or the scale of its inputs are broken")
    files.save_tensors(path, {"logits": logits}, {"weights": weights_sha256})
    return logits
