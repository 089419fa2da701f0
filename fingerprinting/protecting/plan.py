"""What protecting a model takes: which models are trained, how long that is, and what fits a time."""

import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F  # the field's standard name

from fingerprinting.core import runtime, storage
from fingerprinting.core.runtime import UserError
from fingerprinting.data.datasets import handed_out
from fingerprinting.models import reference, trained, twins
from fingerprinting.models.costs import HOUR, MINUTE, duration, updates_of
from fingerprinting.models.kinds import Job
from fingerprinting.models.stealing import fresh
from fingerprinting.models.subsets import examples_of
from fingerprinting.protecting.networks import OWN
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import Recipe

CALIBRATING = reference.OF_SAME_DATA | reference.OF_OTHER_DATA
UNITS = {"s": 1, "m": MINUTE, "min": MINUTE, "h": HOUR}
TIMED = 3  # updates of a network; the fastest counts
PERTURBED = 3  # an adversarial update costs as many: the gradient by the inputs, then twice the examples
FILE = "plan.json"  # in the owner's folder


@dataclass(frozen=True)
class Plan:
    """How many twins, calibration models of each data at least, and architectures of matched pairs."""

    twins: int
    calibration: int
    pairs: int


# From the cheapest on, each more than the one before it: twins first, then calibration models, pairs last.
PLANS = (
    *(Plan(1, 6, 0), Plan(2, 6, 0), Plan(3, 6, 0), Plan(3, 12, 0), Plan(6, 12, 0), Plan(6, 18, 0)),
    *(Plan(6, 18, 1), Plan(6, 18, 2), Plan(6, 18, 4)),
)
SMALLEST = dict(smoke=(Plan(1, 3, 0), Plan(2, 3, 1)))  # tiers with other plans


@dataclass(frozen=True)
class Recipes:
    """own: of the source and of whatever has its architecture. others: of the house's architectures."""

    own: Recipe
    others: Recipe
    epsilon: float
    pgd_steps: int
    perturbed: bool = True  # whether the owner's network can be trained adversarially


def twin_jobs(study: Study, recipes: Recipes, plan: Plan) -> list[Job]:
    return twins.twin_jobs(study, recipes.own, plan.twins)


def calibration_jobs(study: Study, recipes: Recipes, plan: Plan) -> list[Job]:
    """Copies of every architecture on each data, one of each trained adversarially: as the plan says, or a few more."""
    jobs = reference.independents(
        study,
        "calibration",
        CALIBRATING,
        copies=math.ceil(plan.calibration / (1 + len(study.architectures))),
        shares=(),
        share_copies=0,
        transfer_copies=0,
        epochs=recipes.others.epochs,
        learning_rate=recipes.others.learning_rate,
        transfer_epochs=1,
        transfer_learning_rate=recipes.others.learning_rate,
        epsilon=recipes.epsilon,
        pgd_steps=recipes.pgd_steps,
    )
    impossible = [job for job in jobs if "epsilon" in job.options and job.model.architecture == OWN]
    return _by_own_recipe([job for job in jobs if recipes.perturbed or job not in impossible], recipes)


def pair_jobs(study: Study, recipes: Recipes, plan: Plan) -> list[Job]:
    return _by_own_recipe(twins.pair_jobs(study, recipes.others, 1, study.students[: plan.pairs]), recipes)


def jobs_of(study: Study, recipes: Recipes, plan: Plan) -> list[Job]:
    makers = (twin_jobs, calibration_jobs, pair_jobs)
    return [job for make in makers for job in make(study, recipes, plan)]


def _by_own_recipe(jobs: list[Job], recipes: Recipes) -> list[Job]:
    return [replace(job, recipe=recipes.own) if job.model.architecture == OWN else job for job in jobs]


