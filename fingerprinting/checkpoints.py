"""Models on disk: weights in safetensors, and beside them all that is needed to rebuild and to judge them."""

from pathlib import Path

from torch import nn

from fingerprinting import files
from fingerprinting.domain import Domain
from fingerprinting.runtime import UserError


def save(path: Path, model: nn.Module, metadata: dict) -> None:
    """metadata must hold what rebuilds the model: `architecture`, `classes` (count) and `shape` of an input."""
    files.save_tensors(path, model.state_dict(), metadata)


def load(domain: Domain, path: Path) -> tuple[nn.Module, dict]:
    """Rebuild a model from its file's own metadata; every key must fit."""
    weights, metadata = files.load_tensors(path)
    if not {"architecture", "classes", "shape"} <= set(metadata):
        raise UserError(f"{path} holds no model; give a file that a step of the zoo wrote")
    if metadata["domain"] != domain.name:
        raise UserError(f"{path} holds a model of domain {metadata['domain']!r}, not of {domain.name}")
    model = build(domain, metadata["architecture"], metadata["classes"], tuple(metadata["shape"]))
    try:
        model.load_state_dict(weights)
    except RuntimeError:
        raise UserError(
            f"{path} does not fit architecture {metadata['architecture']!r} as it is now; delete the file and run the "
            "script that wrote it again"
        ) from None
    return model, metadata


def build(domain: Domain, architecture: str, classes: int, shape: tuple[int, ...]) -> nn.Module:
    return domain.architecture(architecture).build(classes, shape)
