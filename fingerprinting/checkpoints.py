"""Models on disk: weights in safetensors, and beside them all that is needed to rebuild and to judge them."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
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


def foreign_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of anybody's safetensors file."""
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        return load_file(path)
    except SafetensorError:
        raise UserError(
            f"{path} is no safetensors file; write one with safetensors.torch.save_file(model.state_dict(), path)"
        ) from None


def filled(model: nn.Module, path: Path) -> nn.Module:
    """The model with the weights of anybody's safetensors file, in place; every key and shape must fit."""
    given, wanted = foreign_weights(path), model.state_dict()
    shapes = [{name: tuple(value.shape) for name, value in state.items()} for state in (given, wanted)]
    if differing := sorted(name for name, _ in shapes[0].items() ^ shapes[1].items()):
        name, (has, wants) = differing[0], (state.get(differing[0], "nothing") for state in shapes)
        raise UserError(
            f"{path} does not fit the architecture: of {name} it has {has}, wanted is {wants}; let the domain's "
            "architectures build the model that was saved"
        )
    if broken := [name for name, value in given.items() if value.is_floating_point() and not value.isfinite().all()]:
        raise UserError(f"{path} holds NaN or infinity in {broken[0]}; no model can be taken from it")
    model.load_state_dict(given)
    return model


def check(domain: Domain, name: str, classes: int, inputs: torch.Tensor) -> None:
    """What an architecture of somebody's own may say wrongly of itself, said before any model is trained.

    inputs: two or more, physical.
    """
    architecture, model = domain.architecture(name), build(domain, name, classes, tuple(inputs.shape[1:])).eval()
    modules = dict(model.named_modules())
    if not isinstance(modules.get(architecture.head), nn.Linear):
        raise UserError(f"{architecture.head!r} is no linear layer of {name!r}; head= must be the path of its last one")
    if wrong := [path for path in architecture.prunable if path not in modules]:
        raise UserError(f"{wrong[0]!r} is no part of {name!r}; prunable= must hold paths of its last features' modules")
    with torch.no_grad():
        found = tuple(model(inputs).shape)
    if found != (len(inputs), classes):
        raise UserError(f"{name!r} makes {found} of {len(inputs)} inputs; logits ({len(inputs)}, {classes}) are wanted")


def build(domain: Domain, architecture: str, classes: int, shape: tuple[int, ...]) -> nn.Module:
    return domain.architecture(architecture).build(classes, shape)
