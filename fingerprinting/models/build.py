"""Training models: which ones a step promises, which are finished, and the rest in parallel processes."""

import contextlib
import hashlib
import inspect
import json
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from fingerprinting.core import runtime, storage
from fingerprinting.core.errors import UserError
from fingerprinting.engines import engine
from fingerprinting.models import elsewhere, progress, responses
from fingerprinting.models.kinds import KINDS, Job, Training, seed_name
from fingerprinting.models.trained import require, weights_sha256
from fingerprinting.study import aside, changes, checkpoints
from fingerprinting.study.domain import DOMAINS, Architecture
from fingerprinting.study.planned import PlannedStudy
from fingerprinting.study.records import Records
from fingerprinting.study.study import SKIPPED, ModelId, Study
from fingerprinting.study.weights import content
from fingerprinting.training import objectives
from fingerprinting.training.trainer import accuracy, fit, fit_by, taken_as_it_is

Prepare = Callable[[Study, Job], Training]
CHECKED: set[tuple] = set()  # networks that passed: reproduce.py runs every step in one process


def train(study: Study, step: str, jobs: Iterable[Job], prepare: Prepare | None = None) -> str | None:
    """Train the models that a step promises. Finished ones are skipped, killed runs resume, records are written.

    A model is finished when its file says that it was made with these very settings from this very parent. `prepare`
    takes the place of the kinds' own.
    """
    jobs = list(jobs)
    if not study.target and any(KINDS[job.model.kind].on_target for job in jobs):
        print(f"{study.dataset} has no transfer target, so no model of {step} is transferred to one", flush=True)
        jobs = [job for job in jobs if not KINDS[job.model.kind].on_target]
    if isinstance(study, PlannedStudy):
        study.steps[step] = jobs
        return SKIPPED
    promised = {job.model for job in jobs}
    for parent in {job.parent for job in jobs if job.parent} - promised:
        require(study, parent)
    _check_surroundings(study, jobs)
    first = [job for job in jobs if job.parent not in promised]
    then = [job for job in jobs if job.parent in promised]  # their parents are made by this very step
    records = Records.of(study, "models")
    rows = [row for row in records.rows() if row["key"] in {model.name for model in promised}]
    try:
        with aside.Exchange(_plan_path(study, step), [model.path for model in promised]):
            _write_plan(study, step, jobs)
            skipped = [_train_all(study, step, several, prepare) for several in (first, then) if several]
    except Exception:
        there = {model.name: storage.read_metadata(model.path) for model in promised if model.path.is_file()}
        records.put(row for row in rows if row["key"] in there and _is_of(row, there[row["key"]]))
        raise
    print(summary(study, step, [job.model for job in jobs]), flush=True)
    return SKIPPED if any(skipped) else None


def _train_all(study: Study, step: str, jobs: list[Job], prepare: Prepare | None) -> bool:
    """Train those of the jobs that are not finished; returns whether some were, or were begun before."""
    records = Records.of(study, "models")
    before = [_finished_or_waiting(study, job) for job in jobs]
    todo = [job for job, found in zip(jobs, before, strict=True) if not found]
    if len(todo) < len(jobs):
        print(f"{len(jobs) - len(todo)} of {len(jobs)} models are finished already", flush=True)
    outdated = [job for job in todo if job.model.path.is_file()]
    for reason, count in Counter(_why_again(study, job) for job in outdated).items():
        print(f"{count} {_models(count)} trained again: {reason}", flush=True)
    for job in outdated:  # should this run be stopped, they must not be judged in place of what it promised
        aside.put(job.model.path)
    known = {row["key"]: row for row in records.rows()}
    records.put(record_of(found) for found in before if found and not _is_of(known.get(found["name"]), found))
    begun = not study.force and any(_resume_path(study, job).is_file() for job in todo)
    finished = _one_by_one(study, todo, prepare)
    with progress.of_step(step, len(todo), "model") as advance:
        for metadata in finished:
            if "user_error" in metadata:
                finished.close()
                raise UserError(metadata["user_error"])
            records.put([record_of(metadata)])
            advance([metadata["name"]])
    return len(todo) < len(jobs) or begun


def _one_by_one(study: Study, jobs: list[Job], prepare: Prepare | None) -> Generator[dict, None, None]:
    """The metadata of each model when it is finished, wherever it is trained; closing it ends what still runs."""
    if study.machines.is_local:
        yield from engine.run(study.machines, partial(train_one, study, prepare=prepare), jobs, study.at_a_time)
        return
    if not jobs:
        return
    by_name = {job.model.name: job for job in jobs}
    with elsewhere.visit(study) as visit:
        trained = partial(elsewhere.train, visit, study, partial(_train_once, study, prepare=prepare))
        parcels = [elsewhere.parcel(study, job) for job in jobs]
        ended = engine.run(
            study.machines, trained, parcels, study.workers, study.artifacts / "slurm", lambda sent: sent.job.model.name
        )
        with contextlib.closing(ended):
            for found in ended:
                yield found if "user_error" in found else elsewhere.unpacked(by_name[found["name"]], found)


