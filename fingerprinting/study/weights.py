"""Weights that were trained elsewhere: read from anybody's safetensors files, and fitted to an architecture.

Names may carry one common prefix, as of DataParallel (`module.`), torch.compile (`_orig_mod.`) or a wrapper (`model.`).
"""

import json
import re
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
COUNTER = "num_batches_tracked"  # of a norm; nothing that is trained or answered depends on it
INDEX = ".safetensors.index.json"
SHARD = re.compile(r"[\w.-]+\.safetensors")  # a file in the index's own folder
POINTER, PICKLES = b"version https://git-lfs", (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
NAMED = 3  # names that a sentence shows


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, of all shards of an index, or of the one or the other in a folder."""
    path = _in_folder(path) if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    return _sharded(path) if path.name.endswith(INDEX) else _tensors(path)


def prefix_of(given: dict, wanted: dict) -> str:
    """What all given names begin with and the wanted ones do not: left out, as few parts of a path as possible."""
    common = _common_parts(given)
    prefixes = [".".join([*common[:depth], ""]) if depth else "" for depth in range(len(common) + 1)]
    return max(prefixes, key=lambda prefix: len({name.removeprefix(prefix) for name in given} & set(wanted)))


def filled(model: nn.Module, path: Path) -> nn.Module:
    """The model with the weights at that path, in place; but for counters, every name and shape must fit."""
    given, wanted = read(path), model.state_dict()
    prefix = prefix_of(given, wanted)
    given = _completed({name.removeprefix(prefix): value for name, value in given.items()}, wanted)
    _check_names(path, given, wanted)
    for name, value in given.items():
        _check_shape(path, name, value, wanted[name])
        given[name] = _converted(path, name, value, wanted[name].dtype)
    model.load_state_dict(given)
    return model


def begun(model: nn.Module, path: Path) -> tuple[nn.Module, list[str]]:
    """The model with as many of the weights at that path as fit by name and shape, in place; names that none fits."""
    given, wanted = read(path), model.state_dict()
    prefix = prefix_of(given, wanted)
    given = {name.removeprefix(prefix): value for name, value in given.items()}
    fitting = {
        name: _converted(path, name, value, wanted[name].dtype)
        for name, value in given.items()
        if name in wanted and value.shape == wanted[name].shape
    }
    new = [name for name in wanted if name not in fitting and name.rpartition(".")[2] != COUNTER]
    if 2 * len(new) >= len(wanted):
        raise UserError(
            f"{path} fits {len(fitting)} of {len(wanted)} weights of the network, too few to start from; give the "
            "pretrained weights of this very architecture"
        )
    model.load_state_dict(fitting, strict=False)
    return model, new


@lru_cache
def content(path: Path, _changed: float) -> str:
    """The digest of the weights at that path, read once as long as the file does not change."""
    return storage.digest(read(path))


def _in_folder(folder: Path) -> Path:
    found = storage.visible(folder)
    indices = [path for path in found if path.name.endswith(INDEX)]
    offered = indices or [path for path in found if path.suffix == ".safetensors"]
    if len(offered) != 1:
        raise UserError(f"{folder} holds {len(offered)} safetensors files, or indices of such; name the one to take")
    return offered[0]


def _sharded(index: Path) -> dict[str, torch.Tensor]:
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        places = content["weight_map"]
        fits = all(isinstance(name, str) and SHARD.fullmatch(name) for name in places.values())
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        places = fits = None
    if not places:
        raise UserError(f"{index} is no index of safetensors files: its weight_map must name each tensor's")
    if not fits:
        raise UserError(f"{index} names shards that are no safetensors files in its own folder; put them beside it")
    shards = sorted(set(places.values()))
    if missing := [name for name in shards if not (index.parent / name).is_file()]:
        raise UserError(f"{index} names {missing[0]}, which is not beside it; get all {len(shards)} shards")
    found = {name: (shard, value) for shard in shards for name, value in _tensors(index.parent / shard).items()}
    if wrong := sorted(places.keys() ^ found.keys()) or [name for name in places if places[name] != found[name][0]]:
        raise UserError(f"{index} and its shards do not agree on where {wrong[0]} is; get them again")
    return {name: value for name, (_, value) in found.items()}


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError):
        raise UserError(_what_it_is(path)) from None
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):  # a type of number that torch has not
        raise UserError(
            f"{path} holds numbers that cannot be read here; write them as float32, float16 or bfloat16"
        ) from None


def _what_it_is(path: Path) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(len(POINTER))
    except OSError as error:
        return f"{path} cannot be read ({error.strerror}); give a file that can"
    if start == POINTER:
        return f"{path} is no safetensors file but Git LFS's pointer to one; run git lfs pull where it comes from"
    if start.startswith(PICKLES):
        return (
            f"{path} is no safetensors file; write one with safetensors.torch.save_file(torch.load({path.name!r}, "
            "weights_only=True), 'model.safetensors') where you trust it: pickles can run code and are not opened here"
        )
    return (
        f"{path} is no safetensors file; write one with safetensors.torch.save_file(model.state_dict(), path), or get "
        "it again where it was one: it may be cut off"
    )


def _common_parts(names: dict) -> list[str]:
    """The parts of a path that all names begin with, their last ones left out."""
    paths = [name.split(".")[:-1] for name in names]
    shortest: list[str] = min(paths, key=len, default=[])
    same = takewhile(lambda depth: all(path[depth] == shortest[depth] for path in paths), range(len(shortest)))
    return [shortest[depth] for depth in same]


def _completed(given: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """With the counters that are missing, and with tied weights under all their names."""
    missing = {name: value for name, value in wanted.items() if name not in given}
    twins = {value.data_ptr(): name for name, value in wanted.items() if name in given and value.numel()}
    tied = {name: given[twins[value.data_ptr()]] for name, value in missing.items() if value.data_ptr() in twins}
    counters = {name: value for name, value in missing.items() if name.rpartition(".")[2] == COUNTER}
    return given | counters | tied


def _check_names(path: Path, given: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    if given.keys() == wanted.keys():
        return
    advice = "build the very network that was saved"
    has, wants = (sorted(name for name in names if not name.endswith(COUNTER)) for names in (given, wanted))
    lacking = ".".join([*_common_parts(wanted), ""])
    if not set(has) & set(wants) and {f"{lacking}{name}" for name in has} & set(wants):
        raise UserError(f"{path} does not fit the architecture: write {lacking!r} before each of its names")
    if not set(has) & set(wants):
        own, other = (", ".join(names[:NAMED]) or "nothing" for names in (has, wants))
        raise UserError(f"{path} does not fit the architecture: it has {own} ..., wanted are {other} ...; {advice}")
    name = min(given.keys() ^ wanted.keys())
    there, due = (tuple(state[name].shape) if name in state else "nothing" for state in (given, wanted))
    raise UserError(f"{path} does not fit the architecture: of {name} it has {there}, wanted is {due}; {advice}")


def _check_shape(path: Path, name: str, given: torch.Tensor, wanted: torch.Tensor) -> None:
    has, wants = tuple(given.shape), tuple(wanted.shape)
    if has == wants:
        return
    advice = "build the very network that was saved"
    if has == (1, *wants) or wants == (1, *has):
        advice = f"a first dimension of 1 is all that differs: write tensor{'[0]' if has == (1, *wants) else '[None]'}"
    raise UserError(f"{path} does not fit the architecture: of {name} it has {has}, wanted is {wants}; {advice}")


def _converted(path: Path, name: str, value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    for kinds in (FLOATS, INTEGERS):
        if dtype in kinds and value.dtype not in kinds:
            known = ", ".join(str(kind).removeprefix("torch.") for kind in kinds)
            raise UserError(f"{path} holds {name} as {value.dtype}, wanted is {dtype}; write it as one of {known}")
    if dtype not in FLOATS + INTEGERS and value.dtype != dtype:
        raise UserError(f"{path} holds {name} as {value.dtype}, wanted is {dtype}; write it as that")
    converted = value.to(dtype)
    if dtype in FLOATS and not converted.isfinite().all():
        raise UserError(f"{path} holds NaN or infinity in {name}; no model can be taken from it")
    return converted
