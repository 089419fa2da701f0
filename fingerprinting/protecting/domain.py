"""The domain of a folder that protect.py made: the house's domain of such inputs, with the owner's data and network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from fingerprinting.core import storage
from fingerprinting.data.datasets import Dataset, held_out
from fingerprinting.protecting import asked, description, networks
from fingerprinting.protecting.description import Description
from fingerprinting.protecting.examples import IMAGES, Found
from fingerprinting.study.domain import TIERS, Architecture, Data, Domain, Networks, load_domain

STEPS = ("source", "twins", "calibration", "pairs", "calibrated")  # that protect.py runs


def of_folder(folder: Path) -> Domain:
    """What protect.json and data.safetensors in the folder describe."""
    held = description.read(folder)
    again = dict.fromkeys(STEPS, f"python protect.py PROTECTED={folder}")
    built_from = (
        folder.resolve() / description.FILE,
        *([Path(held.network.model)] if networks.is_folder(held.network) else []),
    )
    return replace(made(held, lambda _name: _loaded(folder, held)), files=built_from, commands=again)


def made(held: Description, load: Callable[[str], Dataset]) -> Domain:
    """The domain that is described, its data read by `load`."""
    usual = load_domain(held.kind)
    return replace(
        usual,
        name=held.name,
        data=Data(
            load=load,
            prepare=lambda _name: None,
            datasets=dict.fromkeys(TIERS, held.dataset),
            targets={held.dataset: ""},
            pool_size=dict.fromkeys(TIERS),
        ),
        networks=_with_asked(held, _networks(held, usual.networks)),
        constants=usual.constants | ({"AUGMENT": False} if held.kind == IMAGES else {}),
        limit=held.limit,
        scope=asked.SCOPE if held.source else "",
        asked_once=bool(held.source),
    )


def keep(folder: Path, found: Found) -> None:
    """The owner's data as models take them, so that no later step depends on where they came from."""
    tensors = {"inputs": found.inputs, "labels": found.labels}
    storage.save_tensors(folder / description.DATA, tensors, {"classes": list(found.classes), "rate": found.rate})


def _loaded(folder: Path, held: Description) -> Dataset:
    tensors, about = storage.load_tensors(folder / description.DATA)
    return dataset(held, tuple(about["classes"]), tensors["inputs"], tensors["labels"])


def dataset(held: Description, classes: tuple[str, ...], inputs: torch.Tensor, labels: torch.Tensor) -> Dataset:
    """Every fifth example of each class is held out for dev and test."""
    return replace(held_out(held.dataset, classes, inputs, labels), all_owned=held.all_owned)


def _with_asked(held: Description, networks: Networks) -> Networks:
    """With what looks up the responses of a source that can only be asked, trained by nobody."""
    if not held.source:
        return networks
    looked_up = Architecture(lambda classes, _shape: asked.Asked(classes))
    return replace(networks, architectures={**networks.architectures, asked.ASKED: looked_up})


def _networks(held: Description, usual: Networks) -> Networks:
    """The owner's network before the house's; a pretrained start is shared by no other architecture."""
    if not held.network.model:
        if held.network.train:
            train = networks.function(held.network.modules, held.network.train, "TRAIN")
            own = {
                name: replace(one, train=train)
                for name, one in usual.architectures.items()
                if name in set(usual.source.values())
            }
            return replace(usual, architectures=usual.architectures | own)
        return usual
    students: dict[str, tuple[str, ...]] = (
        dict.fromkeys(TIERS, (networks.OWN,)) if held.network.base else usual.students
    )
    return Networks(
        architectures={networks.OWN: networks.architecture(held.network, held.kind), **usual.architectures},
        source=dict.fromkeys(TIERS, networks.OWN),
        students=students,
    )
