"""Labelled inputs, in the physical units that every model takes."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError


def physical(inputs: torch.Tensor) -> torch.Tensor:
    """Stored inputs as models take them: uint8 images become floats in [0, 1], all else is physical already."""
    return inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs


def handed_out(inputs: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Physical inputs on `device` in memory of their own: whoever gets them may write to them, what is kept stays."""
    placed = runtime.place(physical(inputs.to(device)), device)
    return placed.clone() if placed.data_ptr() == inputs.data_ptr() else placed


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

    def on(self, device: torch.device) -> "Examples":
        """The same on a device: an accelerator need not wait for every batch."""
        return Examples(self.inputs.to(device), self.targets.to(device))

    def batches(
        self, size: int, device: torch.device, order: torch.Tensor | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Physical inputs and targets on `device`, `size` at a time, in the given order."""
        pieces = torch.arange(len(self)) if order is None else order
        for piece in pieces.to(self.inputs.device).split(size):
            yield runtime.place(physical(self.inputs[piece].to(device)), device), self.targets[piece].to(device)


@dataclass(frozen=True)
class Dataset:
    """A published data set: `pool` is cut among the parties, `test` (and `dev`, where published) is held out.

    groups (N,) of the pool: examples of one group (windows of a trial, trials of a subject) never part company; whoever
    makes them keeps test and dev free of the pool's groups. strata (N,) of the pool: every party gets its share of the
    groups of each stratum. all_owned: no part of the pool plays the attacker.
    """

    name: str
    classes: tuple[str, ...]
    pool: Examples
    test: Examples
    dev: Examples | None = None
    groups: torch.Tensor | None = None
    strata: torch.Tensor | None = None
    all_owned: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if not all(isinstance(name, str) for name in self.classes) or len(set(self.classes)) < len(self.classes):
            raise UserError(f"{self.name} has classes {self.classes}; its loader must give each a text of its own")
        if unsayable := [name for name in self.classes if name.strip() != name or name.splitlines() != [name]]:
            raise UserError(
                f"{self.name} has a class {unsayable[0]!r}; its loader must give names on one line, without blanks "
                "around them, as responses have them"
            )
        for part in (part for part in (self.pool, self.test, self.dev) if part is not None):
            _check(self.name, part)
            if part.inputs.shape[1:] != self.pool.inputs.shape[1:]:
                raise UserError(f"{self.name} has inputs of several shapes in its parts; its loader must give one")
            if not len(part):
                raise UserError(f"{self.name} holds no examples for one of its parts; get its files again")
            low, high = part.targets.min().item(), part.targets.max().item()
            if low < 0 or high >= len(self.classes):
                raise UserError(
                    f"{self.name} has labels from {low} to {high} for {len(self.classes)} classes; get its files again"
                )
        for what, of in (("groups", self.groups), ("strata", self.strata)):
            if of is not None and of.shape != (len(self.pool),):
                raise UserError(
                    f"{self.name} has {what} of another number than its pool; its loader must give one each"
                )


def _check(name: str, part: Examples) -> None:
    """What a loader of somebody's own may get wrong."""
    if not isinstance(part, Examples):
        raise UserError(f"{name} has a {type(part).__name__} as a part; its loader must make Examples(inputs, targets)")
    if not all(isinstance(value, torch.Tensor) for value in (part.inputs, part.targets)):
        raise UserError(f"{name} holds no tensors; its loader must make torch tensors of inputs and labels")
    if part.targets.dtype != torch.int64 or part.targets.dim() != 1:
        raise UserError(f"{name} has labels of {part.targets.dtype}; its loader must give one int64 number an example")
    if part.inputs.dim() < 2:
        raise UserError(f"{name} has inputs of shape {tuple(part.inputs.shape)}; its loader must give (N, ...)")
    if len(part.inputs) != len(part.targets):
        raise UserError(f"{name} has {len(part.inputs)} inputs and {len(part.targets)} labels in one part")
    if part.inputs.dtype in (torch.float64, torch.float16, torch.bfloat16, torch.bool) or part.inputs.is_complex():
        raise UserError(f"{name} has inputs of {part.inputs.dtype}; its loader must give float32, or uint8 for images")
    if part.inputs.is_floating_point() and not part.inputs.isfinite().all():
        raise UserError(f"{name} has non-finite inputs; its loader must leave them out")


def held_out(
    name: str, classes: tuple[str, ...], inputs: torch.Tensor, labels: torch.Tensor, every: int = 5
) -> Dataset:
    """A data set that was published without a test set: in the given order, every `every`-th of each class is test."""
    test = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        test[(labels == label).nonzero().flatten()[::every]] = True
    whole = Examples(inputs, labels)
    return Dataset(name, classes, whole.take(~test), whole.take(test))
