"""Conferrable adversarial examples (Lukas, Zhang and Kerschbaum, ICLR 2021).

They carry the source's wrong response over to models that were stolen from it, and to no independently trained model.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.core.runtime import place
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.fingerprints.queries.descent import descend, some_responses
from fingerprinting.fingerprints.registry import agreement

CAE_CANDIDATES = 1.5  # moved examples per query kept
CAE_STEPS = dict(cv=dict(smoke=10, quick=30, cpu=30, paper=300), bci=dict(smoke=5, quick=15, cpu=15, paper=300))
CAE_LEARNING_RATE = dict(cv=dict(smoke=0.01, quick=0.01, cpu=0.01, paper=5e-4), bci=1.0)  # of Adam; EEG: microvolt
CAE_EPSILON = dict(cv=dict(smoke=0.1, quick=0.1, cpu=0.1, paper=0.025), bci=10.0)  # infinity norm; EEG: microvolt
CAE_DROPOUT = 0.3  # of the surrogates' and independents' logits (section 4)
CAE_SAMPLED = dict(smoke=2, quick=2, cpu=2, paper=8)  # models of each role per update


def cae(
    owner: Owner,
    n: int,
    *,
    candidates: float,
    steps: int,
    learning_rate: float,
    epsilon: float,
    dropout: float,
    sampled: int,
) -> Queries:
    """Of `candidates` n examples, moved, the n most conferrable; first those that the source classifies as meant.

    Surrogates are the reference models that the owner stole from itself.
    """
    bounds = owner.movable()
    surrogates, independents = (
        [owner.opened(model) for model in owner.references(role)] for role in ("pirated", "independent")
    )
    chosen = owner.drawn(round(candidates * n))
    start = place(owner.inputs(chosen), owner.device)
    own = owner.source_logits[chosen].argmax(1).to(owner.device)
    targets = conferrable_classes(surrogates, independents, start, own)
    ensemble = Ensemble(owner.source, surrogates, independents, sampled, dropout, owner.generator("ensemble"))
    moved = confer(ensemble, start, targets, steps, learning_rate, epsilon, bounds)
    with torch.no_grad():
        meant = owner.source(moved).argmax(1) == targets
        merit = 2 * meant + conferrability(surrogates, independents, moved, targets)
    best = merit.argsort(descending=True, stable=True)[:n]
    return Queries(moved[best].cpu(), targets[best].cpu())


registry.add(agreement("cae"), queries=cae, least=dict(candidates=1, sampled=1))


class Ensemble:
    """The source, its surrogates and independents; dropout on the logits of the last two, as in equations 3 and 4.

    An update asks `sampled` models of each role, drawn anew, where the paper asks all: with 29 reference models that is
    several times as fast.
    """

    def __init__(
        self,
        source: nn.Module,
        surrogates: Sequence[nn.Module],
        independents: Sequence[nn.Module],
        sampled: int,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        self.source = source
        self.surrogates = surrogates
        self.independents = independents
        self.sampled = sampled
        self.dropout = dropout
        self.generator = generator

    def losses(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """-log(Surr_t (1 - Ref_t)) - log p_t, with p the source's probabilities: inputs (n, ...), t (n,) -> (n,).

        t is fixed where the paper takes, at every update, the class that is the most conferrable. Then the last term
        does what the paper's other two are for: the source leaves its class and agrees with its surrogates, on t.
        """
        surrogate = self._mean(self.surrogates, inputs, targets)
        independent = self._mean(self.independents, inputs, targets)
        tiny = torch.finfo(inputs.dtype).tiny
        conferred = surrogate.clamp_min(tiny).log() + (1 - independent).clamp_min(tiny).log()
        return F.cross_entropy(self.source(inputs), targets, reduction="none") - conferred

    def _mean(self, models: Sequence[nn.Module], inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logits = self._thinned(some_responses(models, inputs, self.sampled, self.generator))
        return torch.softmax(logits, -1).mean(0).gather(1, targets[:, None])[:, 0]

    def _thinned(self, logits: torch.Tensor) -> torch.Tensor:
        kept = torch.rand(logits.shape, generator=self.generator) >= self.dropout
        return logits * kept.to(logits.device) / (1 - self.dropout)


def confer(
    ensemble: Ensemble,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    steps: int,
    learning_rate: float,
    epsilon: float,
    bounds: tuple[float, float],
) -> torch.Tensor:
    """Adam on the ensemble's losses, within `epsilon` of inputs (n, ...) in the infinity norm."""
    ball = (inputs - epsilon).clamp_min(bounds[0]), (inputs + epsilon).clamp_max(bounds[1])
    return descend(inputs, lambda moved: ensemble.losses(moved, targets), steps, learning_rate, ball)


@torch.no_grad()
def conferrable_classes(
    surrogates: Sequence[nn.Module], independents: Sequence[nn.Module], inputs: torch.Tensor, own: torch.Tensor
) -> torch.Tensor:
    """Per input (n, ...) the class with the largest Surr (1 - Ref) but the source's `own` (n,)."""
    surrogate, independent = (
        torch.stack([torch.softmax(model(inputs), 1) for model in models]).mean(0)
        for models in (surrogates, independents)
    )
    return (surrogate * (1 - independent)).scatter(1, own[:, None], -1.0).argmax(1)


@torch.no_grad()
def conferrability(
    surrogates: Sequence[nn.Module], independents: Sequence[nn.Module], inputs: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Transfer to surrogates times one minus that to independents: the shares of either that predict t (n,) -> (n,)."""
    transferred, known = (
        torch.stack([model(inputs).argmax(1) == targets for model in models]).double().mean(0)
        for models in (surrogates, independents)
    )
    return transferred * (1 - known)
