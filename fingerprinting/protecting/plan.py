"""What protecting a model takes: which models are trained, how long that is, and what fits a time."""

import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.models import build, reference, trained, twins
from fingerprinting.models.costs import HOUR, MINUTE, duration
from fingerprinting.models.kinds import Job
from fingerprinting.protecting.estimating import Seconds, wall
from fingerprinting.protecting.networks import OWN
from fingerprinting.study.study import Study
from fingerprinting.training.recipe import Recipe

UNITS = {"s": 1, "m": MINUTE, "min": MINUTE, "h": HOUR}
FILE = "plan.json"  # in the owner's folder


@dataclass(frozen=True)
class Plan:
    """How many twins, calibration models at least, and architectures of matched pairs.

    So many of the source's data, and as many each of other data and of as little of the source's.
    """

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
    """own: of the source and of whatever has its architecture. others: of the house's architectures.

    adopted: digests of the weights of twins that were trained elsewhere, in place of the plan's.
    """

    own: Recipe
    others: Recipe
    epsilon: float
    pgd_steps: int
    perturbed: bool = True  # whether the owner's network can be trained adversarially
    adopted: tuple[str, ...] = ()


def twin_jobs(study: Study, recipes: Recipes, plan: Plan) -> list[Job]:
    if not recipes.adopted:
        return twins.twin_jobs(study, recipes.own, plan.twins)
    jobs = twins.twin_jobs(study, recipes.own, len(recipes.adopted))
    return [replace(job, options={"weights_sha256": one}) for job, one in zip(jobs, recipes.adopted, strict=True)]


def calibration_jobs(study: Study, recipes: Recipes, plan: Plan) -> list[Job]:
    """Copies of every architecture on each data, one of each trained adversarially: as the plan says, or a few more."""
    jobs = reference.calibration_jobs(
        study,
        copies=(copies := math.ceil(plan.calibration / (1 + len(study.architectures)))),
        reference_copies=copies,
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


def choose(study: Study, recipes: Recipes, seconds: Seconds, limit: str, folder: Path) -> Plan:
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
    _keep(folder, limit, fitting[-1])
    return fitting[-1]


def _keep(folder: Path, limit: str, plan: Plan) -> None:
    storage.write_text(folder / FILE, json.dumps({"time": limit, "plan": asdict(plan)}) + "\n")


def reached(
    study: Study,
    recipes: Recipes,
    chosen: Plan,
    seconds: Seconds,
    limit: str,
    folder: Path,
    train: Callable[[Plan], None],
) -> Plan:
    """Train smaller plans before the chosen one, for as long as the next one fits the time; the plan that is trained.

    What earlier runs of the same command took counts too. The smallest plan is trained however long it takes, as there
    is no verdict by less.
    """
    if not limit or study.force:
        train(chosen)
        return chosen
    spent, begun, expected, done = _spent(study, recipes, chosen), time.monotonic(), 0.0, None
    for plan in _stages(study, recipes, chosen):
        cost = wall(study, build.lacking(study, jobs_of(study, recipes, plan)), seconds)
        took = time.monotonic() - begun
        pace = took / expected if expected else 1.0
        if done and spent + took + pace * cost > seconds_of(limit):
            print(
                f"TIME={limit} has room for no more than {said(study, jobs_of(study, recipes, done))}: models take "
                f"{pace:.1f} times as long as was expected",
                flush=True,
            )
            _keep(folder, limit, done)
            return done
        train(plan)
        expected, done = expected + cost, plan
    return chosen


def _stages(study: Study, recipes: Recipes, chosen: Plan) -> list[Plan]:
    """Plans up to the chosen one, each with models enough beside the one before that no process is idle."""
    plans = SMALLEST.get(study.tier, PLANS)
    stages: list[Plan] = []
    count = 0
    for plan in plans[: plans.index(chosen)]:
        models = len(jobs_of(study, recipes, plan))
        if not stages or models - count >= study.at_a_time:
            stages, count = [*stages, plan], models
    return [*stages, chosen]


def _spent(study: Study, recipes: Recipes, chosen: Plan) -> float:
    """How long those models took that are finished, by their files."""
    jobs = jobs_of(study, recipes, chosen)
    lacking = {job.model for job in build.lacking(study, jobs)}
    there = [job for job in jobs if job.model not in lacking and job.model.path.is_file()]
    return wall(study, there, lambda job: trained.metadata_of(study, job.model)["seconds"])


def _enough(seconds: float) -> str:
    """A time as TIME= takes it, with a little more for what is measured anew."""
    wanted = 1.2 * seconds
    return f"{math.ceil(wanted)}s" if wanted < 2 * MINUTE else f"{math.ceil(wanted / MINUTE)}m"


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
