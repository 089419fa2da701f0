"""A study of which nothing is read and nothing is trained: its steps say which models they would make."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch

from fingerprinting.core.errors import UserError
from fingerprinting.data import splits
from fingerprinting.data.datasets import Dataset, Examples
from fingerprinting.study.domain import Size
from fingerprinting.study.study import Study


@dataclass(frozen=True)
class PlannedStudy(Study):
    """steps: step -> the jobs that it would train, as build.train is given them."""

    steps: dict[str, list[Any]] = field(default_factory=dict, kw_only=True, compare=False)

    @property
    def parts(self) -> dict[str, Examples]:
        """Of the published sizes: inputs of zeros that take no memory, classes in turn."""
        size = self._size(self.dataset)
        return _cut(size, self.dataset, self.pool or self.domain.of_tier("pool_size", self.tier), size.shape)

    @property
    def target_parts(self) -> dict[str, Examples]:
        own = self._size(self.dataset)
        return _cut(self._size(self.target), self.target, self.domain.of_tier("pool_size", self.tier), own.shape)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(map(str, range(self._size(self.dataset).classes)))

    @property
    def target_classes(self) -> tuple[str, ...]:
        return tuple(map(str, range(self._size(self.target).classes)))

    @property
    def target(self) -> str:
        """Where its size is known; transfers to another one are not planned."""
        usual = super().target
        return usual if usual in self.domain.data.sizes else ""

    def data_sha256(self, *, on_target: bool) -> str:
        return ""

    def _size(self, name: str) -> Size:
        if name not in self.domain.data.sizes:
            known = ", ".join(self.domain.data.sizes)
            raise UserError(f"the size of {name} is known when it is read, so nothing is planned on it; take {known}")
        return self.domain.data.sizes[name]


@lru_cache
def _cut(size: Size, name: str, pool: int | None, shape: tuple[int, ...]) -> dict[str, Examples]:
    """The parts as the split cuts them, in numbers alone: repeats and groups are not known."""

    def numbered(count: int, first: int) -> Examples:
        numbers = torch.arange(first, first + count)
        return Examples(numbers[:, None], numbers % size.classes)

    dev = numbered(size.dev, size.pool + size.test) if size.dev else None
    classes = tuple(map(str, range(size.classes)))
    whole = Dataset(name, classes, numbered(size.pool, 0), numbered(size.test, size.pool), dev)
    found = splits.cut(whole, pool, 0)
    zero = torch.zeros(1, dtype=getattr(torch, size.dtype))
    return {part: Examples(zero.expand(len(of), *shape), of.targets) for part, of in found.items()}
