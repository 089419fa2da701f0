"""Labelled inputs, in the physical units that every model takes."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from fingerprinting import runtime
from fingerprinting.runtime import UserError


def physical(inputs: torch.Tensor) -> torch.Tensor:
    """Stored inputs as models take them: uint8 images become floats in [0, 1], all else is physical already."""
    return inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs


@dataclass(frozen=True)
class Examples:
    """inputs (N, ...) as stored, targets (N,) class indices or (N, C) probabilities."""

    inputs: torch.Tensor
    targets: torch.Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, indices: torch.Tensor) -> "Examples":
        return Examples(self.inputs[indices], self.targets[indices])

    def relabelled(self, targets: torch.Tensor) -> "Examples":
        return Examples(self.inputs, targets)

    def joined(self, other: "Examples") -> "Examples":
        return Examples(torch.cat([self.inputs, other.inputs]), torch.cat([self.targets, other.targets]))

    def batches(
        self, size: int, device: torch.device, order: torch.Tensor | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Physical inputs and targets on `device`, `size` at a time, in the given order."""
        pieces = torch.arange(len(self)) if order is None else order
        for piece in pieces.split(size):
            yield runtime.place(physical(self.inputs[piece].to(device)), device), self.targets[piece].to(device)


@dataclass(frozen=True)
class Dataset:
    """A published data set: `pool` is cut among the parties, `test` (and `dev`, where published) is held out.

    groups (N,) of the pool: examples of one group (windows of a trial, trials of a subject) never part company; whoever
    makes them keeps test and dev free of the pool's groups.
    """

    name: str
    classes: tuple[str, ...]
    pool: Examples
    test: Examples
    dev: Examples | None = None
    groups: torch.Tensor | None = None

    def __post_init__(self) -> None:
        for part in (part for part in (self.pool, self.test, self.dev) if part is not None):
            if not len(part):
                raise UserError(f"{self.name} holds no examples for one of its parts; get its files again")
            low, high = part.targets.min().item(), part.targets.max().item()
            if low < 0 or high >= len(self.classes):
                raise UserError(
                    f"{self.name} has labels from {low} to {high} for {len(self.classes)} classes; get its files again"
                )


def held_out(
    name: str, classes: tuple[str, ...], inputs: torch.Tensor, labels: torch.Tensor, every: int = 5
) -> Dataset:
    """A data set that was published without a test set: in the given order, every `every`-th of each class is test."""
    test = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        test[(labels == label).nonzero().flatten()[::every]] = True
    whole = Examples(inputs, labels)
    return Dataset(name, classes, whole.take(~test), whole.take(test))
