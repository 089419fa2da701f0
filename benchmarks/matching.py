"""What matching costs beyond inference: many suspects, many queries, ratios within one run.

    python benchmarks/matching.py                   # DOMAIN=cv, cpu tier: 1,000 suspects, 1,000 queries
    python benchmarks/matching.py TIER=smoke

Needs data/prepare.py. Suspects are fresh networks of the study's architectures, written to a folder of its own that is
removed at the end. Bare inference has them in memory; matching reads their files, asks, and keeps what they say. Then
what is kept is read, scored in every way that needs nothing but responses, minus twins too, and counted with intervals.
"""

import shutil
from collections.abc import Callable

import numpy as np
import torch

from fingerprinting import cli
from fingerprinting.core import places, runtime
from fingerprinting.core.timing import in_turns, ratio, shown
from fingerprinting.data.datasets import physical
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.metrics import auc_rows, error_rows
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.methods import and_minus_twins
from fingerprinting.models import kinds, suspects
from fingerprinting.models.suspects import Suspect
from fingerprinting.study import checkpoints
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict

DOMAIN = "cv"
SUSPECTS = dict(smoke=12, quick=100, cpu=1_000, paper=1_000)
QUERIES = dict(smoke=40, quick=200, cpu=1_000, paper=1_000)
TWINS = 6
REPEATS = 3  # paired repeats


def measure(study: Study, *, suspects: int, queries: int, twins: int, repeats: int) -> None:
    """Time asking, reading what is kept, scoring and counting."""
    runtime.one_thread()
    part = study.parts["owner"]
    drawn = torch.randint(len(part), (queries,), generator=runtime.generator("asked"))
    inputs = physical(part.inputs[drawn])
    with places.apart():
        row = _measured(study, inputs, part.targets[drawn], _made(study, suspects), twins, repeats)
    Records.of(study, "benchmarks").put([row])
    print(*(f"{key} {shown(value)}" for key, value in row.items() if "_to_" in key), sep="\n")
    print("seconds: " + ", ".join(f"{name} {min(taken):.2f}" for name, taken in row["seconds"].items()))


def _made(study: Study, count: int) -> list[tuple[Suspect, torch.nn.Module]]:
    """Fresh networks, as suspects of every kind that is scored, in turn."""
    scored = [
        name for name, kind in kinds.KINDS.items() if kind.use == "scored" and not kind.on_target and name != "source"
    ]
    found = []
    for number in range(count):
        name = study.architectures[number % len(study.architectures)]
        model = study.model_id(scored[number % len(scored)], name, number)
        runtime.seed_everything(model.name)
        net = checkpoints.build(study.domain, name, len(study.classes), study.shape).eval()
        metadata = {
            "name": model.name,
            "domain": study.domain.name,
            "architecture": name,
            "classes": len(study.classes),
            "shape": list(study.shape),
            "settings": {"parent": None, "parent_sha256": None},
        }
        checkpoints.save(model.path, net, metadata)
        found.append((Suspect(model, suspects.trained.metadata_of(study, model)), net))
    return found


def _measured(
    study: Study,
    inputs: torch.Tensor,
    truth: torch.Tensor,
    made: list[tuple[Suspect, torch.nn.Module]],
    twins: int,
    repeats: int,
) -> dict:
    models = [suspect for suspect, _ in made]

    def bare_inference() -> list[torch.Tensor]:
        return [predict(net, inputs, study.device) for _, net in made]

    def asked() -> None:
        shutil.rmtree(study.artifacts / "responses", ignore_errors=True)
        kept()

    def kept() -> list[torch.Tensor]:
        return [suspects.ask(study, suspect, inputs) for suspect in models]

    logits = bare_inference()
    fingerprint = Fingerprint(
        inputs, logits[0].argmax(1), truth, torch.arange(len(inputs)) % 4, logits[0], {"method": "primary"}
    )
    methods = [
        method
        for method in and_minus_twins(registry.METHODS)
        if method.representation in registry.OF_ALL and not method.needs and method.representation.__name__ != "code"
    ]

    def scored() -> None:
        for method in methods:
            read = method.reading(fingerprint, logits[1 : 1 + twins])
            for said in logits:
                read(said)

    draw = np.random.default_rng(0)
    distances = {
        kind: draw.random(sum(suspect.model.kind == kind for suspect in models))
        for kind in dict.fromkeys(suspect.model.kind for suspect in models)
    }

    def counted() -> None:
        for method in methods:
            auc_rows(distances, f"benchmark/{method.key}")
            error_rows(distances, distances)

    ways: dict[str, Callable] = {way.__name__: way for way in (bare_inference, asked, kept, scored, counted)}
    seconds = in_turns(study.device, repeats, ways)
    return {
        "key": f"{study.folder}/matching/{len(models)}_suspects",
        "suspects": len(models),
        "queries": len(inputs),
        "methods": len(methods),
        "twins": twins,
        "seconds": seconds,
        "asked_to_bare_inference": ratio(seconds, "asked", "bare_inference"),
        "kept_to_bare_inference": ratio(seconds, "kept", "bare_inference"),
        "scored_to_bare_inference": ratio(seconds, "scored", "bare_inference"),
        "counted_to_bare_inference": ratio(seconds, "counted", "bare_inference"),
        "provenance": runtime.provenance(study.device),
    }


if __name__ == "__main__":
    cli.run(measure, globals())
