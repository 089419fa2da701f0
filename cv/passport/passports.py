"""Passports: how they are made from real images, put into a network, and kept in a file of their own."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cv.passport import signature
from cv.passport.layers import BranchNorm, PassportNorm, branch_norms, convolution_at, convolutions, norm_at, padding_of
from fingerprinting.core import runtime, storage
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.data.datasets import Examples, physical

CONFIGS = REPOSITORY / "cv" / "passport" / "configs"
LARGEST_CONFIG = 1 << 20  # bytes; a line for each of a network's layers takes thousands
SCHEMES = ("v1", "v2", "v3")
# DeepIPR's names of layers -> the paths that these have here, behind the normalisation of images
DEEPIPR_LAYERS = {"0": "1.0", "2": "1.4", "4": "1.8", "5": "1.11", "6": "1.14", "convbnrelu_1": "1.conv1"}
DEEPIPR_BLOCK = {"convbnrelu_1": "conv1", "convbn_2": "conv2", "shortcut": "downsample.0"}
Config = dict[str, bool | str]  # path of a convolution -> false, true or a text signature


@dataclass(frozen=True)
class Passports:
    """What an owner keeps secret (schemes 2 and 3) or ships with the model (scheme 1), by path of the convolution.

    gamma, beta (1, C, h, w): P_γ and P_β, like inputs of that convolution. signs (channels,): the signature b.
    texts: what the first bits of b spell; empty where all were drawn. statistics: of the private branch's
    normalisations, as their state dicts; empty for scheme 1, whose only branch the model holds. triggers: scheme 3's.
    """

    gamma: dict[str, torch.Tensor]
    beta: dict[str, torch.Tensor]
    signs: dict[str, torch.Tensor]
    texts: dict[str, str]
    metadata: dict
    statistics: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    triggers: Examples | None = None


def read_config(name: str, architecture: str) -> Config:
    """A JSON file by its path, or the architecture's own; layers that it leaves out carry no passport.

    DeepIPR's own files are read too, with their names of the layers of AlexNet, ResNet9 and ResNet18.
    """
    path = Path(name) if name else CONFIGS / f"{architecture.removesuffix('_gn')}.json"
    if not os.path.isfile(path):  # which, unlike Path's, says no to a name that is too long for a file
        raise UserError(f"the passport configuration {path} does not exist; give one with CONFIG=, see {CONFIGS.name}/")
    if path.stat().st_size > LARGEST_CONFIG:
        raise UserError(f"{path} is larger than any passport configuration; give the JSON file with CONFIG=")
    try:
        config = _by_layer(json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_once))
    except _RepeatedError as layer:
        raise UserError(f"{path} names {layer} twice; keep the line that is meant") from None
    except (ValueError, OSError, RecursionError):
        raise UserError(f"{path} is no JSON; give false, true or a text signature per layer") from None
    if config is None:
        raise UserError(f"{path} must give false, true or a text signature per layer")
    if wrong := [layer for layer, value in config.items() if isinstance(value, str) and not _is_text(value)]:
        raise UserError(f"{path} signs {wrong[0]} with half of a surrogate pair, which is no text; give another")
    return config


def _by_layer(config: object) -> Config | None:
    """By this repository's paths of the layers; None where a value stands that is none of a layer's.

    In DeepIPR's files a ResNet's stages hold blocks, which hold convolutions; AlexNet's layers count the poolings.
    """
    if not isinstance(config, dict):
        return None
    found: list[tuple[str, Any]] = []
    for name, value in config.items():
        if re.fullmatch(r"layer\d", name) and isinstance(value, dict):
            blocks = [(place, block) for place, block in value.items() if isinstance(block, dict)]
            if len(blocks) < len(value):
                return None
            found += [
                (f"1.{name}.{place}.{DEEPIPR_BLOCK.get(layer, layer)}", put)
                for place, block in blocks
                for layer, put in block.items()
            ]
        else:
            found.append((DEEPIPR_LAYERS.get(str(name), str(name)), value))
    layers = _once(found)
    return layers if all(isinstance(value, (bool, str)) for value in layers.values()) else None


class _RepeatedError(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict:
    """An object of JSON, whose later names would otherwise silently replace earlier ones."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedError(next(repr(name) for name in names if names.count(name) > 1))
    return found


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def make(
    pretrained: nn.Module,
    config: Config,
    images: torch.Tensor,
    count: int,
    name: str,
    metadata: Mapping,
    triggers: Examples | None = None,
) -> Passports:
    """Passports from the activations of `count` of the images (N, C, H, W) each, in a network trained without them."""
    signs = signatures(pretrained, config, draw := runtime.generator(f"passports/{name}"))
    texts = {path: _text(config, path) for path in signs}
    gamma, beta = of_images(pretrained, list(signs), images, count, draw)
    return Passports(gamma, beta, signs, texts, dict(metadata), triggers=triggers)


