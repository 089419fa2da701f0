"""Every kind of model in the zoo: who trains it, from what, on which part, towards which loss."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from fingerprinting import answers, checkpoints, files, objectives, pruning, runtime
from fingerprinting.examples import Examples
from fingerprinting.runtime import UserError
from fingerprinting.shares import drawn, examples_of, owners_share
from fingerprinting.study import ModelId, Study
from fingerprinting.training import Objective, Recipe
from fingerprinting.weights import filled


@dataclass(frozen=True)
class Job:
    """One model to train: plain data, so that it can be hashed, recorded and sent to another process."""

    model: ModelId
    recipe: Recipe
    options: dict = field(default_factory=dict)
    parent: ModelId | None = None


@dataclass(frozen=True)
class Training:
    """What a kind of theft (or honesty) hands to the one training loop; `release` makes what is kept of the result.

    part: None where the model is taken as it is.
    """

    model: nn.Module
    part: Examples | None
    objective: Objective = objectives.cross_entropy
    after_step: Callable[[nn.Module], None] = lambda model: None
    release: Callable[[nn.Module], nn.Module] = lambda model: model


@dataclass(frozen=True)
class Kind:
    """role: source, pirated or independent. on_target: its task is the transfer target's, not the source's.

    use: what its models are for; no model serves two uses.
    `scored`: the zoo that every table is about.
    `reference`: the owner's own, to make queries, to weigh answers and to set thresholds with.
    `calibration`: the owner's own independents that chose and weighed nothing: how far honest models go.
    `audit`: further independents, on which false accusations are counted.
    `adaptive`: a theft that answers to fingerprinting itself: made and judged by its own script, and in no mean.
    `sweep`: trained to see how a score changes along one quantity; reported beside, never in a mean nor a negative.
    `third`: as those for reference, on a third of the data: what an owner with less to spare could train.
    """

    role: str
    script: str
    prepare: Callable[[Study, Job], Training]
    on_target: bool = False
    use: str = "scored"


def open_model(study: Study, model: ModelId) -> nn.Module:
    """A finished model of the zoo, on the study's device."""
    require(study, model)
    return runtime.place(checkpoints.load(study.domain, model.path)[0], study.device)


def metadata_of(study: Study, model: ModelId) -> dict:
    """What its file says."""
    require(study, model)
    return files.read_metadata(model.path)


def weights_sha256(study: Study, model: ModelId) -> str:
    return metadata_of(study, model)["sha256"]


def require(study: Study, model: ModelId) -> None:
    if not model.path.is_file():
        raise UserError(f"model {model.name} is missing; run {study.command(KINDS[model.kind].script)}")


def fresh(study: Study, job: Job) -> nn.Module:
    """Initial weights by the model's name alone: opening other models before, or finding their answers kept, draws."""
    runtime.seed_everything(job.model.name)
    return checkpoints.build(study.domain, job.model.architecture, len(study.classes), study.shape)


def part_of(study: Study, job: Job) -> Examples:
    """The thief's examples, or a share of them; the owner's own thefts, made for reference, use the owner's parts."""
    part = job.options.get("part", "attacker")
    if "share" in job.options:
        return drawn(study, part, job.options["share"], job.options.get("draw", ""))
    return examples_of(study, part)


def honest(study: Study, job: Job) -> Training:
    """True labels: the source on the owner's part, independents on the attacker's or on an overlap with the owner's."""
    overlap = job.options.get("overlap")
    part = part_of(study, job) if overlap is None else owners_share(study, overlap)
    return Training(fresh(study, job), part)


def adopted(weights: Path, study: Study, job: Job) -> Training:
    """A model that the owner has trained elsewhere."""
    return Training(filled(fresh(study, job), weights), None)


def honest_adversarial(study: Study, job: Job) -> Training:
    training = honest(study, job)
    return Training(training.model, training.part, _adversarial(study, job))


def fine_tune_last(study: Study, job: Job) -> Training:
    """Stolen weights, only the head is trained."""
    stolen = open_model(study, job.parent)
    stolen.requires_grad_(False)
    stolen.get_submodule(study.domain.architecture(job.model.architecture).head).requires_grad_(True)
    return Training(stolen, part_of(study, job))


def fine_tune_all(study: Study, job: Job) -> Training:
    """Stolen weights, every layer is trained."""
    return Training(open_model(study, job.parent), part_of(study, job))


def prune(study: Study, job: Job) -> Training:
    """Stolen weights; the least active units of the last features are masked, the rest is repaired."""
    stolen, part = open_model(study, job.parent), part_of(study, job)
    architecture = study.domain.architecture(job.model.architecture)
    paths = architecture.prunable
    draw = runtime.generator(f"activity/{job.model.name}")  # parts may lie class by class, so not the first of them
    shown = part.inputs[torch.randperm(len(part), generator=draw)[: job.options["activity_examples"]]]
    units = pruning.activity(stolen, paths[-1], shown, study.device, architecture.rectified)
    zero = pruning.zeroing(paths, pruning.least_active(units, job.options["ratio"]))
    zero(stolen)
    return Training(stolen, part, after_step=zero)


