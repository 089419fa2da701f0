"""What an owner hands over as data, whatever its form: labelled inputs in physical units, and what was said of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from fingerprinting import cli
from fingerprinting.core.errors import UserError

IMAGES, TEXTS, SIGNALS = "cv", "nlp", "bci"  # the domain whose inputs the data are
KINDS = {"images": IMAGES, "text": TEXTS, "eeg": SIGNALS}  # as the owner calls them
LARGEST = 2**31  # bytes of all inputs together
FEWEST = 10  # examples of a class: each of the five parts needs one
MOST_CLASSES = 1000
DIGITS = 18  # of a class that is a number
NAMED = 5  # classes or files that a sentence shows


@dataclass(frozen=True)
class Found:
    """inputs (N, ...) as they are stored, labels (N,), the classes in the order of the labels, a name for each example.

    rate: samples a second of signals. said: what was found out about how the owner stores them.
    """

    kind: str
    inputs: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    names: Sequence[str]
    said: str
    rate: float = 0.0
    channels: tuple[str, ...] = field(default=())


def checked(found: Found, path: Path) -> Found:
    """The same; UserError where nothing can be learned from it."""
    counts = torch.bincount(found.labels, minlength=len(found.classes))
    if len(found.classes) < 2:
        raise UserError(f"{path} holds one class, {listed(found.classes)}; a classifier needs two or more")
    if len(found.classes) > MOST_CLASSES:
        raise UserError(f"{path} has {len(found.classes)} classes, where {MOST_CLASSES} are the most; check its labels")
    if few := [name for name, count in zip(found.classes, counts.tolist(), strict=True) if count < FEWEST]:
        raise UserError(
            f"{path} has fewer than {FEWEST} examples of {listed(few)}; the data are cut into five parts, so give each "
            "class more or leave it out"
        )
    return found


def in_order(found: Found, classes: tuple[str, ...]) -> Found:
    """The same with the classes in another order, that of a network's outputs."""
    if sorted(classes) != sorted(found.classes):
        raise UserError(
            f"CLASSES= names {listed(classes)}, which are not the data's classes; give "
            f"{cli.word('CLASSES', found.classes)}, in the order of the network's outputs"
        )
    places = torch.tensor([classes.index(name) for name in found.classes])
    return replace(found, labels=places[found.labels], classes=classes)


def numbered(values: np.ndarray) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Labels (N,), of any kind -> the places (N,) of their classes, and the classes by name or number."""
    if values.dtype.kind == "U":
        values = np.char.strip(values)
        if all(value.isascii() and value.isdecimal() and len(value) <= DIGITS for value in np.unique(values)):
            return _by_number(values)
    classes, places = np.unique(values, return_inverse=True)
    return torch.from_numpy(places.astype(np.int64).reshape(-1)), tuple(str(value) for value in classes)


def _by_number(values: np.ndarray) -> tuple[torch.Tensor, tuple[str, ...]]:
    """2 before 10; 01 and 1 are two classes."""
    names, places = np.unique(values, return_inverse=True)
    order = sorted(range(len(names)), key=lambda place: int(names[place]))
    ranks = np.argsort(order)
    return torch.from_numpy(ranks[places.reshape(-1)]), tuple(str(names[place]) for place in order)


def too_large(path: Path, size: int, advice: str) -> UserError:
    return UserError(f"{path} would take {size / 2**30:.1f} GB of memory, where {LARGEST >> 30} are the most; {advice}")


def listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