def of_images(
    net: nn.Module, paths: list[str], images: torch.Tensor, count: int, draw: torch.Generator
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """P_γ and P_β (1, C, h, w) by path: the shuffled activations of `count` of the images (N, C, H, W) each."""
    drawn = torch.randperm(len(images), generator=draw)[: 2 * count].chunk(2)
    gamma, beta = ({p: shuffled(a, draw) for p, a in activations(net, paths, images[i]).items()} for i in drawn)
    return gamma, beta


def signatures(net: nn.Module, config: Config, draw: torch.Generator) -> dict[str, torch.Tensor]:
    """Signs (channels,) of every layer that the configuration gives a passport, in the order of the network."""
    known = convolutions(net)
    if unknown := set(config) - set(known):
        raise UserError(f"no layer {', '.join(sorted(unknown))} to put a passport into; there are {', '.join(known)}")
    chosen = [path for path in known if config.get(path, False) is not False]
    if not chosen:
        raise UserError("the passport configuration names no layer; give true or a text signature for one at least")
    texts = {path: _text(config, path) for path in chosen}
    return {path: signature.encode(texts[path], convolution_at(net, path).out_channels, draw) for path in chosen}


def _text(config: Config, path: str) -> str:
    """The text signature of a layer; without one its bits are drawn."""
    return value if isinstance(value := config[path], str) else ""


def activations(net: nn.Module, paths: list[str], images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What goes into the convolutions at `paths` (n, C, h, w) for images (n, ...)."""
    seen: dict[str, torch.Tensor] = {}

    def watch(path: str):
        return lambda _module, given: seen.update({path: given[0].detach().cpu().contiguous()})

    hooks = [net.get_submodule(path).register_forward_pre_hook(watch(path)) for path in paths]
    device = next(net.parameters()).device
    try:
        with torch.no_grad():
            net.eval()(physical(images.to(device)))
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def shuffled(features: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """features (n, C, h, w) -> (1, C, h, w): each channel any channel of any image, none twice."""
    places = torch.randperm(features.shape[0] * features.shape[1], generator=draw)[: features.shape[1]]
    return features.flatten(0, 1)[places][None].clone()


def align(net: nn.Module, passports: Passports) -> nn.Module:
    """Give the γ of a plain network, in place, the signature's signs wherever a passport layer will stand.

    The branches share all other weights: where a channel's γ has another sign in either branch, the next layer sees the
    channel's other half, and one set of weights cannot serve both.
    """
    norms = convolutions(net)
    for path, signs in passports.signs.items():
        scale = norm_at(net, norms[path]).weight
        scale.data = signs.to(scale.device) * scale.data.abs()
    return net


def install(net: nn.Module, passports: Passports, public: bool) -> nn.Module:
    """Put passport layers into a plain network, in place; `public` keeps the plain layers as a branch beside them."""
    pairs, reached = convolutions(net), False
    _check_fit(net, pairs, passports)
    for path, norm_path in pairs.items():
        plain, convolution = norm_at(net, norm_path), convolution_at(net, path)
        reached |= path in passports.gamma
        if path in passports.gamma:
            gamma, beta = (part[path].to(convolution.weight.device) for part in (passports.gamma, passports.beta))
            net.set_submodule(norm_path, PassportNorm(plain if public else None, plain, convolution, gamma, beta))
        elif reached and public:
            net.set_submodule(norm_path, BranchNorm(plain, plain))
    for path, norm in branch_norms(net).items():
        if path in passports.statistics:
            try:
                norm.private.load_state_dict(passports.statistics[path])
            except RuntimeError:
                raise _misfit(passports) from None
    return net


def _check_fit(net: nn.Module, pairs: dict[str, str], passports: Passports) -> None:
    fits = set(passports.gamma) | set(passports.statistics) <= set(pairs) and all(
        _is_seen(passport, convolution := convolution_at(net, path))
        and len(passports.signs[path]) == convolution.out_channels
        for part in (passports.gamma, passports.beta)
        for path, passport in part.items()
    )
    if not fits:
        raise _misfit(passports)


def _is_seen(passport: torch.Tensor, convolution: nn.Conv2d) -> bool:
    """Whether a passport (n, C, h, w) can be an input: its channels, and a place for the kernel."""
    if passport.shape[1] != convolution.in_channels:
        return False
    sizes = zip(passport.shape[2:], convolution.kernel_size, padding_of(convolution), convolution.dilation, strict=True)
    return all(side + 2 * padding > dilation * (kernel - 1) for side, kernel, padding, dilation in sizes)


def _misfit(passports: Passports) -> UserError:
    return UserError(
        f"the passports were made for {passports.metadata['architecture']} with other layers than this model has; "
        "give the passport file that belongs to it"
    )


def released(net: nn.Module) -> nn.Module:
    """Back to the plain network, in place: the public branch, or with γ and β of the only one written in (scheme 1)."""
    pairs = convolutions(net)
    for path, norm in branch_norms(net).items():
        plain = norm.public
        if plain is None:
            plain = norm.private
            plain.weight, plain.bias = (nn.Parameter(values.detach().clone()) for values in norm.affine())
        net.set_submodule(pairs[path], plain)
    return net


def statistics(net: nn.Module) -> dict[str, dict[str, torch.Tensor]]:
    """The private branch's statistics of a network with two branches."""
    return {path: norm.private.state_dict() for path, norm in branch_norms(net).items() if norm.public is not None}


def save(path: Path, passports: Passports) -> None:
    parts = {"gamma": passports.gamma, "beta": passports.beta, "signs": passports.signs}
    tensors = {f"{name}/{layer}": value for name, part in parts.items() for layer, value in part.items()}
    for layer, state in passports.statistics.items():
        tensors |= {f"statistics/{layer}/{name}": value for name, value in state.items()}
    if passports.triggers is not None:
        tensors |= {"triggers/inputs": passports.triggers.inputs, "triggers/labels": passports.triggers.targets}
    storage.save_tensors(path, tensors, {**passports.metadata, "passport_texts": passports.texts})


def load(path: Path) -> Passports:
    """The passports in a file; every tensor must have its place, and every value be one that passports have."""
    tensors, metadata = storage.load_tensors(path)
    if "passport_texts" not in metadata:
        raise UserError(f"{path} holds no passports; give a file that python cv/passport/train.py wrote")
    parts: dict[str, dict] = {"gamma": {}, "beta": {}, "signs": {}, "statistics": {}, "triggers": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition("/")
        if part not in parts:
            raise UserError(f"{path} holds {name!r}, which is no part of a passport; take the owner's own file")
        if part == "statistics":
            layer, _, entry = rest.partition("/")
            parts[part].setdefault(layer, {})[entry] = value
        else:
            parts[part][rest] = value
    texts, triggers = metadata.pop("passport_texts"), parts.pop("triggers")
    named = isinstance(texts, dict) and set(parts["gamma"]) == set(parts["beta"]) == set(parts["signs"]) == set(texts)
    if not (named and texts):
        raise UserError(f"{path} does not hold two passports and a signature for each layer; take the owner's own file")
    if not (
        all(isinstance(metadata.get(name), str) for name in ("architecture", "scheme", "model"))
        and metadata["scheme"] in SCHEMES
    ):
        raise UserError(f"{path} does not say of which network and scheme its passports are; take the owner's own file")
    shown = [*parts["gamma"].values(), *parts["beta"].values()]
    measured = [value for state in parts["statistics"].values() for value in state.values()]
    if not (
        all(passport.dim() == 4 and passport.numel() and _is_finite(passport) for passport in shown)
        and all(_are_signs(parts["signs"][layer], text) for layer, text in texts.items())
        and all(value.dtype == torch.long or _is_finite(value) for value in measured)
        and _are_triggers(triggers)
    ):
        raise UserError(f"{path} holds values that no passport or signature has; take the owner's own file")
    kept = Examples(triggers["inputs"], triggers["labels"]) if triggers else None
    return Passports(**parts, texts=texts, metadata=metadata, triggers=kept)


def _is_finite(values: torch.Tensor) -> bool:
    return values.dtype == torch.float32 and bool(values.isfinite().all())


def _are_signs(bits: torch.Tensor, text: object) -> bool:
    """Signs (channels,) whose first ones spell the text."""
    if not (_is_finite(bits) and bits.dim() == 1 and (bits.abs() == 1).all()):
        return False
    if not (isinstance(text, str) and _is_text(text)):
        return False
    length = len(text.encode())
    return 8 * length <= len(bits) and signature.decode(bits, length) == text


def _are_triggers(found: dict[str, torch.Tensor]) -> bool:
    """None, or images (n, C, H, W) with a class each."""
    if not found:
        return True
    if set(found) != {"inputs", "labels"}:
        return False
    images, labels = found["inputs"], found["labels"]
    classes = labels.dtype == torch.long and labels.dim() == 1 and len(labels) and (labels >= 0).all()
    pixels = images.dim() == 4 and (images.dtype == torch.uint8 or _is_finite(images))
    return bool(classes) and pixels and len(images) == len(labels)
