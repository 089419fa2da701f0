"""How fast fingerprints are made: ratios within one run, to bare inference and to one sample at a time.

    python benchmarks/generation.py                 # DOMAIN=cv, cpu tier
    python benchmarks/generation.py TIER=smoke

Needs <domain>/source.py. Procedures alternate (A B C, A B C, ...) after a warm-up; a ratio is the median over repeats
[lowest, highest]. First with one thread, then with as many as torch takes by itself; a record for each.
"""

import statistics

import torch
from torch.nn.functional import cross_entropy

from fingerprinting import cli
from fingerprinting.core import runtime
from fingerprinting.core.timing import in_turns, ratio, shown, thread_counts
from fingerprinting.data.datasets import Examples, physical
from fingerprinting.fingerprints.queries.evolved import Evolution
from fingerprinting.fingerprints.queries.evolved import evolve as evolve_by_gradient
from fingerprinting.fingerprints.queries.primary import select
from fingerprinting.models import trained
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predictions

DOMAIN = "cv"
N = dict(smoke=20, quick=80, cpu=80, paper=80)  # samples per component
STEPS = 10  # the rest of Evolved's constants: as published, in evolved.py
LEARNING_RATE = 1e-3
MU = 1e-5
OMEGA = 2.0
SUBSTITUTIONS = 3
CANDIDATES = 32
EVOLVED_REPEATS = 5  # paired repeats
PRIMARY_REPEATS = 15  # more, for a ratio near 1
SUBSET = 500  # of the owner's part, that the papers' way of Primary is timed on


def measure(
    study: Study, *, n: int, evolved_repeats: int, primary_repeats: int, subset: int, **evolution: float
) -> None:
    """Time Primary over the owner's part and Evolved over four components of up to n samples of it."""
    model, owner, device = trained.open_model(study, study.source_id), study.parts["owner"], study.device
    inputs, confident = samples(select(model, owner, n, device), owner, device)
    constants = Evolution(**evolution)
    part = owner.take(torch.arange(min(subset, len(owner))))
    by_domain = study.domain.inputs.evolve or evolve_by_gradient

    def evolve(inputs: torch.Tensor, confident: torch.Tensor) -> torch.Tensor:
        return by_domain(model, inputs, confident, constants, study.domain.inputs.input_range)

    def evolved_in_one_batch() -> torch.Tensor:
        return evolve(inputs, confident)

    def evolved_one_at_a_time() -> torch.Tensor:
        return torch.cat([evolve(*pair) for pair in zip(inputs.split(1), confident.split(1), strict=True)])

    def bare_inference() -> None:
        for _ in predictions(model, owner.inputs, device):
            pass

    def primary() -> None:
        select(model, owner, n, device)

    def primary_one_at_a_time() -> None:
        responses = predictions(model, part.inputs, device, batch_size=1)
        losses = [cross_entropy(*pair).item() for pair in zip(responses, part.targets.to(device).split(1), strict=True)]
        sorted(losses)

    def named(*ways) -> dict:
        return {way.__name__: way for way in ways}

    for threads in thread_counts():
        seconds = in_turns(device, evolved_repeats, named(evolved_one_at_a_time, evolved_in_one_batch))
        seconds |= in_turns(device, primary_repeats, named(primary, bare_inference, primary_one_at_a_time))
        scale = len(owner) / len(part)
        row = {
            "key": f"{study.folder}/generation/{threads}_threads",
            "architecture": study.source_architecture,
            "evolved_samples": len(inputs),
            "pool": len(owner),
            "subset": len(part),
            "seconds": seconds,
            "evolved_one_at_a_time_to_one_batch": ratio(seconds, "evolved_one_at_a_time", "evolved_in_one_batch"),
            "primary_to_bare_inference": ratio(seconds, "primary", "bare_inference"),
            "primary_one_at_a_time_to_primary": ratio(seconds, "primary_one_at_a_time", "primary", scale),
            "evolved_max_abs_difference": (evolved_in_one_batch() - evolved_one_at_a_time()).abs().max().item(),
            "evolved_max_abs_step": (evolved_in_one_batch() - inputs).abs().max().item(),
            "constants": {"n": n, **evolution},
            "provenance": runtime.provenance(device),
        }
        Records.of(study, "benchmarks").put([row])
        report(threads, row)


def samples(selected: dict, part: Examples, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (4 n, ...) of all components and (4 n,) whether each is of a confident one."""
    inputs = torch.cat([physical(part.inputs[found.indices]) for found in selected.values()])
    confident = [torch.full((len(found),), name.startswith("confident")) for name, found in selected.items()]
    return inputs.to(device), torch.cat(confident).to(device)


def report(threads: int, row: dict) -> None:
    print(f"{threads} threads, {row['architecture']}, {row['provenance']['device']}:")
    for name in ("evolved_one_at_a_time_to_one_batch", "primary_to_bare_inference", "primary_one_at_a_time_to_primary"):
        print(f"  {name.replace('_', ' ')}: {shown(row[name])}")
    print("  seconds: " + ", ".join(f"{name} {statistics.median(s):.4f}" for name, s in row["seconds"].items()))
    print(f"  pool {row['pool']}; {row['evolved_samples']} samples evolved, moved by at most", end=" ")
    print(f"{row['evolved_max_abs_step']:.1e}; both ways agree within {row['evolved_max_abs_difference']:.1e}")


if __name__ == "__main__":
    cli.run(measure, globals())
