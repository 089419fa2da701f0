"""What training a zoo costs beyond a bare loop: seconds a model, a second worker, and an engine.

    python benchmarks/zoo.py                        # DOMAIN=cv, cpu tier: six models of the source's network
    python benchmarks/zoo.py TIER=smoke
    python benchmarks/zoo.py DASK=True              # Dask's workers against processes here, too

Needs data/prepare.py. The bare loop has the same network, data, optimiser, schedule and evaluations, with tensors in
memory and nothing written; it takes turns with the package's step in one process, then one worker with two. Workers
live through a run of all steps, so their start counts apart: `start` is the first step's seconds less a later one's.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import torch

from fingerprinting import cli
from fingerprinting.core import places, runtime
from fingerprinting.core.timing import in_turns, ratio, shown
from fingerprinting.engines import workers
from fingerprinting.engines.machines import Machines
from fingerprinting.models import build
from fingerprinting.models.kinds import Job
from fingerprinting.study import checkpoints
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from fingerprinting.training.objectives import cross_entropy
from fingerprinting.training.trainer import accuracy, one_cycle, predict

DOMAIN = "cv"
MODELS = dict(smoke=4, quick=6, cpu=6, paper=4)
EPOCHS = dict(smoke=1, quick=2, cpu=3, paper=3)
LEARNING_RATE = 1e-2  # peak of the one-cycle schedule
REPEATS = 3  # paired repeats
DASK = False  # whether a Dask cluster of this machine is timed too


def measure(study: Study, *, models: int, epochs: int, learning_rate: float, repeats: int, dask: bool) -> None:
    """Time a step that trains so many models of the owner's part."""
    with places.apart(), closing(workers):
        row = _measured(study, models, epochs, learning_rate, repeats, dask)
    Records.of(study, "benchmarks").put([row])
    print(*(f"{key} {shown(value)}" for key, value in row.items() if "_to_" in key), sep="\n")
    print(f"start of two workers: {row['start']:.2f} s")


def _measured(study: Study, models: int, epochs: int, learning_rate: float, repeats: int, dask: bool) -> dict:
    recipe = study.recipe(epochs, learning_rate)
    jobs = [
        Job(study.model_id("homologous", study.source_architecture, copy), recipe, {"overlap": 1.0})
        for copy in range(models)
    ]
    owner, dev = study.parts["owner"], study.parts["dev"]

    def bare() -> None:
        runtime.one_thread()
        updates, passes = recipe.updates(len(owner)), recipe.passes(len(owner))
        for job in jobs:
            runtime.seed_everything(job.model.name)
            net = checkpoints.build(study.domain, study.source_architecture, len(study.classes), study.shape)
            runtime.place(net, study.device).train()
            optimizer, schedule = one_cycle(list(net.parameters()), recipe, updates * passes)
            for _ in range(passes):
                order = torch.randperm(len(owner))[: updates * recipe.batch_size]
                for inputs, labels in owner.batches(recipe.batch_size, study.device, order):
                    loss = cross_entropy(net, inputs, labels)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                accuracy(predict(net, dev.inputs, study.device), dev.targets)
                net.train()

    def step(workers: int, machines: Machines = study.machines) -> Callable[[], object]:
        own = replace(study, workers=workers, force=True, machines=machines)
        return lambda: build.train(own, "homologous", jobs)

    first = time.perf_counter()
    step(2)()
    begun = time.perf_counter() - first
    ways = {"bare": bare, "one_worker": step(1), "two_workers": step(2)}
    seconds = in_turns(study.device, repeats, ways)
    row = {
        "key": f"{study.folder}/zoo/{study.source_architecture}",
        "architecture": study.source_architecture,
        "models": models,
        "seconds": seconds,
        "start": begun - min(seconds["two_workers"]),
        "one_worker_to_bare_loop": ratio(seconds, "one_worker", "bare"),
        "one_worker_to_two": ratio(seconds, "one_worker", "two_workers"),
        "provenance": runtime.provenance(study.device),
    }
    if dask:
        from distributed import LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            there = Machines(f"dask://{cluster.scheduler_address.removeprefix('tcp://')}")
            ways = {"dask": step(0, there), "two_workers": step(2)}
            row["seconds"] |= (engines := in_turns(study.device, repeats, ways))
            row["dask_to_two_workers"] = ratio(engines, "dask", "two_workers")
    return row


if __name__ == "__main__":
    cli.run(measure, globals())