def _train_once(study: Study, job: Job, prepare: Prepare | None = None) -> dict:
    """As train_one, for an engine that gives a job to a second machine where the first one died with its result.

    What was there before this run was set aside, also under FORCE=True.
    """
    return _finished(study, job) or train_one(study, job, prepare)


def train_one(study: Study, job: Job, prepare: Prepare | None = None) -> dict:
    """Train one model and write its file; returns the file's metadata. Runs in a worker process."""
    threads = torch.get_num_threads()
    runtime.one_thread()
    try:
        return _train_one(study, job, prepare or KINDS[job.model.kind].prepare)
    except UserError as error:  # a traceback from another process would hide its one clear sentence
        return {"user_error": str(error)}
    finally:
        torch.set_num_threads(threads)  # with one worker this is the process of the steps that follow


def _train_one(study: Study, job: Job, prepare: Prepare) -> dict:
    kind, name, seed = KINDS[job.model.kind], job.model.name, seed_name(job.model)
    architecture = study.domain.architecture(job.model.architecture)
    runtime.seed_everything(seed)
    training = prepare(study, job)
    parts = study.target_parts if kind.on_target else study.parts
    resume = _resume_path(study, job)
    if study.force:
        resume.unlink(missing_ok=True)
    if training.part is None:
        fitted = taken_as_it_is(training.model, parts["dev"], study.device)
    elif architecture.train and training.objective is objectives.cross_entropy:
        with checkpoints.said(f"train= of {job.model.architecture!r} fails"):
            fitted = fit_by(architecture.train, training.model, training.part, parts["dev"], seed, study.device)
    else:
        fitted = fit(
            training.model,
            training.part,
            parts["dev"],
            training.objective,
            job.recipe,
            seed,
            study.device,
            training.after_step,
            study.domain.inputs.augment,
            resume,
            precision=study.precision,
        )
    model = training.release(training.model)
    content = storage.digest(model.state_dict())
    logits = responses.ask(study, parts["test"].inputs, content, lambda: model)
    metadata = {
        "name": name,
        "domain": study.domain.name,
        "kind": job.model.kind,
        "role": kind.role,
        "architecture": job.options.get("architecture", job.model.architecture),
        "copy": job.model.copy,
        "variant": job.model.variant,
        "task": _task(study, job),
        "classes": len(study.target_classes if kind.on_target else study.classes),
        "shape": list(study.shape),
        "examples": 0 if training.part is None else len(training.part),
        "dev_accuracy": fitted["dev_accuracy"],
        "test_accuracy": accuracy(logits, parts["test"].targets),
        "n_dev": len(parts["dev"]),
        "n_test": len(parts["test"]),
        "epochs": fitted["epoch"],
        "best_epoch": fitted["best_epoch"],
        "seconds": fitted["seconds"],
        "settings": _settings(study, job),
        "provenance": runtime.provenance(study.device),
    }
    checkpoints.save(job.model.path, model, metadata)
    resume.unlink(missing_ok=True)
    return storage.read_metadata(job.model.path)


def _check_surroundings(study: Study, jobs: list[Job]) -> None:
    """Data that is missing or damaged, or a device that is not there, is said before any process starts."""
    study.device  # noqa: B018 (reading is the check)
    on_target = {KINDS[job.model.kind].on_target for job in jobs}
    if False in on_target:
        study.parts  # noqa: B018
    if True in on_target:
        study.target_parts  # noqa: B018
    for name in dict.fromkeys(job.model.architecture for job in jobs):
        check(study, name)
        if True in on_target:
            checkpoints.check_moved(study.domain, name, len(study.classes), study.tried, study.device)
    for name in dict.fromkeys(job.model.architecture for job in jobs if KINDS[job.model.kind].prunes):
        checkpoints.check_pruned(study.domain, name, len(study.classes), study.tried)
    perturbed = [job.model.architecture for job in jobs if "epsilon" in job.options]
    for name in dict.fromkeys(perturbed if study.domain.name not in DOMAINS else ()):
        checkpoints.check_perturbed(study.domain, name, len(study.classes), study.tried, study.device)


def check(study: Study, architecture: str, weights: Path | None = None) -> None:
    """A network, also with weights from elsewhere, on two inputs of the study; once in a process where it passes."""
    domain, classes, tried = study.domain, len(study.classes), study.tried
    # Equal keys are networks and inputs of which the check would say the same.
    key = (domain.name, domain.architecture(architecture), classes, tried.shape, tried.dtype, study.device)
    if weights is None and key in CHECKED:
        return
    checkpoints.check(domain, architecture, classes, tried, study.device, weights)
    CHECKED.add(key)


