"""What protect.py does: from a model and data to a query set, in one run that goes on where it was stopped."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from fingerprinting import cli
from fingerprinting.calibrated import fitting, verdicts
from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import store
from fingerprinting.judging import queries
from fingerprinting.models import build, progress, reference, source_model, stealing, trained
from fingerprinting.models.costs import duration
from fingerprinting.models.kinds import Job, Training
from fingerprinting.protecting import asked, comparing, deriving, description, estimating, inspecting, networks, plan
from fingerprinting.protecting.description import Description
from fingerprinting.protecting.estimating import Offer, Seconds
from fingerprinting.protecting.plan import Recipes
from fingerprinting.study.domain import module_of
from fingerprinting.study.study import Study

CONTROLS = 50  # queries by which a suspect's accuracy is seen, a fifth of a small budget
QUERIES = "queries"
MAKING = "making queries"  # the last step
RATES = {"base": 5e-5, "folder": 5e-4, "own": 3e-3}  # peak learning rates of an owner's network, where none is given
WEIGHT_DECAY = 0.01  # of an owner's network: the house's EEG networks have far more


def protect(**constants) -> None:
    """protect.py's constants; what the command line names is asked for, also where it is what holds anyway."""
    named = {word.split("=")[0] for word in sys.argv[1:]}
    run(**constants, asked_for=bool(named & {name.upper() for name in deriving.PREPARED}))


