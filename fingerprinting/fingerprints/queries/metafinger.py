"""MetaFinger (Yang et al., IJCAI 2022): inputs on which stolen copies say what the source says, and others do not."""

import torch
from torch import nn

from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.owner import Owner, Queries, UnsuitedError
from fingerprinting.fingerprints.queries.descent import descend, some_responses
from fingerprinting.fingerprints.queries.transforms import any_transform
from fingerprinting.fingerprints.registry import agreement
from fingerprinting.training.trainer import predict

ANCHORS = ("stolen", "source")
HELD_BACK = 3  # every third reference model of a role validates, the others make the queries (the paper's 2 : 1)


METAFINGER_CANDIDATES = 1.5  # optimised inputs per query kept
METAFINGER_STEPS = dict(smoke=5, quick=40, cpu=40, paper=500)  # updates of the inputs
METAFINGER_LEARNING_RATE = dict(
    cv=dict(smoke=0.03, quick=0.03, cpu=0.03, paper=0.01), bci=1.5
)  # of Adam (released code: 0.01 and 0.04, many more updates); EEG: microvolt
METAFINGER_ALPHA = 1.0  # weight of the independents' term
METAFINGER_SAMPLED = dict(smoke=2, quick=2, cpu=2, paper=3)  # models of each role per update (released code: 3)
METAFINGER_ANCHOR = "stolen"  # each of them in turn (released code), or source: whose responses the others are led to
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
    anchor: str,
    noise: float,
) -> Queries:
    """The n of `candidates` * n optimised inputs that separate the validating reference models best."""
    bounds = owner.movable()
    if anchor not in ANCHORS:
        raise UserError(f"METAFINGER_ANCHOR={anchor} is unknown; take {' or '.join(ANCHORS)}")
    pirated, independent = owner.references("pirated"), owner.references("independent")
    if min(len(pirated), len(independent)) < HELD_BACK:
        raise UnsuitedError(f"{owner.method} needs {HELD_BACK} reference models of each role, pirated and independent")
    chosen = owner.drawn(round(candidates * n))
    stolen = [owner.opened(model) for model in training_of(pirated)]
    inputs = optimised(
        stolen if anchor == "stolen" else [owner.source],
        stolen,
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
    anchors: list[nn.Module],
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
    """Adam on the inputs (N, ...), kept in bounds. A step has one random transform and `sampled` models of each role.

    Each of the anchors has its turn, in random order, and then in another.
    """
    order: list[int] = []

    def loss(moved: torch.Tensor) -> torch.Tensor:
        if not order:
            order.extend(torch.randperm(len(anchors), generator=generator).tolist())
        seen = any_transform(generator, noise, bounds, images=inputs.dim() == 4)(moved)
        own = anchors[order.pop()](seen)  # first: the order of the passes is that in which their gradients are added
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
