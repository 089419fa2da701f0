"""A suspect's weights in safetensors, in a network that MODEL= builds: an architecture of the domain, or a function."""

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fingerprinting.core.errors import UserError
from fingerprinting.study import trace, weights
from fingerprinting.study.domain import Domain, load_domain
from fingerprinting.training import trainer

TORCHVISION = "torchvision:"
CLASSES = ("classes", "num_classes", "n_classes", "nb_classes", "num_labels", "n_outputs", "out_features")
SHAPE = ("shape", "input_shape", "in_shape")


def prepare() -> None:
    """torch is there already, and a domain imports what it needs itself."""


def needed(spec: dict[str, Any]) -> list[str]:
    path = Path(spec["path"])
    beside = [str(path.parent)] if path.name.endswith(weights.INDEX) else []
    domain = [spec["domain"], *spec["files"]] if Path(spec["domain"]).is_file() else []
    return [str(path), *beside, *domain]


def opened(spec: dict[str, Any]) -> tuple[dict[str, str], Callable[[np.ndarray], np.ndarray]]:
    """spec["model"]: what builds the network; spec["classes"] and spec["shape"]: those of the source."""
    path = Path(spec["path"])
    build = builder(spec)
    model = build(spec["classes"])
    if count := _other_classes(spec, model, path):
        model = build(count)
    weights.filled(model, path)
    return {"says": ""}, running(model)


def running(model: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    return lambda queries: logits(trainer.predict(model, torch.from_numpy(queries.copy()), torch.device("cpu")))


def logits(said: torch.Tensor) -> np.ndarray:
    return said.float().numpy() if said.is_floating_point() else said.numpy()


def builder(spec: dict[str, Any]) -> Callable[[int], nn.Module]:
    """From a number of classes to the network, untrained."""
    model, shape = spec["model"], tuple(spec["shape"])
    if ":" not in model:  # else the domain is not read, which may lie where this process reads nothing
        domain = load_domain(spec["domain"])
        if model in domain.networks.architectures:
            return lambda classes: domain.networks.architectures[model].build(classes, shape)
        raise UserError(f"MODEL={model} is neither {_known(domain)}, torchvision:name nor module:function")
    if model.startswith(TORCHVISION):
        return lambda classes: _of_torchvision(model, classes)
    function = _function(model, spec["modules"])
    return lambda classes: _made(model, function, classes, shape)


def _known(domain: Domain) -> str:
    return f"an architecture of {domain.name} ({', '.join(domain.networks.architectures)})"


def _of_torchvision(model: str, classes: int) -> nn.Module:
    from torchvision import models

    name = model.removeprefix(TORCHVISION)
    if name not in models.list_models(module=models):
        raise UserError(f"torchvision has no classifier {name!r}; give one such as MODEL=torchvision:resnet18")
    return models.get_model(name, weights=None, num_classes=classes)


def _function(model: str, modules: str) -> Callable:
    where, _, name = model.partition(":")
    sys.path.append(modules)  # last: it must hide nothing
    try:
        function = getattr(importlib.import_module(where), name, None)
    except ModuleNotFoundError as error:
        raise UserError(f"MODEL={model} needs {error.name}, not there; run where it lies, or install it") from None
    if not callable(function):
        raise UserError(f"MODEL={model} names no function of {where}; give MODEL=module:function")
    return function


def _made(model: str, function: Callable, classes: int, shape: tuple[int, ...]) -> nn.Module:
    """What the function makes, given the number of classes and an input's shape where it asks for them."""
    given: dict[str, Any] = {}
    for one in inspect.signature(function).parameters.values():
        if one.name in CLASSES:
            given[one.name] = classes
        elif one.name in SHAPE:
            given[one.name] = shape
        elif one.default is one.empty and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            raise UserError(f"MODEL={model} asks for {one.name!r}; let the function take classes and shape, or nothing")
    made = function(**given)
    if not isinstance(made, nn.Module):
        raise UserError(f"MODEL={model} makes a {type(made).__name__}; it must make a torch.nn.Module")
    return made


def _other_classes(spec: dict[str, Any], model: nn.Module, path: Path) -> int:
    """How many classes the weights have, where it is another number than the source's; 0: as many."""
    if ":" in spec["model"]:
        return 0
    inputs = torch.zeros(2, *spec["shape"], dtype=getattr(torch, spec["dtype"]))
    try:
        head = trace.head(load_domain(spec["domain"]), spec["model"], model, inputs)
    except UserError:  # of one without a linear head
        return 0
    given = weights.read(path)
    wanted = model.state_dict()
    found = given.get(f"{weights.prefix_of(given, wanted)}{head}.weight")
    return 0 if found is None or not found.dim() or len(found) == spec["classes"] else len(found)
