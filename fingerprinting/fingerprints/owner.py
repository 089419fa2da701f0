"""What an owner makes queries with: the source, its data, and the models it trained for reference."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import nn

from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Examples, physical
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.models import suspects, trained
from fingerprinting.models.suspects import Suspect
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict


class UnsuitedError(UserError):
    """A method that makes no sense for this domain, or finds nothing to work with here."""


@dataclass(frozen=True)
class Queries:
    """What a method asks: inputs (n, ...) physical and truth (n,), the class each one began from or aims at.

    extra: named tensors that the method's representation needs besides. notes: what a record says of the making.
    """

    inputs: torch.Tensor
    truth: torch.Tensor
    extra: dict[str, torch.Tensor] = field(default_factory=dict)
    notes: dict[str, float | int] = field(default_factory=dict)


class Owner:
    """Opens models on demand and notes which reference models a method has used, so that their cost is counted."""

    def __init__(self, study: Study, method: str) -> None:
        self.study = study
        self.method = method
        self.used: dict[str, Suspect] = {}  # reference models by name

    @property
    def device(self) -> torch.device:
        return self.study.device

    @property
    def part(self) -> Examples:
        """The owner's examples, on which the source was trained."""
        return self.study.parts["owner"]

    @property
    def dev(self) -> Examples:
        return self.study.parts["dev"]

    @cached_property
    def source(self) -> nn.Module:
        """In evaluation mode, without gradients of its weights."""
        return frozen(trained.open_model(self.study, self.study.source_id))

    @cached_property
    def source_logits(self) -> torch.Tensor:
        """The source's logits (N, C) on the owner's part."""
        return predict(self.source, self.part.inputs, self.device)

    def fingerprint(self, queries: Queries) -> Fingerprint:
        """The queries with the source's responses; they belong to no component."""
        logits = predict(self.source, queries.inputs, self.device)
        component = torch.full((len(logits),), -1)
        labels, truth = logits.argmax(1), queries.truth.clone()  # no two tensors of a file share memory
        return Fingerprint(queries.inputs, labels, truth, component, logits, {}, queries.extra)

    def generator(self, purpose: str = "") -> torch.Generator:
        """A CPU generator for this method's draws in this study."""
        return runtime.generator(self._draw(purpose))

    def seed(self, purpose: str) -> int:
        """The same for a draw by numpy."""
        return runtime.seed_from(self._draw(purpose))

    def _draw(self, purpose: str) -> str:
        return f"{self.study.folder}/{self.method}/{purpose}"

    def drawn(self, n: int) -> torch.Tensor:
        """Up to n different indices into the owner's part, at random."""
        return torch.randperm(len(self.part), generator=self.generator("drawn"))[:n]

    def inputs(self, indices: torch.Tensor) -> torch.Tensor:
        """Physical inputs (n, ...) of the owner's part."""
        return physical(self.part.inputs[indices])

    def references(self, role: str) -> list[Suspect]:
        """Reference models that are `pirated` or `independent`.

        The baselines' papers know no stolen models that go far: with them SAC-w, MetaFinger and IrisFP tell less.
        """
        return self._used(self._of_role(role))

    def some_independents(self, count: int) -> tuple[list[Suspect], int]:
        """As many independent ones at random, or all where there are no more, and of how many they were drawn."""
        found = self._of_role("independent")
        order = torch.randperm(len(found), generator=self.generator("references"))[:count]
        return self._used([found[index] for index in order.tolist()]), len(found)

    def _of_role(self, role: str) -> list[Suspect]:
        found = [suspect for suspect in suspects.standard_strength(self.study) if suspect.kind.role == role]
        if not found:
            raise UnsuitedError(
                f"{self.method} needs {role} reference models; run {self.study.command('references')}, COPIES above 0"
            )
        return found

    def _used(self, models: list[Suspect]) -> list[Suspect]:
        self.used.update({suspect.model.name: suspect for suspect in models})
        return models

    def ask(self, reference: Suspect, inputs: torch.Tensor) -> torch.Tensor:
        """A reference model's logits (n, C)."""
        return suspects.ask(self.study, reference, inputs)

    def opened(self, reference: Suspect) -> nn.Module:
        """The reference model itself, for gradients by its inputs."""
        return frozen(trained.open_model(self.study, reference.model))

    def mixed(self, first: torch.Tensor, second: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        """Inputs of which a piece comes from `second`; UnsuitedError where the domain does not say how to mix."""
        if self.study.domain.inputs.mix is None:
            raise UnsuitedError(f"{self.method} mixes inputs, and {self.study.domain.name} gives no mix= in its DOMAIN")
        return self.study.domain.inputs.mix(first, second, draw)

    def movable(self) -> tuple[float, float]:
        """The range in which inputs are moved as numbers; UnsuitedError where they cannot be."""
        if self.study.domain.inputs.input_range is None:
            raise UnsuitedError(
                f"{self.method} moves inputs as numbers, and what that leads to is no {self.study.domain.name} input"
            )
        return self.study.domain.inputs.input_range

    @cached_property
    def recorded(self) -> torch.Tensor:
        """Mask (1, channels, 1, ...) of the channels that carry a signal in the owner's examples: an electrode that is
        not there, and stands in a recording as zeros, must not begin to.
        """
        inputs = self.part.inputs
        return (inputs != 0).flatten(2).any(2).any(0).view(1, -1, *[1] * (inputs.dim() - 2))


def frozen(model: nn.Module) -> nn.Module:
    return model.eval().requires_grad_(False)