def run(
    *,
    data: str,
    protected: str,
    time: str,
    budget: int,
    all_mine: bool,
    split_only: bool,
    twins: str,
    weights: str,
    **given,
) -> None:
    """See protect.py for what the constants mean."""
    deriving.check(given, budget, data, weights)
    plan.seconds_of(time)
    twins_there = deriving.twins_in(Path(twins)) if twins else []
    folder, device = Path(protected), runtime.device(given["device"])
    network = deriving.network_of(given)
    found = deriving.read(Path(data), network, given)
    deriving.check_prepared(network, found.kind, given)
    found = inspecting.ordered(found, network, given["classes"])
    network, trained_weights = deriving.weights_of(network, found, weights, folder)
    given["weights"] = None if given["source"] else trained_weights
    adopted, digests = deriving.twins_of(network, found, twins_there, given["weights"], folder)
    elsewhere = bool(given["source"] or given["weights"])
    about = deriving.described(folder, Path(data), found, network, all_mine, given, device)
    held, study = deriving.kept(folder, about, found, given)
    print(deriving.cut_of(study, held, folder, elsewhere), flush=True)
    if limit := verdicts.limit_of_twins(len(found.classes)):
        print(f"every verdict will be {verdicts.INCONCLUSIVE}: {limit}", flush=True)
    if split_only:
        print("train the model on the owner's part alone, then give it by the same command without SPLIT_ONLY=")
        return
    if elsewhere and (given["epochs"] or given["learning_rate"]):
        print("EPOCHS= and LEARNING_RATE= are those of twins alone, as the source is trained already", flush=True)
    recipes = replace(_recipes(study, held, given), adopted=digests)
    controls = min(CONTROLS, budget // 5)
    with progress.of_run() as shown:
        _make_source(study, recipes, folder, given, budget - controls)
        _check_able(study)
        queries_of = estimating.queries(study, budget - controls)
        pilot = _piloted(study, recipes, held, folder, adopted, elsewhere)
        study = deriving.study_of(folder, given)  # whose domain knows how far verdicts go
        seconds = estimating.estimate(study, None if adopted else pilot)
        chosen = plan.choose(study, recipes, seconds, time, folder)
        asked = min(budget - controls, queries_of.offered)
        print(_price(study, recipes, chosen, seconds, asked, controls), flush=True)
        lacking = build.lacking(study, plan.jobs_of(study, recipes, chosen))
        shown.expect(*_expected(study, recipes, chosen, lacking, seconds, queries_of))
        train = partial(_train, study, recipes, adopted)
        chosen = plan.reached(study, recipes, chosen, seconds, time, folder, train)
        shown.expect(*_expected(study, recipes, chosen, [], seconds, queries_of))  # TIME= may have ended it early
        if elsewhere and not all_mine:
            _check_data(study, plan.twin_jobs(study, recipes, chosen), folder)
        places, written = _make_queries(study, folder, budget - controls, controls, pairs=bool(chosen.pairs))
    command = f"python judge.py DOMAIN={folder} TIER={study.tier} QUERIES={folder / QUERIES}"
    print(f"{len(places)} queries are in {written}. Ask the suspect, a class a line into responses.txt, then:")
    print(f"{command} RESPONSES=responses.txt")
    print(f"or have it asked: {command} SUSPECT=… (docs/suspects.md)")


def _expected(
    study: Study, recipes: Recipes, chosen: plan.Plan, lacking: list[Job], seconds: Seconds, queries_of: Offer
) -> tuple[dict[str, float], set[str], float]:
    """What the bar is over, all models of the plan and then the queries: as Run.expect takes it."""
    jobs = plan.jobs_of(study, recipes, chosen)
    making = queries_of.seconds(len(jobs))
    expected = {job.model.name: seconds(job) for job in jobs} | {MAKING: making}
    left = {MAKING, *(job.model.name for job in lacking)}
    return expected, expected.keys() - left, estimating.wall(study, lacking, seconds) + making


def _make_queries(study: Study, folder: Path, n: int, controls: int, *, pairs: bool) -> tuple[queries.Places, str]:
    with progress.of_step(MAKING, 1, "set") as advance:
        fitting.calibrated(study, size="pairs" if pairs else "twins", n=n, controls=controls)
        fingerprint = store.load(study, METHOD, trained.weights_sha256(study, study.source_id))
        written = queries.write(study, fingerprint, folder / QUERIES, early=False)
        advance([MAKING])
    return queries.Places.of(fingerprint, early=False), written


def _make_source(study: Study, recipes: Recipes, folder: Path, given: dict[str, Any], queries: int) -> None:
    """The owner's model: asked, taken as it was trained elsewhere, or trained here."""
    if given["source"]:
        job = asked.source(study, folder, given["source"], queries)
        print(f"source {given['source']}: {asked.SCOPE}", flush=True)
        build.train(study, "source", [job], partial(asked.adopted, folder / asked.FILE))
        return
    recipe, weights = recipes.own, str(given["weights"] or "")
    source_model.source(study, epochs=recipe.epochs, learning_rate=recipe.learning_rate, weights=weights)


def _check_able(study: Study) -> None:
    """Refuses a source that has learned nothing before it is repeated."""
    right, of = comparing.held_out(study, study.source_id)
    labels = torch.cat([study.parts[name].targets for name in ("dev", "test")])
    most = labels.bincount().max().item() / len(labels)
    if right <= most:
        raise UserError(
            f"the source is right on {right:.2f} of {of} held-out examples, where one class for all is on {most:.2f}; "
            "give EPOCHS= or LEARNING_RATE= to train it better, or WEIGHTS= of a trained one"
        )


def _recipes(study: Study, held: Description, given: dict[str, Any]) -> Recipes:
    """Of the owner's network as given, else as its kind needs; of the house's as its steps have them."""
    tier, kind = study.tier, held.kind
    shared, of_source = module_of(kind), import_module(f"{kind}.source")

    def usual(module: ModuleType | None, name: str):
        return cli.chosen(name, vars(module)[name], tier, (study.dataset, kind))

    rate = usual(of_source, "LEARNING_RATE")
    if held.network.model:
        rate = RATES["base" if held.network.base else "folder" if networks.is_folder(held.network) else "own"]
    own = study.recipe(given["epochs"] or usual(of_source, "EPOCHS"), given["learning_rate"] or rate)
    if held.network.model:
        own = replace(own, weight_decay=WEIGHT_DECAY)
    others = study.recipe(usual(shared, "EPOCHS"), usual(shared, "LEARNING_RATE"))
    return Recipes(own, others, usual(shared, "EPSILON"), usual(shared, "PGD_STEPS"), held.network.perturbed)


def _adopt(paths: Sequence[Path], study: Study, job: Job) -> Training:
    return stealing.adopted(paths[job.model.copy], study, job)


def _train_twins(study: Study, jobs: list[Job], adopted: Sequence[Path]) -> None:
    build.train(study, "twins", jobs, partial(_adopt, adopted) if adopted else None)


def _piloted(
    study: Study, recipes: Recipes, held: Description, folder: Path, adopted: list[Path], elsewhere: bool
) -> Job:
    """The first twin, kept and timed; one that is not near the source limits verdicts, and says so."""
    jobs = plan.twin_jobs(study, recipes, plan.Plan(1, 0, 0))
    _train_twins(study, jobs, adopted)
    limit = ""
    if elsewhere and (found := comparing.otherwise(study, [job.model for job in jobs])):
        wanted = "TWINS=repetitions of its own training" if adopted else "TRAIN=module:function, its own training"
        advice = f"; give protect.py {wanted}, until when no verdict goes further"
        limit = "" if held.network.train and not adopted else found + advice
        print(f"Warning: {limit or found}.", flush=True)
    description.limited(folder, limit)
    return jobs[0]


def _check_data(study: Study, twins: list[Job], folder: Path) -> None:
    """A source that did not learn from the owner's part limits verdicts."""
    if found := comparing.on_other_data(study, [job.model for job in twins]):
        limit = (
            f"{found}; give protect.py TWINS=trained on those, or train the source on the owner's part of "
            "parts.csv, until when no verdict goes further"
        )
        print(f"Warning: {limit}.", flush=True)
        description.limited(folder, description.read(folder).limit or limit)


def _price(study: Study, recipes: Recipes, chosen: plan.Plan, seconds: Seconds, asked: int, controls: int) -> str:
    jobs = plan.jobs_of(study, recipes, chosen)
    left = build.lacking(study, jobs)
    ranked = sum(reference.is_whole(job) for job in plan.calibration_jobs(study, recipes, chosen))
    takes = estimating.wall(study, left, seconds)
    return (
        f"plan: {plan.said(study, jobs)}, {len(jobs)} models, {len(left)} still to train in about "
        f"{duration(takes)}; verdicts reach ALPHA={1 / (1 + ranked):.3f} by ranks among independent models, 0.01 "
        f"by a normal tail; a suspect is asked {asked + controls} queries at most"
    )


def _train(study: Study, recipes: Recipes, adopted: Sequence[Path], chosen: plan.Plan) -> None:
    _train_twins(study, plan.twin_jobs(study, recipes, chosen), adopted)
    build.train(study, "calibration", plan.calibration_jobs(study, recipes, chosen))
    if chosen.pairs:
        build.train(study, "pairs", plan.pair_jobs(study, recipes, chosen))
