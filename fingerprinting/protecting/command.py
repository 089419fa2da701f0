"""What protect.py does: from a model and data to a query set, in one run that goes on where it was stopped."""

import hashlib
import re
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from fingerprinting import cli
from fingerprinting.calibrated import fitting, judge
from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.core import runtime, storage
from fingerprinting.core.runtime import UserError
from fingerprinting.data.splits import content_of
from fingerprinting.fingerprints import store
from fingerprinting.models import build, mistakes, source_model, stealing, trained
from fingerprinting.models.costs import duration
from fingerprinting.models.kinds import Job, Training
from fingerprinting.protecting import arrays, description, domain, inspecting, networks, pictures, plan, signals, tables
from fingerprinting.protecting.description import Description, Network
from fingerprinting.protecting.examples import KINDS, SIGNALS, Found, checked
from fingerprinting.protecting.plan import Recipes
from fingerprinting.study import loading
from fingerprinting.study import weights as foreign
from fingerprinting.study.domain import TIERS, load_domain, module_of
from fingerprinting.study.study import Study

NEAR = 0.03  # of held-out examples right: a twin further from its source is no repetition of its training
CONTROLS = 50  # queries by which a suspect's accuracy is seen, a fifth of a small budget
FEWEST_QUERIES = 25
PREPARED = ("SCALE", "MEAN", "STD", "PREPARE")  # constants by which the owner says what the network takes
PARTS = "parts.csv"  # in the owner's folder
QUERIES = "queries"
RATES = {"base": 5e-5, "folder": 5e-4, "own": 1e-3}  # peak learning rates, where none is given


def protect(script: dict) -> None:
    """Run the script with its constants and the command line's; a user's mistake ends in one sentence."""
    with cli.endings():
        named = {word.split("=")[0] for word in sys.argv[1:]}
        run(**cli.of_no_study(script, sys.argv[1:], brief=True), asked_for=bool(named & set(PREPARED)))


