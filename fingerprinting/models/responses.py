"""What models say when asked, kept by content: the same weights are asked the same inputs once, unless FORCE=True."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.utils.weak import WeakIdKeyDictionary

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict

DIGESTS = WeakIdKeyDictionary()  # inputs that are there -> their version, and the digest that they had then


def folder_of(study: Study, inputs: torch.Tensor) -> Path:
    """Where responses to inputs (N, ...) are kept; a tensor that nobody wrote to since is not digested again."""
    version, digest = DIGESTS.get(inputs, (-1, ""))
    if inputs.is_inference() or version != inputs._version:
        digest = storage.digest({"inputs": inputs})[:16]
    if not inputs.is_inference():
        DIGESTS[inputs] = (inputs._version, digest)
    return study.artifacts / "responses" / digest


def ask(
    study: Study,
    inputs: torch.Tensor,
    weights_sha256: str,
    load: Callable[[], nn.Module],
    folder: Path | None = None,
) -> torch.Tensor:
    """Logits (N, C) on inputs (N, ...) of the model with that digest; `load()` is called only if it must be asked.

    folder: folder_of(study, inputs), from who asks many models the same. Under FORCE=True nothing that is kept is read:
    a domain that was mended reads the same weights otherwise.
    """
    path = (folder or folder_of(study, inputs)) / f"{weights_sha256[:16]}.safetensors"
    if path.is_file() and not study.force:
        return storage.load_tensors(path)[0]["logits"]
    logits = predict(load(), inputs, study.device)
    if not torch.isfinite(logits).all():
        raise UserError("a suspect's responses hold NaN or infinity; its weights or the scale of its inputs are broken")
    storage.save_tensors(path, {"logits": logits}, {"weights": weights_sha256})
    return logits
