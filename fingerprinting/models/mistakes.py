"""What the source gets wrong: queries from twins are chosen among it, so it is counted before any twin is trained."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn

from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import physical
from fingerprinting.data.splits import first_of_its_content
from fingerprinting.models import trained
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict

HELD_OUT = ("dev", "reference")  # parts that the owner holds out from the source's training
OF_HELD_OUT, OF_TRAINING, OF_MIXTURES = range(3)  # groups of candidates, in the order in which they are asked
MIXTURES = 1_000  # that are made where mistakes are fewer than queries
FEWEST = 20  # candidates; with fewer queries most stolen models score as independent ones do (docs/price.md)


@dataclass(frozen=True)
class Candidates:
    """inputs (m, ...) physical, truth (m,): what the source gets wrong. group (m,): one of the three.

    of_reference (m,): whether it is an example of the reference part, or has a piece of one.
    """

    inputs: torch.Tensor
    truth: torch.Tensor
    group: np.ndarray
    of_reference: np.ndarray

    def __len__(self) -> int:
        return len(self.truth)

    def of(self, chosen: np.ndarray) -> "Candidates":
        """Those at some places, or of a mask."""
        return Candidates(*(getattr(self, part.name)[chosen] for part in fields(self)))

    def joined(self, other: "Candidates") -> "Candidates":
        return Candidates(
            torch.cat([self.inputs, other.inputs]),
            torch.cat([self.truth, other.truth]),
            np.concatenate([self.group, other.group]),
            np.concatenate([self.of_reference, other.of_reference]),
        )


def candidates(study: Study, n: int) -> Candidates:
    """All mistakes, and mixtures of them where they are fewer than n; UserError where that is hardly anything to ask.

    No twin is needed to make them.
    """
    source = trained.open_model(study, study.source_id)
    found = of_source(study, source)
    mix = study.domain.inputs.mix
    if mix and are_few(found, n):
        found = found.joined(mixtures(study, source, found, mix))
    if len(found) < FEWEST:
        raise UserError(
            f"too few inputs that the source gets wrong: {len(found)}, mixtures of them included, where queries from "
            f"twins need {FEWEST}; hold out more data: a larger TIER, or more examples in DATA= or "
            "from the DOMAIN's load()"
        )
    return found


def are_few(found: Candidates, n: int) -> bool:
    """Whether mixtures of mistakes are needed for n queries, and there are two to be mixed."""
    return 1 < len(found) < max(n, FEWEST)


def of_source(study: Study, source: nn.Module) -> Candidates:
    """The examples that the source gets wrong, held out from its training and of its training."""
    inputs, truth, group, of_reference = [], [], [], []
    for name in (*HELD_OUT, "owner"):
        part = study.parts[name]
        wrong = (predict(source, part.inputs, study.device).argmax(1) != part.targets).nonzero().flatten()
        inputs.append(physical(part.inputs[wrong]))
        truth.append(part.targets[wrong])
        group.append(np.full(len(wrong), OF_HELD_OUT if name in HELD_OUT else OF_TRAINING))
        of_reference.append(np.full(len(wrong), name == "reference"))
    return Candidates(torch.cat(inputs), torch.cat(truth), np.concatenate(group), np.concatenate(of_reference))


def mixtures(study: Study, source: nn.Module, mistakes: Candidates, mix: Callable[..., torch.Tensor]) -> Candidates:
    """Those of the mixed mistakes that the source gets wrong too."""
    found = mixed(study, mistakes, mix)
    kept = predict(source, found.inputs, study.device).argmax(1) != found.truth
    return found.of(kept.numpy())


def mixed(study: Study, mistakes: Candidates, mix: Callable[..., torch.Tensor]) -> Candidates:
    """A piece of one mistake laid into another, and the class of the other; no input twice.

    Of held-out mistakes where there are some: mixtures of training mistakes tell less.
    """
    held_out = np.flatnonzero(mistakes.group == OF_HELD_OUT)
    pieces = held_out if len(held_out) >= FEWEST else np.arange(len(mistakes))
    draw = runtime.generator(f"{study.folder}/mixtures of mistakes")
    first = torch.randint(len(pieces), (MIXTURES,), generator=draw)
    second = (first + torch.randint(1, len(pieces), (MIXTURES,), generator=draw)) % len(pieces)
    below, above = (mistakes.of(pieces[drawn.numpy()]) for drawn in (first, second))
    found = Candidates(
        mix(below.inputs, above.inputs, draw),
        below.truth,
        np.full(MIXTURES, OF_MIXTURES),
        below.of_reference | above.of_reference,
    )
    seen: set[bytes] = set()
    first_of_its_content(mistakes.inputs, seen)
    return found.of(first_of_its_content(found.inputs, seen).numpy())
