"""How near generation comes to its floor: the same network's bare inference, or gradients, on the same inputs.

    python benchmarks/floors.py                                             # DOMAIN=cv, cpu tier, the source's network
    python benchmarks/floors.py DATASET=cifar10 ARCHITECTURES=vgg16_bn,resnet18 N=4 POOL_EXAMPLES=64
    python benchmarks/floors.py DOMAIN=nlp
    python benchmarks/floors.py DOMAIN=bci

Needs data/prepare.py; networks are fresh. Procedures take turns after a warm-up; a ratio is the median over repeats
[lowest, highest]. DeepCore's floor has a gradient of every point at every step and one of every class for every radius;
beside it stands the ratio to the steps alone. Texts are evolved by replacing characters, which has no floor of
gradients: Primary alone.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from fingerprinting import cli
from fingerprinting.core import runtime
from fingerprinting.core.timing import in_turns, ratio, shown
from fingerprinting.data.datasets import physical
from fingerprinting.deepcore.core_points import Ascent, core_points, gradient
from fingerprinting.fingerprints.queries.evolved import evolve_confident, evolve_uncertain
from fingerprinting.fingerprints.queries.primary import select
from fingerprinting.study import checkpoints
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predictions

DOMAIN = "cv"
ARCHITECTURES = ()  # empty: the source's
N = dict(smoke=8, quick=80, cpu=160, paper=160)  # samples of each of Evolved's rules
POOL_EXAMPLES = dict(smoke=200, quick=5_000, cpu=20_000, paper=20_000)  # of the owner's part, for Primary
STEPS = 10  # of Evolved, as published
ASCENT_STEPS = dict(smoke=10, quick=100, cpu=100, paper=100)  # of DeepCore
RADIUS_EVERY = 25  # of them, as in deepcore.py
REPEATS = 5  # paired repeats


def measure(
    study: Study,
    *,
    architectures: tuple[str, ...],
    n: int,
    pool_examples: int,
    steps: int,
    ascent_steps: int,
    radius_every: int,
    repeats: int,
) -> None:
    """Time each method and its floor on one thread."""
    runtime.one_thread()
    owner, device = study.parts["owner"], study.device
    part = owner.take(torch.arange(min(pool_examples, len(owner))))
    inputs = physical(owner.inputs[torch.arange(n) % len(owner)]).to(device)
    targets = torch.arange(len(study.classes), device=device)
    bounds = study.domain.inputs.input_range
    ascent = Ascent(ascent_steps, 1e-6, radius_every, 0.0, 0.02, 1)
    points = physical(owner.inputs[: len(targets)]).to(device)

    def ways_of(net: nn.Module) -> dict[str, Callable]:
        def inference() -> None:
            for _ in predictions(net, part.inputs, device):
                pass

        def gradients() -> None:
            for _ in range(steps):
                moved = inputs.clone().requires_grad_(True)
                torch.autograd.grad(functional.softmax(net(moved), 1).sum(), moved)

        def point_gradients() -> None:
            for _ in range(ascent_steps):
                gradient(net, points, targets)

        def radius_gradients() -> None:
            for _ in {*range(0, ascent_steps + 1, radius_every), ascent_steps}:
                net(points)
                gradient(net, points.repeat_interleave(len(targets), 0), targets.repeat(len(points)))

        def core_gradients() -> None:
            point_gradients()
            radius_gradients()

        ways: dict[str, Callable] = {"primary": lambda: select(net, part, n, device), "inference": inference}
        if bounds is None:
            return ways
        return ways | {
            "confident": lambda: evolve_confident(net, inputs, steps, 1e-3, 1e-5, bounds),
            "uncertain": lambda: evolve_uncertain(net, inputs, steps, 1e-3, 2.0, bounds),
            "gradients": gradients,
            "deepcore": lambda: core_points(net, points, targets, ascent, bounds),
            "point_gradients": point_gradients,
            "core_gradients": core_gradients,
        }

    for name in architectures or (study.source_architecture,):
        runtime.seed_everything(name)
        net = checkpoints.build(study.domain, name, len(study.classes), study.shape)
        ways = ways_of(runtime.place(net, device).eval().requires_grad_(False))
        seconds = in_turns(device, repeats, ways)
        row = {
            "key": f"{study.folder}/floors/{name}",
            "architecture": name,
            "samples": n,
            "pool": len(part),
            "seconds": seconds,
            "primary_to_floor": ratio(seconds, "primary", "inference"),
            "provenance": runtime.provenance(device),
        }
        if bounds is not None:
            row |= {
                "evolved_confident_to_floor": ratio(seconds, "confident", "gradients"),
                "evolved_uncertain_to_floor": ratio(seconds, "uncertain", "gradients"),
                "deepcore_to_floor": ratio(seconds, "deepcore", "core_gradients"),
                "deepcore_to_ascent": ratio(seconds, "deepcore", "point_gradients"),
            }
        Records.of(study, "benchmarks").put([row])
        print(name, *(f"{key} {shown(value)}" for key, value in row.items() if "_to_" in key), sep=", ")


if __name__ == "__main__":
    cli.run(measure, globals())
