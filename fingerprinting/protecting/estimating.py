"""How long models take, said before they are trained: by updates that are timed, and by the first twin."""

import heapq
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from statistics import mean, median

import torch
import torch.nn.functional as F  # the field's standard name

from fingerprinting.core import runtime
from fingerprinting.data.datasets import handed_out
from fingerprinting.engines import processes
from fingerprinting.models import mistakes, trained
from fingerprinting.models.costs import updates_of
from fingerprinting.models.kinds import Job, examples_count
from fingerprinting.models.stealing import fresh
from fingerprinting.study.study import Study

Seconds = Callable[[Job], float]
FEWEST, SPAN = 3, 0.5  # updates that are timed, and seconds that they take together, at least
BEYOND_STEPS = 2  # an adversarial update costs one for each step of the perturbation, and two for twice the examples


def estimate(study: Study, pilot: Job | None) -> Seconds:
    """Seconds of a job beside others: its updates, each timed on its network, in proportion to what the pilot took.

    A training by the owner's own recipe takes as long as the pilot for as many examples. What was trained elsewhere
    takes none.
    """
    own = study.domain.architecture(study.source_architecture).train is not None
    update: dict[str, float] = {}

    def timed(job: Job) -> float:
        name = job.model.architecture
        if name not in update:
            update[name] = _seconds_of_update(study, job)
        of_clean = job.options["pgd_steps"] + BEYOND_STEPS if "epsilon" in job.options else 1
        return update[name] * updates_of(job.recipe, examples_count(study, job)) * of_clean

    slower = _slower(study, pilot) if pilot else 1.0
    took = trained.metadata_of(study, pilot.model)["seconds"] if pilot else 0.0
    expected = timed(pilot) if pilot else 0.0

    def seconds(job: Job) -> float:
        if "weights_sha256" in job.options:
            return 0.0
        if pilot and own and job.model.architecture == study.source_architecture and "epsilon" not in job.options:
            return slower * took * examples_count(study, job) / len(study.parts["owner"])
        return slower * timed(job) * (took / expected if pilot and not own else 1)

    return seconds


def _slower(study: Study, job: Job) -> float:
    """How many times as long an update takes with as many trainings beside it as there will be."""
    if study.at_a_time == 1 or not study.machines.is_local:
        return 1.0
    jobs, timed = [job] * study.at_a_time, partial(_seconds_of_update, study)
    list(processes.run(timed, jobs, len(jobs)))  # while the processes start, they disturb each other more
    return max(1.0, mean(processes.run(timed, jobs, len(jobs))) / timed(job))


def _seconds_of_update(study: Study, job: Job) -> float:
    """Of one batch forward and back, on one thread as models are trained; nothing that is drawn later changes."""
    threads, part = torch.get_num_threads(), study.parts["owner"]
    chosen = torch.arange(min(job.recipe.batch_size, len(part)))
    with torch.random.fork_rng(devices=[]):
        model = runtime.place(fresh(study, job), study.device).train()
        inputs, labels = handed_out(part.inputs[chosen], study.device), part.targets[chosen].to(study.device)
        found: list[float] = []
        try:
            runtime.one_thread()
            while len(found) < FEWEST or sum(found) < SPAN:
                started = time.perf_counter()
                F.cross_entropy(model(inputs), labels).backward()
                found.append(time.perf_counter() - started)
        finally:
            torch.set_num_threads(threads)
    return median(found)


@dataclass(frozen=True)
class Offer:
    """offered: inputs among which queries are chosen. took: seconds in which the source found these among examined."""

    offered: int
    examined: int
    took: float

    def seconds(self, models: int) -> float:
        """Of making the queries: the same once more, and each model is asked about what is offered."""
        return self.took * (1 + models * self.offered / self.examined)


def queries(study: Study, n: int) -> Offer:
    """What n queries are chosen among; UserError where that is hardly anything."""
    started = time.perf_counter()
    offered = len(mistakes.candidates(study, n))
    took = time.perf_counter() - started
    return Offer(offered, sum(len(study.parts[name]) for name in (*mistakes.HELD_OUT, "owner")), took)


def wall(study: Study, jobs: Iterable[Job], seconds: Seconds) -> float:
    """How long jobs take, one step after another, those of a step side by side."""
    return sum(_side_by_side(map(seconds, of_step), study.at_a_time) for _, of_step in groupby(jobs, _step))


def _step(job: Job) -> str:
    return job.model.kind.split("_")[0]


def _side_by_side(seconds: Iterable[float], at_a_time: int) -> float:
    """Each begins where one before it ends."""
    ends = [0.0] * at_a_time
    for one in seconds:
        heapq.heapreplace(ends, ends[0] + one)
    return max(ends)