def seconds_of(text: str) -> float:
    """30m, 2h or 90s in seconds; 0 where there is no limit."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)", text.strip())
    if text and not found:
        raise UserError(f"TIME={text} is no time; give a number with s, m or h, such as 30m")
    return float(found[1]) * UNITS[found[2]] if found else 0.0


def estimate(study: Study, recipes: Recipes, pilot: Job | None) -> Callable[[Job], float]:
    """Seconds of a job: its updates, each timed on its network, in proportion to what the pilot twin really took.

    A training by the owner's own recipe takes as long as the pilot for as many examples.
    """
    own = study.domain.architecture(study.source_architecture).train is not None
    update: dict[str, float] = {}

    def timed(job: Job) -> float:
        name = job.model.architecture
        if name not in update:
            update[name] = _seconds_of_update(study, job)
        examples = len(examples_of(study, job.options.get("part", "owner")))
        return update[name] * updates_of(job.recipe, examples) * (PERTURBED if "epsilon" in job.options else 1)

    if pilot is None:
        return timed
    took = trained.metadata_of(study, pilot.model)["seconds"]
    expected = timed(pilot)

    def seconds(job: Job) -> float:
        if own and job.model.architecture == study.source_architecture and "epsilon" not in job.options:
            return took * len(examples_of(study, job.options.get("part", "owner"))) / len(study.parts["owner"])
        return timed(job) * (1 if own else took / expected)

    return seconds


def _seconds_of_update(study: Study, job: Job) -> float:
    """Of one batch forward and back, on one thread as models are trained; nothing that is drawn later changes."""
    threads, part = torch.get_num_threads(), study.parts["owner"]
    chosen = torch.arange(min(job.recipe.batch_size, len(part)))
    with torch.random.fork_rng(devices=[]):
        model = runtime.place(fresh(study, job), study.device).train()
        inputs, labels = handed_out(part.inputs[chosen], study.device), part.targets[chosen].to(study.device)
        found = []
        try:
            runtime.one_thread()
            for _ in range(TIMED):
                started = time.perf_counter()
                F.cross_entropy(model(inputs), labels).backward()
                found.append(time.perf_counter() - started)
        finally:
            torch.set_num_threads(threads)
    return min(found)


def choose(study: Study, recipes: Recipes, seconds: Callable[[Job], float], limit: str, folder: Path) -> Plan:
    """The largest plan that fits the time; that of the run before, where the same time was given."""
    plans = SMALLEST.get(study.tier, PLANS)
    if (before := _before(folder, limit, plans)) and not study.force:
        return before
    most = seconds_of(limit)
    costs = {plan: wall(study, jobs_of(study, recipes, plan), seconds) for plan in plans}
    fitting = [plan for plan, cost in costs.items() if not limit or cost <= most]
    if not fitting:
        raise UserError(
            f"TIME={limit} is too short: the least, {said(study, jobs_of(study, recipes, plans[0]))}, takes about "
            f"{duration(costs[plans[0]])}; give TIME={_enough(costs[plans[0]])} or more"
        )
    storage.write_text(folder / FILE, json.dumps({"time": limit, "plan": asdict(fitting[-1])}) + "\n")
    return fitting[-1]


def _enough(seconds: float) -> str:
    """A time as TIME= takes it, with a little more for what is measured anew."""
    wanted = 1.2 * seconds
    return f"{math.ceil(wanted)}s" if wanted < 2 * MINUTE else f"{math.ceil(wanted / MINUTE)}m"


def wall(study: Study, jobs: list[Job], seconds: Callable[[Job], float]) -> float:
    """How long the jobs take side by side."""
    return sum(map(seconds, jobs)) / min(study.at_a_time, max(1, len(jobs)))


def said(study: Study, jobs: list[Job]) -> str:
    """The models of a plan by what they are for."""
    counts = {use: sum(job.model.kind.startswith(use) for job in jobs) for use in ("twin", "calibration", "pair")}
    pairs = counts["pair"] // len(twins.PAIR)
    named = [_counted(counts["twin"], "twin"), _counted(counts["calibration"], "calibration model")]
    return ", ".join([*named, *([_counted(pairs, "matched pair")] if pairs else [])])


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _before(folder: Path, limit: str, plans: tuple[Plan, ...]) -> Plan | None:
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        found = Plan(**content["plan"])
        return found if content["time"] == limit and found in plans else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
