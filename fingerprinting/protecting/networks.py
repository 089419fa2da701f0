"""The owner's network: built from a function, from torchvision or from a folder of transformers, on physical inputs."""

import importlib
import inspect
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn

from fingerprinting.core.errors import UserError
from fingerprinting.protecting import transformers_folder
from fingerprinting.protecting.description import Network
from fingerprinting.protecting.examples import TEXTS
from fingerprinting.study.domain import Architecture
from nlp.data import decode

OWN = "own"  # the architecture
TORCHVISION = "torchvision:"
CLASSES = ("classes", "num_classes", "n_classes", "nb_classes", "num_labels", "n_outputs", "out_features")
SHAPE = ("shape", "input_shape", "in_shape")
ENDPOINTS = ("http://", "https://", "grpc://", "oip+", "hf+")
PICKLES = {".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".joblib", ".h5", ".keras", ".pt2"}


def absolute(model: str) -> str:
    """What MODEL= says, checked to be of a known form, with a folder's whole path."""
    path = Path(model)
    if model.startswith(ENDPOINTS) or path.suffix.lower() == ".onnx":
        raise UserError(
            f"MODEL={model} can be run and not trained; give SOURCE={model}, and MODEL=module:function, which builds "
            "such a network for its twins: it is protected against extraction alone"
        )
    if path.suffix.lower() in PICKLES | {".safetensors"}:
        raise UserError(
            f"MODEL={model} holds weights and no network; give MODEL=module:function, which builds it, and WEIGHTS= in "
            "safetensors"
        )
    if model and path.is_dir():
        return str(path.resolve())
    if model and ":" not in model:
        raise UserError(
            f"MODEL={model} is neither module:function, torchvision:name nor a folder of transformers; give one of them"
        )
    return model


def architecture(network: Network, kind: str) -> Architecture:
    """The owner's network as an architecture; its train function and base are those of no other."""
    build = partial(built, network, kind)
    train = function(network.modules, network.train, "TRAIN") if network.train else None
    base = Path(network.base) if network.base else None
    return Architecture(build, network.head or None, network.prunable or None, kind != TEXTS, base, train)


def built(network: Network, kind: str, classes: int, shape: tuple[int, ...]) -> nn.Module:
    """Untrained, for that many classes: takes physical inputs (N, *shape) and makes logits (N, classes)."""
    if is_folder(network):
        return transformers_folder.build(Path(network.model), kind, classes)
    model = (
        _torchvision(network.model, classes)
        if network.model.startswith(TORCHVISION)
        else _made(network, classes, shape)
    )
    prepare = function(network.modules, network.prepare, "PREPARE") if network.prepare else None
    if prepare or network.colour or (network.scale, network.mean, network.std) != (1.0, (0.0,), (1.0,)):
        model.register_forward_pre_hook(partial(_taken, network, kind, prepare))
    return model


def is_folder(network: Network) -> bool:
    return bool(network.model) and Path(network.model).is_dir()


def function(modules: str, address: str, what: str) -> Callable:
    """The function called module:function, from the installed packages or the folder where protect.py was run."""
    name, _, attribute = address.partition(":")
    if modules and modules not in sys.path:
        sys.path.append(modules)  # last: it must hide nothing
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{what}={address} needs {error.name}, which is not there; install it or run where it lies"
        ) from None
    except SyntaxError as error:
        raise UserError(f"{error.filename}, line {error.lineno}, is no Python: {error.msg}") from None
    found = getattr(module, attribute, None)
    if not callable(found):
        raise UserError(f"{what}={address} names no function of {name}; give {what}=module:function")
    return found


def _made(network: Network, classes: int, shape: tuple[int, ...]) -> nn.Module:
    """What the owner's function makes, given the number of classes and an input's shape where it asks for them."""
    make = function(network.modules, network.model, "MODEL")
    asked = inspect.signature(make).parameters.values()
    given: dict[str, object] = {}
    for one in asked:
        if one.name in CLASSES:
            given[one.name] = classes
        elif one.name in SHAPE:
            given[one.name] = shape
        elif one.default is one.empty and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            raise UserError(
                f"MODEL={network.model} asks for {one.name!r}, which is unknown; let the function take classes and "
                "shape, or nothing"
            )
    model = make(**given)
    if not isinstance(model, nn.Module):
        raise UserError(f"MODEL={network.model} makes a {type(model).__name__}; it must make a torch.nn.Module")
    return model


def _torchvision(model: str, classes: int) -> nn.Module:
    from torchvision import models

    name = model.removeprefix(TORCHVISION)
    if name not in models.list_models(module=models):
        raise UserError(f"torchvision has no classifier {name!r}; give one such as MODEL=torchvision:resnet18")
    return models.get_model(name, weights=None, num_classes=classes)


def _taken(network: Network, kind: str, prepare: Callable | None, _model: nn.Module, given: tuple):
    """Physical inputs (N, ...) as the network takes them."""
    inputs = given[0]
    if prepare:
        made = prepare(decode(inputs) if kind == TEXTS else inputs)
        return tuple(one.to(inputs.device) for one in (made if isinstance(made, tuple) else (made,)))
    if network.colour:
        inputs = inputs.expand(-1, 3, *inputs.shape[2:])
    sides = (1, -1, *[1] * (inputs.dim() - 2))
    mean, std = (torch.tensor(values, device=inputs.device).view(sides) for values in (network.mean, network.std))
    return ((network.scale * inputs - mean) / std,)
