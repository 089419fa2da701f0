"""MetaFinger (Yang et al., IJCAI 2022): inputs on which stolen copies say what the source says, and others do not."""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.owner import Owner, Queries, UnsuitedError
from fingerprinting.fingerprints.queries.descent import descend, some_responses
from fingerprinting.fingerprints.registry import agreement
from fingerprinting.training.trainer import predict

HELD_BACK = 3  # every third reference model of a role validates, the others make the queries (the paper's 2 : 1)


METAFINGER_CANDIDATES = 1.5  # optimised inputs per query kept
METAFINGER_STEPS = dict(smoke=5, quick=40, cpu=40, paper=500)  # updates of the inputs
METAFINGER_LEARNING_RATE = dict(
    cv=dict(smoke=0.03, quick=0.03, cpu=0.03, paper=0.01), bci=1.5
)  # of Adam (released code: 0.01 and 0.04, many more updates); EEG: microvolt
METAFINGER_ALPHA = 1.0  # weight of the independents' term
METAFINGER_SAMPLED = dict(smoke=2, quick=2, cpu=2, paper=3)  # models of each role per update (released code: 3)
METAFINGER_NOISE = dict(cv=0.05, bci=2.5)  # deviation of the noise among the transforms; EEG: microvolt


def metafinger(
    owner: Owner,
    n: int,
    *,
    candidates: float,
    steps: int,
    learning_rate: float,
    alpha: float,
    sampled: int,
    noise: float,
) -> Queries:
    """The n of `candidates` * n optimised inputs that separate the validating reference models best."""
    bounds = owner.movable()
    pirated, independent = owner.references("pirated"), owner.references("independent")
    if min(len(pirated), len(independent)) < HELD_BACK:
        raise UnsuitedError(f"{owner.method} needs {HELD_BACK} reference models of each role, pirated and independent")
    chosen = owner.drawn(round(candidates * n))
    inputs = optimised(
        owner.source,
        [owner.opened(model) for model in training_of(pirated)],
        [owner.opened(model) for model in training_of(independent)],
        owner.inputs(chosen).to(owner.device),
        owner.recorded.to(owner.device),
        bounds,
        steps,
        learning_rate,
        alpha,
        sampled,
        noise,
        owner.generator("optimised"),
    ).cpu()
    labels = predict(owner.source, inputs, owner.device).argmax(1)
    rates = [
        torch.stack([owner.ask(model, inputs).argmax(1) == labels for model in validating(models)])
        for models in (pirated, independent)
    ]
    true, false = (rate.double().mean(0) for rate in rates)
    best = (true - false).argsort(descending=True, stable=True)[:n]
    perfect = int(((true == 1) & (false == 0))[best].sum())
    if perfect < len(best):
        print(
            f"metafinger: {perfect} of {len(best)} queries reach TPR 1 and FPR 0 on {len(rates[0])} stolen and "
            f"{len(rates[1])} independent held-out reference models; on average TPR {true[best].mean():.2f}, "
            f"FPR {false[best].mean():.2f}"
        )
    return Queries(inputs[best], owner.part.targets[chosen[best]])


registry.add(agreement("metafinger"), queries=metafinger, least=dict(candidates=1, sampled=1))


def training_of(models: list) -> list:
    return [model for index, model in enumerate(models) if index % HELD_BACK != HELD_BACK - 1]


def validating(models: list) -> list:
    return models[HELD_BACK - 1 :: HELD_BACK]


def optimised(
    source: nn.Module,
    pirated: list[nn.Module],
    independent: list[nn.Module],
    inputs: torch.Tensor,
    movable: torch.Tensor,
    bounds: tuple[float, float],
    steps: int,
    learning_rate: float,
    alpha: float,
    sampled: int,
    noise: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Adam on the inputs (N, ...), `sampled` models of each role and one random transform a step, kept in bounds."""

    def loss(moved: torch.Tensor) -> torch.Tensor:
        seen = transform(generator, noise)(moved)
        own = source(seen)  # first: the order of the passes is that in which their gradients are added
        stolen, others = (some_responses(models, seen, sampled, generator) for models in (pirated, independent))
        return objective(own, stolen, others, alpha)

    return descend(inputs, loss, steps, learning_rate, bounds, movable)


def objective(anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, alpha: float) -> torch.Tensor:
    """(N,): mean KL(pos || anchor) - alpha * mean KL(neg || anchor) of logits (N, C), (models, N, C) and the same."""
    return divergence(positive, anchor).mean(0) - alpha * divergence(negative, anchor).mean(0)


def divergence(of: torch.Tensor, from_: torch.Tensor) -> torch.Tensor:
    """KL(softmax(of) || softmax(from_)) over the last dimension."""
    of = of.log_softmax(-1)
    return (of.exp() * (of - from_.log_softmax(-1))).sum(-1)


def transform(generator: torch.Generator, noise: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """One input transform, the same for a batch: none, noise, a blur, or a shift along the last axis."""
    kind, shift, seed = torch.randint(2**31, (3,), generator=generator).tolist()

    def noisy(inputs: torch.Tensor) -> torch.Tensor:
        drawn = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(seed))
        return inputs + noise * drawn.to(inputs.device)

    def blurred(inputs: torch.Tensor) -> torch.Tensor:
        pool = F.avg_pool2d if inputs.dim() == 4 else F.avg_pool1d
        return pool(inputs, 3, stride=1, padding=1, count_include_pad=False)

    def shifted(inputs: torch.Tensor) -> torch.Tensor:
        most = max(1, inputs.shape[-1] // 8)
        return inputs.roll(shift % (2 * most + 1) - most, -1)

    return (lambda inputs: inputs, noisy, blurred, shifted)[kind % 4]