def adversarial(study: Study, job: Job) -> Training:
    """Stolen weights, trained on against adversarial perturbations."""
    return Training(open_model(study, job.parent), part_of(study, job), _adversarial(study, job))


def removal(study: Study, job: Job) -> Training:
    """Stolen weights, trained away from what they were inside while the labels are kept."""
    stolen, head = open_model(study, job.parent), study.domain.architecture(job.model.architecture).head
    weights = (job.options["feature_weight"], job.options["ranking_weight"])
    return Training(open_model(study, job.parent), part_of(study, job), objectives.removal(stolen, head, *weights))


def transfer(study: Study, job: Job) -> Training:
    """A parent's weights, a new head and task, every layer trained: theft of the source, or an honest model's reuse."""
    model = open_model(study, job.parent)
    checkpoints.exchange_head(model, study.domain.architecture(job.model.architecture).head, len(study.target_classes))
    return Training(model, study.target_parts[job.options.get("part", "attacker")])


def extract_labels(study: Study, job: Job) -> Training:
    """A student of another design on the source's top-1 labels of the attacker's inputs."""
    return Training(fresh(study, job), part_of(study, job).relabelled(_answers(study, job).argmax(1)))


def extract_probabilities(study: Study, job: Job) -> Training:
    """A student distilled from the source's probabilities of the attacker's inputs."""
    part = part_of(study, job).relabelled(torch.softmax(_answers(study, job), 1))
    return Training(fresh(study, job), part, objectives.distillation(job.options["temperature"]))


def extract_adversarial(study: Study, job: Job) -> Training:
    """A student on the source's top-1 labels, of clean inputs and of adversarial perturbations against the student."""
    training = extract_labels(study, job)
    return Training(training.model, training.part, _adversarial(study, job))


def _answers(study: Study, job: Job) -> torch.Tensor:
    """What the source says (N, C) to the thief's inputs: all that an extractor gets to see."""
    source = job.parent
    inputs = part_of(study, job).inputs
    return answers.ask(study, inputs, weights_sha256(study, source), lambda: open_model(study, source))


def _adversarial(study: Study, job: Job) -> Objective:
    return objectives.adversarial(study.domain, job.options["epsilon"], job.options["pgd_steps"])


KINDS = {
    "source": Kind("source", "source", honest),
    "fine_tune_last": Kind("pirated", "fine_tune", fine_tune_last),
    "fine_tune_all": Kind("pirated", "fine_tune", fine_tune_all),
    "prune": Kind("pirated", "prune", prune),
    "adversarial": Kind("pirated", "adversarial", adversarial),
    "extract_labels": Kind("pirated", "extract", extract_labels),
    "extract_probabilities": Kind("pirated", "extract", extract_probabilities),
    "extract_adversarial": Kind("pirated", "extract", extract_adversarial),
    "transfer": Kind("pirated", "transfer", transfer, on_target=True),
    "irrelevant": Kind("independent", "irrelevant", honest),
    "irrelevant_adversarial": Kind("independent", "irrelevant", honest_adversarial),
    "irrelevant_transfer": Kind("independent", "transfer", transfer, on_target=True),
    "homologous": Kind("independent", "homologous", honest),
    "homologous_adversarial": Kind("independent", "homologous", honest_adversarial),
    "homologous_transfer": Kind("independent", "transfer", transfer, on_target=True),
}

# The same kinds from other seeds. Those for reference and calibration are the owner's, on the reference part and on the
# owner's, so that no model that is scored has seen what they have seen.
SCORED = dict(KINDS)
for use, script, roles in (
    ("reference", "references", ("independent", "pirated")),
    ("calibration", "calibration", ("independent",)),
    ("audit", "audit", ("independent",)),
):
    KINDS |= {
        f"{use}_{name}": replace(kind, script=script, use=use)
        for name, kind in SCORED.items()
        if kind.role in roles and (use != "calibration" or name.startswith("homologous"))
    }

KINDS |= {
    f"third_{name}": replace(kind, script="thirds", use="third")
    for name, kind in SCORED.items()
    if kind.role != "source" and not kind.on_target
}
KINDS["removal"] = Kind("pirated", "detect_erase_attack", removal, use="adaptive")
KINDS["overlap"] = Kind("independent", "overlap", honest, use="sweep")
KINDS["extract_sweep"] = Kind("pirated", "extract_sweep", extract_labels, use="sweep")
