"""How each kind of model is trained: by whom, from what, on which part, towards which loss."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from fingerprinting.core import runtime
from fingerprinting.data.datasets import Examples, physical
from fingerprinting.models import responses
from fingerprinting.models.kinds import EXTRACTED, KINDS, MODIFIED, Job, Kind, Training, seed_name
from fingerprinting.models.subsets import drawn, examples_of, owners_share
from fingerprinting.models.trained import open_model, weights_sha256
from fingerprinting.study import checkpoints, trace
from fingerprinting.study.study import Study
from fingerprinting.study.weights import begun, filled
from fingerprinting.training import objectives, pruning, quantising
from fingerprinting.training.trainer import Objective


def fresh(study: Study, job: Job) -> nn.Module:
    """Initial weights by the model's name alone: other models that were opened before have drawn too.

    An architecture that has a base starts from it, with what the base lacks, such as a head, at random.
    """
    runtime.seed_everything(seed_name(job.model))
    model = checkpoints.build(study.domain, job.model.architecture, len(study.classes), study.shape)
    base = study.domain.architecture(job.model.architecture).base
    return begun(model, base)[0] if base else model


def part_of(study: Study, job: Job) -> Examples:
    """The attacker's examples, of another data set too, or a share; stolen reference models have the owner's parts."""
    part = job.options.get("part", "attacker")
    if "inputs_of" in job.options:
        return study.target_parts[part]
    if "mixed" in job.options:
        return _mixed(study, study.parts[part])
    if "share" in job.options:
        return drawn(study, part, job.options["share"], job.options.get("draw", ""))
    return examples_of(study, part)


def _mixed(study: Study, part: Examples) -> Examples:
    """Pieces of two inputs in one, as many as there are inputs: from no distribution that a data set has."""
    assert study.domain.inputs.mix is not None  # who promises such models has looked
    draw = runtime.generator(f"mixed/{study.folder}/{study.split_seed}")
    inputs, other = physical(part.inputs), physical(part.inputs[torch.randperm(len(part), generator=draw)])
    return Examples(study.domain.inputs.mix(inputs, other, draw), part.targets)


def independent(study: Study, job: Job) -> Training:
    """True labels: the source on the owner's part, independents on the attacker's or on an overlap with the owner's."""
    overlap = job.options.get("overlap")
    part = part_of(study, job) if overlap is None else owners_share(study, overlap)
    return Training(fresh(study, job), part)


def adopted(weights: Path, study: Study, job: Job) -> Training:
    """A model that the owner has trained elsewhere."""
    return Training(filled(fresh(study, job), weights), None)


def independent_adversarial(study: Study, job: Job) -> Training:
    training = independent(study, job)
    return Training(training.model, training.part, _adversarial(study, job))


def fine_tune_last(study: Study, job: Job) -> Training:
    """Stolen weights, only the head is trained."""
    stolen = open_model(study, job.made_from)
    stolen.requires_grad_(False)
    stolen.get_submodule(_head(study, job, stolen)).requires_grad_(True)
    return Training(stolen, part_of(study, job))


def fine_tune_all(study: Study, job: Job) -> Training:
    """Stolen weights, every layer is trained."""
    return Training(open_model(study, job.made_from), part_of(study, job))


def prune(study: Study, job: Job) -> Training:
    """Stolen weights; the least active units of the last features are masked, the rest is repaired."""
    stolen, part = open_model(study, job.made_from), part_of(study, job)
    paths = trace.prunable(study.domain, job.model.architecture, stolen, study.tried)
    rectified = study.domain.architecture(job.model.architecture).rectified
    # Parts may lie class by class, so not the first of them.
    draw = runtime.generator(f"activity/{seed_name(job.model)}")
    shown = part.inputs[torch.randperm(len(part), generator=draw)[: job.options["activity_examples"]]]
    units = pruning.activity(stolen, paths[-1], shown, study.device, rectified)
    zero = pruning.zeroing(paths, pruning.least_active(units, job.options["ratio"]))
    zero(stolen)
    return Training(stolen, part, after_step=zero)


def adversarial(study: Study, job: Job) -> Training:
    """Stolen weights, trained on against adversarial perturbations."""
    return Training(open_model(study, job.made_from), part_of(study, job), _adversarial(study, job))


def quantise_int8(study: Study, job: Job) -> Training:
    """Stolen weights on grids of 8 bits, and the inputs of layers too, by their range on some of the attacker's."""
    stolen, part = open_model(study, job.made_from), part_of(study, job)
    draw = runtime.generator(f"ranges/{seed_name(job.model)}")
    shown = part.inputs[torch.randperm(len(part), generator=draw)[: job.options["range_examples"]]]
    quantising.quantise(stolen, shown, study.device)
    return Training(stolen, None)


def removal(study: Study, job: Job) -> Training:
    """Stolen weights, trained away from what they were inside while the labels are kept."""
    stolen = open_model(study, job.made_from)
    weights = (job.options["feature_weight"], job.options["ranking_weight"])
    objective = objectives.removal(stolen, _head(study, job, stolen), *weights)
    return Training(open_model(study, job.made_from), part_of(study, job), objective)


