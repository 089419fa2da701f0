"""What repeated trainings cost, as a ratio to the source's and in time; said before they start and after."""

from collections.abc import Sized

from fingerprinting.models import trained
from fingerprinting.models.kinds import KINDS, Job
from fingerprinting.models.subsets import examples_of
from fingerprinting.study.study import ModelId, Study
from fingerprinting.training.recipe import Recipe

MINUTE, HOUR = 60, 3600


def expected(study: Study, jobs: list[Job]) -> str:
    """What the jobs cost by the source's recorded seconds and their own updates, as if their networks were its own."""
    source = trained.metadata_of(study, study.source_id)
    if not source["examples"]:
        return f"{_counted(jobs)}, each about as long as the source's training, which was elsewhere and is not recorded"
    one = updates_of(Recipe(**source["settings"]["recipe"]), source["examples"])
    ratio = sum(updates_of(job.recipe, _examples(study, job)) for job in jobs) / one
    return f"{_counted(jobs)}, about {_compared(ratio, source['seconds'])}; {study.at_a_time} at a time"


def spent(study: Study, models: list[ModelId]) -> str:
    """What finished models took, by what their files say."""
    seconds = sum(trained.metadata_of(study, model)["seconds"] for model in models)
    of_source = trained.metadata_of(study, study.source_id)["seconds"]
    took = _compared(seconds / of_source, of_source) if of_source else f"{duration(seconds)} of training"
    return f"{_counted(models)} took {took}"


def duration(seconds: float) -> str:
    """In words, in the unit that fits."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h"


def _counted(models: Sized) -> str:
    return f"{len(models)} model{'s' * (len(models) != 1)}"


def _compared(ratio: float, seconds: float) -> str:
    return f"{ratio:.1f} x the source's training of {duration(seconds)}: {duration(ratio * seconds)} in all"


def _examples(study: Study, job: Job) -> float:
    if KINDS[job.model.kind].on_target:
        return len(study.target_parts[job.options["part"]])
    return len(examples_of(study, job.options["part"])) * job.options.get("share", 1.0)


def updates_of(recipe: Recipe, examples: float) -> int:
    return recipe.updates(int(examples)) * recipe.passes(int(examples))
