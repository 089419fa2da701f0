"""How fast core points are made: all classes in one batch against class after class, in one run.

    python benchmarks/deepcore.py                   # DOMAIN=cv, cpu tier
    python benchmarks/deepcore.py TIER=smoke

Needs <domain>/source.py. Both ways alternate after a warm-up, without stopping early; a ratio is the median of repeats
[lowest, highest]. First with one thread, then with as many as torch takes by itself; a record for each. Bare gradients
of as many steps, point after point and of all at once, say what a batch can give at most on this machine.
"""

import statistics
from dataclasses import replace

import torch

from fingerprinting import cli
from fingerprinting.core import runtime
from fingerprinting.core.timing import in_turns, ratio, shown, thread_counts
from fingerprinting.deepcore.core_points import Ascent, core_points, examples, gradient
from fingerprinting.fingerprints.owner import Owner
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study

DOMAIN = "cv"
STEPS = dict(smoke=30, quick=300, cpu=300, paper=300)
REPEATS = 3  # paired repeats
SUBSET = 1  # classes that the paper's procedure, which measures the radius after every step, is timed on
STEP_SIZE = dict(cv=1.0, nlp=None, bci=1000.0)  # the rest as in deepcore.py
RADIUS_EVERY = 25
OVERSHOOT = 0.02
BOUNDARY_STEPS = 50


def measure(study: Study, *, repeats: int, subset: int, **constants: float) -> None:
    """Time the core points of every class; a tolerance of 0 lets none of them settle."""
    owner, ascent = Owner(study, "deepcore"), Ascent(tolerance=0.0, **constants)
    bounds, targets = owner.movable(), torch.arange(len(study.classes))
    start = examples(owner, targets).to(study.device)
    targets = targets.to(study.device)

    def in_one_batch() -> torch.Tensor:
        return core_points(owner.source, start, targets, ascent, bounds)[-1].inputs

    def one_by_one(classes: int, ascent: Ascent) -> torch.Tensor:
        pairs = zip(start[:classes].split(1), targets[:classes].split(1), strict=True)
        return torch.cat([core_points(owner.source, *pair, ascent, bounds)[-1].inputs for pair in pairs])

    def class_after_class() -> torch.Tensor:
        return one_by_one(len(targets), ascent)

    def radius_after_every_step() -> torch.Tensor:
        return one_by_one(subset, replace(ascent, radius_every=1))

    def gradients_in_one_batch() -> None:
        for _ in range(ascent.steps):
            gradient(owner.source, start, targets)

    def gradients_one_by_one() -> None:
        for pair in zip(start.split(1), targets.split(1), strict=True):
            for _ in range(ascent.steps):
                gradient(owner.source, *pair)

    ways = (in_one_batch, class_after_class, radius_after_every_step, gradients_in_one_batch, gradients_one_by_one)
    for threads in thread_counts():
        seconds = in_turns(study.device, repeats, {way.__name__: way for way in ways})
        row = {
            "key": f"{study.folder}/deepcore/{threads}_threads",
            "architecture": study.source_architecture,
            "points": len(targets),
            "seconds": seconds,
            "subset": subset,
            "deepcore_class_after_class_to_one_batch": ratio(seconds, "class_after_class", "in_one_batch"),
            "deepcore_papers_procedure_to_one_batch": ratio(
                seconds, "radius_after_every_step", "in_one_batch", len(targets) / subset
            ),
            "bare_gradients_one_by_one_to_one_batch": ratio(seconds, "gradients_one_by_one", "gradients_in_one_batch"),
            "deepcore_max_abs_difference": (in_one_batch() - class_after_class()).abs().max().item(),
            "constants": constants,
            "provenance": runtime.provenance(study.device),
        }
        Records.of(study, "benchmarks").put([row])
        report(threads, row)


def report(threads: int, row: dict) -> None:
    print(f"{threads} threads, {row['architecture']}, {row['provenance']['device']}:")
    for name in (name for name in row if name.endswith("_to_one_batch")):
        print(f"  {name.replace('_', ' ')}: {shown(row[name])}")
    print("  seconds: " + ", ".join(f"{name} {statistics.median(s):.2f}" for name, s in row["seconds"].items()))
    print(f"  {row['points']} points; both ways agree within {row['deepcore_max_abs_difference']:.1e}")


if __name__ == "__main__":
    cli.run(measure, globals())