def transfer(study: Study, job: Job) -> Training:
    """A parent's weights, a new head and task, every layer trained: a stolen or an independent model moved."""
    model = open_model(study, job.made_from)
    checkpoints.exchange_head(model, _head(study, job, model), len(study.target_classes))
    return Training(model, study.target_parts[job.options.get("part", "attacker")])


def extract_labels(study: Study, job: Job) -> Training:
    """A student of another architecture on the source's top-1 labels of the attacker's inputs."""
    return Training(fresh(study, job), part_of(study, job).relabelled(_responses(study, job).argmax(1)))


def extract_probabilities(study: Study, job: Job) -> Training:
    """A student distilled from the source's probabilities of the attacker's inputs."""
    part = part_of(study, job).relabelled(torch.softmax(_responses(study, job), 1))
    return Training(fresh(study, job), part, objectives.distillation(job.options["temperature"]))


def extract_adversarial(study: Study, job: Job) -> Training:
    """A student on the source's top-1 labels, of clean inputs and of adversarial perturbations against the student."""
    training = extract_labels(study, job)
    return Training(training.model, training.part, _adversarial(study, job))


def _head(study: Study, job: Job, model: nn.Module) -> str:
    return trace.head(study.domain, job.model.architecture, model, study.tried)


def _responses(study: Study, job: Job) -> torch.Tensor:
    """What the source says (N, C) to the attacker's inputs: all that an extractor gets to see."""
    source = job.made_from
    inputs = part_of(study, job).inputs
    return responses.ask(study, inputs, weights_sha256(study, source), lambda: open_model(study, source))


def _adversarial(study: Study, job: Job) -> Objective:
    inputs = study.domain.inputs
    return objectives.adversarial(
        inputs.continuous, inputs.input_range, job.options["epsilon"], job.options["pgd_steps"]
    )


KINDS |= {
    "source": Kind("source", "source", independent),
    "fine_tune_last": Kind("pirated", "fine_tune", fine_tune_last, origin=MODIFIED),
    "fine_tune_all": Kind("pirated", "fine_tune", fine_tune_all, origin=MODIFIED),
    "prune": Kind("pirated", "prune", prune, origin=MODIFIED, prunes=True),
    "adversarial": Kind("pirated", "adversarial", adversarial, origin=MODIFIED),
    "extract_labels": Kind("pirated", "extract", extract_labels, origin=EXTRACTED),
    "extract_probabilities": Kind("pirated", "extract", extract_probabilities, origin=EXTRACTED),
    "extract_adversarial": Kind("pirated", "extract", extract_adversarial, origin=EXTRACTED),
    "transfer": Kind("pirated", "transfer", transfer, on_target=True, origin=MODIFIED),
    "irrelevant": Kind("independent", "irrelevant", independent),
    "irrelevant_adversarial": Kind("independent", "irrelevant", independent_adversarial),
    "irrelevant_transfer": Kind("independent", "transfer", transfer, on_target=True),
    "homologous": Kind("independent", "homologous", independent),
    "homologous_adversarial": Kind("independent", "homologous", independent_adversarial),
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
        if kind.role in roles and (use, name) != ("calibration", "irrelevant_transfer")
    }

KINDS |= {
    f"low_data_{name}": replace(kind, script="low_data_references", use="low_data", seed_name=f"third_{name}")
    for name, kind in SCORED.items()
    if kind.role != "source" and not kind.on_target
}
KINDS |= {
    "twin": Kind("independent", "twins", independent, use="twin"),
    "other_recipe_twin": Kind("independent", "twins", independent, use="sweep"),
    # Moved to another task by the owner, as an attacker would move the source.
    "source_transfer": Kind("pirated", "twins", transfer, on_target=True, use="transferred", origin=MODIFIED),
    "twin_transfer": Kind("independent", "twins", transfer, on_target=True, use="transferred"),
    "pair_independent": Kind("independent", "pairs", independent, use="pair"),
    # The partner's seeds, so that the two differ in origin alone.
    "pair_stolen": Kind("pirated", "pairs", extract_labels, use="pair", origin=EXTRACTED, seed_name="pair_independent"),
}
# Added when methods had been chosen: by labels of inputs from other distributions, and without any training.
KINDS |= {
    "extract_other_data": Kind("pirated", "unseen", extract_labels, use="unseen", origin=EXTRACTED),
    "extract_mixed": Kind("pirated", "unseen", extract_labels, use="unseen", origin=EXTRACTED),
    "quantise_int8": Kind("pirated", "unseen", quantise_int8, use="unseen", origin=MODIFIED),
}
# As DeepCore's authors extract, too: they hold what is extracted into another architecture apart.
KINDS |= {
    f"{name}_same": replace(KINDS[name], use="same_architecture")
    for name in ("extract_labels", "extract_probabilities")
}
KINDS["removal"] = Kind("pirated", "detect_erase_attack", removal, use="adaptive", origin=MODIFIED)
KINDS["overlap"] = Kind("independent", "overlap", independent, use="sweep")
KINDS["extract_sweep"] = Kind("pirated", "extract_sweep", extract_labels, use="sweep", origin=EXTRACTED)