def run(
    *, data: str, protected: str, time: str, budget: int, all_mine: bool, twins: str, weights: str, **given
) -> None:
    """See protect.py for what the constants mean."""
    _check(given, budget, data)
    plan.seconds_of(time)
    folder, device = Path(protected), runtime.device(given["device"])
    network = _network(given)
    found = inspecting.ordered(_read(Path(data), network, given), network, given["classes"])
    given["weights"] = _weights(network, weights)
    about = _described(folder, Path(data), found, network, all_mine, given, device)
    held, study = _kept(folder, about, found, given)
    print(_cut(study, held, folder, given["weights"]), flush=True)
    recipes = _recipes(study, held, given)
    source_model.source(
        study, epochs=recipes.own.epochs, learning_rate=recipes.own.learning_rate, weights=str(given["weights"] or "")
    )
    controls = min(CONTROLS, budget // 5)
    offered = len(mistakes.candidates(study, budget - controls))
    adopted = _adopted(Path(twins)) if twins else []
    pilot = _piloted(study, recipes, held, folder, adopted, bool(given["weights"]))
    study = _study(folder, given)  # whose domain knows how far verdicts go
    seconds = plan.estimate(study, recipes, None if adopted else pilot)
    chosen = plan.choose(study, recipes, seconds, time, folder)
    asked = min(budget - controls, offered)
    print(_price(study, recipes, chosen, seconds, asked, controls), flush=True)
    _trained(study, recipes, chosen, adopted)
    fitting.calibrated(study, size="pairs" if chosen.pairs else "twins", n=budget - controls, controls=controls)
    fingerprint = store.load(study, METHOD, trained.weights_sha256(study, study.source_id))
    written = judge.write_queries(study, fingerprint, folder / QUERIES)
    print(f"{written}. Ask the suspect, a class a line into responses.txt, then:")
    print(f"python judge.py DOMAIN={folder} TIER={study.tier} QUERIES={folder / QUERIES} RESPONSES=responses.txt")


def _check(given: dict[str, Any], budget: int, data: str) -> None:
    if not data:
        raise UserError(
            "DATA= is not given; name a folder of images in class folders, or a .csv, .parquet, .npz or -epo.fif"
        )
    if not Path(data).exists():
        raise UserError(f"DATA={data} does not exist")
    if given["tier"] not in TIERS:
        raise UserError(f"unknown TIER {given['tier']!r}; take one of {', '.join(TIERS)}")
    if given["kind"] not in {"", *KINDS}:
        raise UserError(f"unknown KIND={given['kind']}; take {', '.join(KINDS)}, or leave it out")
    if budget < FEWEST_QUERIES:
        raise UserError(f"BUDGET={budget} queries are too few to tell anything; give {FEWEST_QUERIES} or more")
    if 0.0 in given["std"]:
        raise UserError("STD= holds 0, by which no input can be divided; give deviations above 0")


def _read(path: Path, network: Network, given: dict[str, Any]) -> Found:
    """What the data are, by the form in which they are given; images for transformers as large as their processor's."""
    suffix, size = path.suffix.lower(), given["size"]
    if path.is_dir():
        if not size and networks.is_folder(network):
            size = inspecting.transformers_folder.side(Path(network.model))
        found = pictures.in_folders(path, size)
    elif suffix in (".csv", ".tsv", ".parquet"):
        found = tables.read(path, given["text"], given["label"], given["length"])
    elif suffix == ".npz":
        found = arrays.read(path, given["kind"], given["rate"])
    elif suffix == ".fif":
        found = signals.epochs(path)
    else:
        raise UserError(
            f"DATA={path} has no known form; give a folder of images in class folders, or a .csv, .parquet, .npz or "
            "-epo.fif; for other data write a domain file, see docs/your-model.md"
        )
    found = checked(found, path)
    if found.kind == SIGNALS and not network.model:
        return signals.as_usual(found)
    return found


def _network(given: dict[str, Any]) -> Network:
    """What the constants say of the network, before it is looked at."""
    model = networks.absolute(given["model"])
    if not model and (lacking := [name for name in ("base", "prepare", "head", "prunable") if given[name]]):
        raise UserError(f"{lacking[0].upper()}= is about a network of yours; give MODEL= too")
    return Network(
        model=model,
        modules=str(Path.cwd()),
        prepare=given["prepare"],
        train=given["train"],
        base=str(Path(given["base"]).resolve()) if given["base"] else "",
        scale=given["scale"],
        mean=given["mean"],
        std=given["std"],
        head=given["head"],
        prunable=given["prunable"],
    )


def _weights(network: Network, weights: str) -> Path | None:
    """Where trained weights lie: as given, or in the folder of transformers."""
    if weights and not network.model:
        raise UserError("WEIGHTS= needs MODEL=, which says what network they are of")
    if weights:
        return Path(weights).resolve()
    return Path(network.model) if networks.is_folder(network) and not network.base else None


def _described(
    folder: Path,
    data: Path,
    found: Found,
    network: Network,
    all_mine: bool,
    given: dict[str, Any],
    device: torch.device,
) -> Description:
    """All that is found out, said and checked before anything is written or trained."""
    print(f"{data}: {len(found.labels)} {found.said}; {len(found.classes)} classes: {_counts(found)}", flush=True)
    if network.model:
        network = inspecting.coloured(network, found)
    about = Description(_name(folder, data), found.kind, _plain(data.stem), network, all_mine)
    made = domain.made(about, lambda _name: domain.dataset(about, found.classes, found.inputs, found.labels))
    if network.model:
        weights = given["weights"]
        said = inspecting.described(made, found, weights, device)
        print(f"network {network.model}: {said}", flush=True)
        if network.colour:
            print("it takes colour: grey images are given to it as three equal channels", flush=True)
        if weights:
            right = inspecting.check_weights(network, found, weights, given["asked_for"], device)
            print(f"weights {weights}: {right}", flush=True)
        if network.base:
            print(inspecting.started(network, found), flush=True)
    elif network.train:
        networks.function(network.modules, network.train, "TRAIN")
    return about


def _counts(found: Found) -> str:
    counts = torch.bincount(found.labels, minlength=len(found.classes)).tolist()
    said = [f"{name} {count}" for name, count in zip(found.classes, counts, strict=True)]
    return ", ".join(said) if len(said) <= 10 else ", ".join([*said[:9], f"... {said[-1]}"])


def _plain(text: str) -> str:
    return re.sub(r"[^\w-]+", "_", text).strip("_")[:40] or "data"


def _name(folder: Path, data: Path) -> str:
    """The domain's: what was protected in that folder before, or the data's with the folder's place in a few digits."""
    if (folder / description.FILE).is_file():
        return description.read(folder).name
    if (folder / description.DOMAIN).exists():
        raise UserError(f"{folder} holds a domain.py that protect.py did not write; give PROTECTED=another folder")
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    return f"{_plain(data.stem)}-{place}"


def _kept(folder: Path, about: Description, found: Found, given: dict[str, Any]) -> tuple[Description, Study]:
    """The description and the data in the owner's folder, and the study of them."""
    domain.keep(folder, found)
    description.write(folder, about)
    for cache in (loading.dataset, loading.parts, loading.sha256):
        cache.cache_clear()
    study = _study(folder, given)
    _write_parts(study, found, folder)
    return about, study


def _study(folder: Path, given: dict[str, Any]) -> Study:
    held = load_domain(str(folder))
    tier = given["tier"]
    shared: dict[str, Any] = {name.lower(): _of_tier(value, tier) for name, value in held.constants.items()}
    return Study(
        str(folder),
        held.data.datasets[tier],
        tier,
        device_name=given["device"],
        workers=given["workers"],
        force=given["force"],
        **shared,
    )


def _of_tier(value, tier: str):
    """A constant's value, where it may be a table by tier."""
    return value[tier] if isinstance(value, dict) else value


def _write_parts(study: Study, found: Found, folder: Path) -> None:
    """Which part each example came to, for who wants to train on the owner's alone."""
    places = {row: name for name, part in study.parts.items() for row in content_of(part.inputs)}
    parts = [places.get(row, "left out: it repeats another") for row in content_of(found.inputs)]
    names = [f'"{name}"' if "," in name or '"' in name else name for name in found.names]
    storage.write_text(folder / PARTS, "".join(f"{name},{part}\n" for name, part in zip(names, parts, strict=True)))


def _cut(study: Study, held: Description, folder: Path, weights: Path | None) -> str:
    """How the data are cut, and what that means for a model that was trained elsewhere."""
    sizes = ", ".join(f"{name} {len(part)}" for name, part in study.parts.items() if len(part))
    said = f"cut: {sizes} ({folder / PARTS} has each example's part)"
    if held.all_owned:
        said += "; no part plays the attacker, so how well attacks would be detected is not measured"
        if weights:
            said += "; mistakes on examples that the model has seen tell less, and its accuracy there is too high"
    elif weights:
        said += "; if the model has seen more of them than the owner's part, give ALL_MINE=True"
    return said


def _recipes(study: Study, held: Description, given: dict[str, Any]) -> Recipes:
    """Of the owner's network as given, else as its kind needs; of the house's as its steps have them."""
    tier, kind = study.tier, held.kind
    shared, of_source = module_of(kind), import_module(f"{kind}.source")

    def usual(module: ModuleType | None, name: str):
        return _of_tier(vars(module)[name], tier)

    rate = usual(of_source, "LEARNING_RATE")
    if held.network.model:
        rate = RATES["base" if held.network.base else "folder" if networks.is_folder(held.network) else "own"]
    own = study.recipe(given["epochs"] or usual(of_source, "EPOCHS"), given["learning_rate"] or rate)
    others = study.recipe(usual(shared, "EPOCHS"), usual(shared, "LEARNING_RATE"))
    return Recipes(own, others, usual(shared, "EPSILON"), usual(shared, "PGD_STEPS"))


def _adopted(folder: Path) -> list[Path]:
    """Files of twins that were trained elsewhere."""
    found = [path.resolve() for path in storage.visible(folder) if path.suffix == ".safetensors"]
    if not found:
        raise UserError(f"TWINS={folder} holds no safetensors files; put one there for each twin, or leave TWINS= out")
    return found


def _adopt(paths: list[Path], study: Study, job: Job) -> Training:
    return stealing.adopted(paths[job.model.copy], study, job)


def _twin_jobs(study: Study, recipes: Recipes, chosen: plan.Plan, adopted: list[Path]) -> list[Job]:
    jobs = plan.twin_jobs(study, recipes, plan.Plan(len(adopted), 0, 0) if adopted else chosen)
    if not adopted:
        return jobs
    digests = [storage.digest(foreign.read(path)) for path in adopted]
    return [Job(job.model, job.recipe, {"weights_sha256": digest}) for job, digest in zip(jobs, digests, strict=True)]


def _train_twins(study: Study, jobs: list[Job], adopted: list[Path]) -> None:
    build.train(study, "twins", jobs, partial(_adopt, adopted) if adopted else None)


def _piloted(
    study: Study, recipes: Recipes, held: Description, folder: Path, adopted: list[Path], elsewhere: bool
) -> Job:
    """The first twin, kept and timed; one that is not near the source limits verdicts, and says so."""
    jobs = _twin_jobs(study, recipes, plan.Plan(1, 0, 0), adopted)
    _train_twins(study, jobs, adopted)
    source, of_source = _held_out(study, study.source_id)
    twins = [_held_out(study, job.model)[0] for job in jobs]
    furthest = max(twins, key=lambda twin: abs(twin - source))
    limit = ""
    if elsewhere and not held.network.train and abs(furthest - source) > NEAR:
        limit = (
            f"a twin is right on {furthest:.3f} of {of_source} held-out examples and the source on {source:.3f}, not "
            f"within {round(100 * NEAR)} points, so the source was trained otherwise; give protect.py "
            "TRAIN=module:function, its own training, until when no verdict goes further"
        )
        print(f"Warning: {limit}.", flush=True)
    description.limited(folder, limit)
    return jobs[0]


def _held_out(study: Study, model) -> tuple[float, int]:
    """The share of dev and test that a model gets right, and how many these are."""
    about = trained.metadata_of(study, model)
    total = about["n_dev"] + about["n_test"]
    return (about["dev_accuracy"] * about["n_dev"] + about["test_accuracy"] * about["n_test"]) / total, total


def _price(study: Study, recipes: Recipes, chosen: plan.Plan, seconds, asked: int, controls: int) -> str:
    jobs = plan.jobs_of(study, recipes, chosen)
    left = [job for job in jobs if study.force or not job.model.path.is_file()]
    calibrating = len(plan.calibration_jobs(study, recipes, chosen))
    return (
        f"plan: {plan.said(study, jobs)}, {len(jobs)} models, {len(left)} still to train in about "
        f"{duration(plan.wall(study, left, seconds))}; verdicts reach ALPHA={1 / (1 + calibrating):.3f} by ranks among "
        f"independent models, 0.01 by a normal tail; a suspect is asked {asked + controls} queries"
    )


def _trained(study: Study, recipes: Recipes, chosen: plan.Plan, adopted: list[Path]) -> None:
    _train_twins(study, _twin_jobs(study, recipes, chosen, adopted), adopted)
    build.train(study, "calibration", plan.calibration_jobs(study, recipes, chosen))
    if chosen.pairs:
        build.train(study, "pairs", plan.pair_jobs(study, recipes, chosen))
