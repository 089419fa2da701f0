"""Conferrable adversarial examples (Lukas, Zhang and Kerschbaum, ICLR 2021).

They carry the source's wrong response over to models that were stolen from it, and to no independently trained model.
"""

from collections.abc import Sequence

import torch
from torch import nn

from fingerprinting.core.runtime import place
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.fingerprints.queries.descent import ball, descend
from fingerprinting.fingerprints.registry import agreement

CAE_CANDIDATES = 1.5  # moved examples per query kept
CAE_STEPS = dict(cv=dict(smoke=10, quick=60, cpu=60, paper=300), bci=dict(smoke=5, quick=60, cpu=60, paper=300))
CAE_LEARNING_RATE = dict(cv=dict(smoke=0.01, quick=0.01, cpu=0.01, paper=5e-4), bci=1.0)  # of Adam; EEG: microvolt
CAE_EPSILON = dict(cv=dict(smoke=0.1, quick=0.1, cpu=0.1, paper=0.025), bci=10.0)  # infinity norm; EEG: microvolt
CAE_DROPOUT = 0.3  # share of the surrogates and of the independents that an update leaves out

FILTER = 0.95  # conferrability from which on the paper keeps a point
LEAST = 1e-7  # probability, in logarithms


def cae(
    owner: Owner,
    n: int,
    *,
    candidates: float,
    steps: int,
    learning_rate: float,
    epsilon: float,
    dropout: float,
) -> Queries:
    """Of `candidates` n examples, moved, the n most conferrable; first those that leave the source's class.

    Surrogates are the reference models that the owner stole from itself. The paper keeps what is at least FILTER
    conferrable, however few that are.
    """
    bounds = owner.movable()
    surrogates, independents = (
        [owner.opened(model) for model in owner.references(role)] for role in ("pirated", "independent")
    )
    ensemble = Ensemble(owner.source, surrogates, independents, dropout, owner.generator("ensemble"))
    chosen = owner.drawn(round(candidates * n))
    start = place(owner.inputs(chosen), owner.device)
    moved = confer(ensemble, start, steps, learning_rate, epsilon, bounds)
    with torch.no_grad():
        adversarial = owner.source(moved).argmax(1) != owner.source(start).argmax(1)
        conferred = ensemble.conferrability(moved).amax(1)
    best = (2 * adversarial + conferred).argsort(descending=True, stable=True)[:n]
    kept, passed = conferred[best], adversarial & (conferred >= FILTER)
    print(
        f"cae: {int(adversarial[best].sum())} of {len(best)} queries leave the source's class; conferrability "
        f"{kept.min():.2f} to {kept.max():.2f}, on average {kept.mean():.2f}; {int(passed.sum())} of {len(moved)} "
        f"points pass the published filter of {FILTER}"
    )
    notes = {
        "conferrability": kept.mean().item(),
        "adversarial": int(adversarial[best].sum()),
        "passed_filter": int(passed.sum()),
        "moved": len(moved),
    }
    return Queries(moved[best].cpu(), owner.part.targets[chosen][best.cpu()], notes=notes)


registry.add(agreement("cae"), queries=cae, least=dict(candidates=1))


class Ensemble:
    """The source f, its surrogates and independents, whose mean probabilities are Surr and Ref.

    An update leaves out each surrogate and independent by chance, `dropout`, but never all of a role.
    """

    def __init__(
        self,
        source: nn.Module,
        surrogates: Sequence[nn.Module],
        independents: Sequence[nn.Module],
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        self.source = source
        self.surrogates = surrogates
        self.independents = independents
        self.dropout = dropout
        self.generator = generator

    def losses(self, inputs: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """H(1, max_t s_t) - H(f(x0), f(x)) + H(f(x), Surr(x)): (n,) of inputs x (n, ...), before = f(x0) (n, C).

        s = Surr (1 - Ref), H(p, q) = -sum of p log q: conferrable, out of the source's class, as its surrogates.
        """
        surrogate, independent = (self._mean(self._drawn(of), inputs) for of in (self.surrogates, self.independents))
        own = torch.softmax(self.source(inputs), 1)
        conferred = (surrogate * (1 - independent)).amax(1)
        return -conferred.clamp_min(LEAST).log() - cross_entropy(before, own) + cross_entropy(own, surrogate)

    def conferrability(self, inputs: torch.Tensor) -> torch.Tensor:
        """Surr_t (1 - Ref_t), by all models: inputs (n, ...) -> (n, C)."""
        return self._mean(self.surrogates, inputs) * (1 - self._mean(self.independents, inputs))

    def _mean(self, models: Sequence[nn.Module], inputs: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.softmax(model(inputs), 1) for model in models]).mean(0)

    def _drawn(self, models: Sequence[nn.Module]) -> list[nn.Module]:
        chance = torch.rand(len(models), generator=self.generator)
        kept = (chance >= min(self.dropout, chance.max().item())).tolist()
        return [model for model, stays in zip(models, kept, strict=True) if stays]


def cross_entropy(of: torch.Tensor, relative_to: torch.Tensor) -> torch.Tensor:
    """-sum of p log q over classes: p, q (n, C) -> (n,)."""
    return -(of * relative_to.clamp_min(LEAST).log()).sum(1)


def confer(
    ensemble: Ensemble,
    inputs: torch.Tensor,
    steps: int,
    learning_rate: float,
    epsilon: float,
    bounds: tuple[float, float],
) -> torch.Tensor:
    """Adam on the ensemble's losses, within `epsilon` of inputs (n, ...) in the infinity norm."""
    with torch.no_grad():
        before = torch.softmax(ensemble.source(inputs), 1)
    return descend(
        inputs, lambda moved: ensemble.losses(moved, before), steps, learning_rate, ball(inputs, epsilon, bounds)
    )
