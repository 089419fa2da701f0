"""The steps that repeat trainings for comparison: twins of the source, and pairs that differ in origin alone."""

from dataclasses import replace
from itertools import product

from fingerprinting.core.errors import UserError
from fingerprinting.models import build, costs, mistakes, trained
from fingerprinting.models.kinds import Job
from fingerprinting.models.reference import ALL, TARGET_PARTS
from fingerprinting.study.planned import PlannedStudy
from fingerprinting.study.study import Study
from fingerprinting.training.recipe import Recipe

OWNED = ("owner", "reference")  # the parts that an owner has to train on
OF_OWNER = {"part": "owner"}
PAIR = ("pair_independent", "pair_stolen")  # the kinds of a matched pair, in the order of its models

TRANSFERRED = ("source_transfer", "twin_transfer")  # kinds that the owner moves to another task


def twins(
    study: Study,
    *,
    copies: int,
    epochs: int,
    learning_rate: float,
    other_copies: int,
    other_epochs: int,
    transfer_copies: int,
    transfer_epochs: int,
    transfer_learning_rate: float,
) -> str | None:
    """The source's recipe with other seeds on the owner's part; `other_copies` of them with another number of passes.

    What a suspect shares with any model of this recipe and these data it shares with a twin as well. The source and
    `transfer_copies` of the twins are moved to the target too, on the owner's part of it: suspects of another task are
    compared with these.
    """
    if not 0 <= transfer_copies <= copies:
        raise UserError(f"TRANSFER_COPIES={transfer_copies} must lie between 0 and COPIES={copies}")
    recipe, part = study.recipe(epochs, learning_rate), OF_OWNER
    _compare(study, recipe)
    jobs = twin_jobs(study, recipe, copies)
    others = study.recipe(other_epochs, learning_rate)
    jobs += [
        Job(study.model_id("other_recipe_twin", study.source_architecture, copy), others, part)
        for copy in range(other_copies)
    ]
    moved, target = study.recipe(transfer_epochs, transfer_learning_rate), {"part": TARGET_PARTS["calibration"]}
    makers = (
        [study.source_id, *(job.model for job in jobs[:transfer_copies])] if transfer_copies and study.target else []
    )
    kinds = [TRANSFERRED[0], *[TRANSFERRED[1]] * transfer_copies]
    jobs += [Job(replace(maker, kind=kind), moved, target, maker) for maker, kind in zip(makers, kinds, strict=False)]
    return train(study, "twins", jobs)


def twin_jobs(study: Study, recipe: Recipe, copies: int) -> list[Job]:
    """So many repetitions of the source's training."""
    name = study.source_architecture
    return [Job(study.model_id("twin", name, copy), recipe, OF_OWNER) for copy in range(copies)]


def train(study: Study, step: str, jobs: list[Job]) -> str | None:
    """Refuse a source that makes too few mistakes, say what the models cost, train them, and say what they did cost."""
    if isinstance(study, PlannedStudy):
        return build.train(study, step, jobs)
    mistakes.candidates(study, mistakes.FEWEST)
    print(f"{step}: {costs.expected(study, jobs)}", flush=True)
    skipped = build.train(study, step, jobs)
    print(f"{step}: {costs.spent(study, [job.model for job in jobs])}", flush=True)
    return skipped


def _compare(study: Study, recipe: Recipe) -> None:
    """Says where the twins' recipe is not the source's: they are then no exact repetitions of its training."""
    if isinstance(study, PlannedStudy):
        return
    settings = trained.metadata_of(study, study.source_id)["settings"]
    if "weights_sha256" in settings["options"]:
        print("the source was trained elsewhere: twins are its repetitions only if EPOCHS, LEARNING_RATE are as there")
        return
    differing = {name: value for name, value in vars(recipe).items() if settings["recipe"][name] != value}
    for name, value in differing.items():
        print(f"twins are trained with {name.upper()}={value}, the source with {settings['recipe'][name]}")


def pairs(
    study: Study,
    *,
    copies: int,
    students: int,
    parts: tuple[str, ...],
    shares: tuple[float, ...],
    epochs: int,
    learning_rate: float,
) -> str | None:
    """Matched pairs of every student's architecture: one model learns the true labels, the other the source's.

    Both have the same inputs, recipe, initial weights and order of batches, so that they differ in origin alone.
    """
    if any(not 0 < share <= 1 for share in shares):
        raise UserError(f"SHARES={shares} must be above 0, and 1 at most")
    if unknown := {name for several in parts for name in several.split("+")} - set(OWNED):
        raise UserError(f"PARTS names {', '.join(sorted(unknown))}; an owner has {', '.join(OWNED)}, or both: {ALL}")
    recipe = study.recipe(epochs, learning_rate)
    return train(study, "pairs", pair_jobs(study, recipe, copies, study.students[:students], parts, shares))


def pair_jobs(
    study: Study,
    recipe: Recipe,
    copies: int,
    architectures: tuple[str, ...],
    parts: tuple[str, ...] = (ALL,),
    shares: tuple[float, ...] = (1.0,),
) -> list[Job]:
    """Both models of each pair, of every architecture, part and share."""
    jobs = []
    for name, part, share, copy in product(architectures, parts, shares, range(copies)):
        variant = f"of_{part}-share_{share:.2g}"
        options = {"part": part} | ({"share": share, "draw": f"pair {copy}"} if share < 1 else {})
        independent, stolen = (study.model_id(kind, name, copy, variant) for kind in PAIR)
        jobs += [Job(independent, recipe, options), Job(stolen, recipe, options, study.source_id)]
    return jobs