def planned(study: Study) -> dict[str, list[ModelId]]:
    """Step -> the models that its last run promised."""
    if isinstance(study, PlannedStudy):
        return {step: [job.model for job in jobs] for step, jobs in study.steps.items()}
    return {plan.stem: _read_plan(plan) for plan in sorted((study.artifacts / "plans").glob("*.json"))}


def _read_plan(path: Path) -> list[ModelId]:
    try:
        return [ModelId(**model) for model in json.loads(path.read_text())]
    except (ValueError, TypeError):
        raise UserError(f"{path} is damaged; delete it and run its step again, which skips what is finished") from None


def _write_plan(study: Study, step: str, jobs: list[Job]) -> None:
    text = json.dumps([asdict(job.model) for job in jobs], indent=1)
    storage.write_text(_plan_path(study, step), text)


def _plan_path(study: Study, step: str) -> Path:
    return study.artifacts / "plans" / f"{step}.json"


def _settings(study: Study, job: Job) -> dict:
    """All that a model's weights depend on, besides the code."""
    return {
        "task": _task(study, job),
        "data_sha256": study.data_sha256(on_target=KINDS[job.model.kind].on_target),
        "recipe": asdict(job.recipe),
        "options": job.options,
        **study.numerics,
        "split_seed": study.split_seed,
        "pool_size": study.pool or study.domain.data.pool_size[study.tier],
        "parent": job.parent.name if job.parent else None,
        "parent_sha256": weights_sha256(study, job.parent) if job.parent else None,
        **_own_training(study.domain.architecture(job.model.architecture)),
    }


def _own_training(architecture: Architecture) -> dict[str, str]:
    """What a training starts from and follows, where that is its maker's own; nothing of all others."""
    found = {}
    if architecture.base:
        changed = architecture.base.stat().st_mtime if architecture.base.exists() else 0.0
        found["base_sha256"] = content(architecture.base, changed)
    if architecture.train:
        written = inspect.getsourcefile(architecture.train)
        code = Path(written).read_bytes() if written else repr(architecture.train).encode()
        found["train_sha256"] = hashlib.sha256(code).hexdigest()
    return found


def _resume_path(study: Study, job: Job) -> Path:
    return job.model.path.with_name(f"{job.model.path.stem}.{storage.key_of(_settings(study, job))[:12]}.resume")


def _task(study: Study, job: Job) -> str:
    return study.target if KINDS[job.model.kind].on_target else study.dataset


def _finished(study: Study, job: Job) -> dict | None:
    """The metadata of the model's file, if it was made with these very settings."""
    if not job.model.path.is_file():
        return None
    metadata = storage.read_metadata(job.model.path)
    return metadata if metadata["settings"] == json.loads(json.dumps(_settings(study, job))) else None


def lacking(study: Study, jobs: Iterable[Job]) -> list[Job]:
    """Those that `train` would train: what is not there, or was made with other settings."""
    return [
        job
        for job in jobs
        if study.force or not (_finished(study, job) or aside.waits(job.model.path, _settings(study, job)))
    ]


def _finished_or_waiting(study: Study, job: Job) -> dict | None:
    """The same, or that of one that had given way to another and is asked for again; None where all is done again."""
    if study.force:
        return None
    if found := _finished(study, job):
        return found
    settings = _settings(study, job)
    if job.model.path.is_file() and aside.waits(job.model.path, settings):
        aside.put(job.model.path)
    return _finished(study, job) if aside.back(job.model.path, settings) else None


def _why_again(study: Study, job: Job) -> str:
    before, now = aside.settings_of(job.model.path), _settings(study, job)
    return changes.said(before, now, force=study.force, otherwise="their files are of another version")


def _models(count: int) -> str:
    return "model is" if count == 1 else "models are"


def summary(study: Study, step: str, models: Iterable[ModelId]) -> str:
    """What a step has made, how good it is and where it lies, in one line."""
    made = [storage.read_metadata(model.path) for model in models]
    if not made:
        return f"{step}: no models"
    found = sorted(metadata["test_accuracy"] for metadata in made)
    good = f"{found[0]:.4f}" if found[0] == found[-1] else f"{found[0]:.4f} to {found[-1]:.4f}"
    tested = " or ".join(str(n) for n in sorted({metadata["n_test"] for metadata in made}))
    count = "1 model" if len(made) == 1 else f"{len(made)} models"
    return f"{step}: {count}, test accuracy {good} (n = {tested}); {study.artifacts / 'models'}"


def _is_of(row: dict | None, metadata: dict) -> bool:
    """Whether a row of the records is of the very model whose file says that."""
    return row is not None and all(row.get(part) == metadata[part] for part in ("sha256", "settings"))


def record_of(metadata: dict) -> dict:
    """A model's row in the records: its file's metadata, keyed by its name."""
    return {"key": metadata["name"], **{name: value for name, value in metadata.items() if name != "name"}}
