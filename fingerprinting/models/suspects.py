"""The models that are judged: every one that the steps promised, with what is known of it and its responses."""

from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import nn

from fingerprinting.core import runtime
from fingerprinting.core.runtime import UserError
from fingerprinting.models import build, responses, trained
from fingerprinting.models.kinds import KINDS, Kind
from fingerprinting.study.study import ModelId, Study

ACCURACY_COST = 0.10  # a stolen model that lost more test accuracy than this is flagged: no copy worth detecting
TRANSFERRED = "_transfer"  # an independent kind transferred to the target: the negatives of a transfer

# Groups of independent models, reported separately and together.
NEGATIVES = {
    "irrelevant": ("irrelevant",),
    "homologous": ("homologous",),
    "adversarial": ("irrelevant_adversarial", "homologous_adversarial"),
    "all": ("irrelevant", "homologous", "irrelevant_adversarial", "homologous_adversarial"),
}

# Uses of models that stand in no mean.
BESIDE = ("reference", "calibration", "low_data", "twin", "transferred", "pair", "audit", "sweep", "unseen")

ATTACKS = [name for name, kind in KINDS.items() if kind.role == "pirated" and kind.use in ("scored", "adaptive")]
# The two means of the tables, and the attacks they are over by name: one that is added changes none of them.
SAME_TASK = (
    *("fine_tune_last", "fine_tune_all", "prune", "adversarial"),
    *("extract_labels", "extract_probabilities", "extract_adversarial"),
)
MEAN_SAME_TASK = "mean_same_task"
MEANS = {MEAN_SAME_TASK: SAME_TASK, "mean_all": (*SAME_TASK, "transfer")}


@dataclass(frozen=True)
class Suspect:
    """A model of a study and the metadata of its file."""

    model: ModelId
    metadata: dict

    @property
    def kind(self) -> Kind:
        return KINDS[self.model.kind]


def gather(study: Study) -> list[Suspect]:
    """Every model that is judged; a missing or outdated one is a user's mistake, never left out silently."""
    return [suspect for suspect in of_use(study, "scored") if suspect.model != study.source_id]


def of_use(study: Study, use: str) -> list[Suspect]:
    """Every model that is for that use (see `Kind`)."""
    return _for_use(use, _gather(study, _scripts(use)))


def references(study: Study) -> list[Suspect]:
    """Every model of the source's task that the owner trained for reference; none where that step was not run."""
    return [suspect for suspect in there(study, "reference") if not suspect.kind.on_target]


def low_data_references(study: Study) -> list[Suspect]:
    """Every reference model that saw a third of the data."""
    return of_use(study, "low_data")


def origin(model: Suspect) -> int:
    """Where a model's behaviour comes from, as far as traces differ."""
    return model.kind.origin


def rate(model: Suspect) -> float:
    """The learning rate that it was trained at."""
    return model.metadata["settings"]["recipe"]["learning_rate"]


def share(model: Suspect) -> float:
    """The share that it was trained on of what its maker had."""
    return model.metadata["settings"]["options"].get("share", 1.0)


def part(model: Suspect) -> str:
    """The part of the data that its maker has, and trained it on; the owner's where nothing else is said."""
    return model.metadata["settings"]["options"].get("part", "owner")


def full_data_extraction(model: Suspect) -> bool:
    """A student for reference that asked the source about all that the owner has, not the reference part or a draw."""
    options = model.metadata["settings"]["options"]
    return options.get("part") == "owner+reference" and "draw" not in options


def standard_strength(study: Study) -> list[Suspect]:
    """References without students that ask about all; of those from stolen weights the ones of the lowest rate."""
    models = references(study)
    rates: dict[str, float] = {}
    for model in models:
        rates[model.model.kind] = min(rate(model), rates.get(model.model.kind, float("inf")))
    return [model for model in models if rate(model) == rates[model.model.kind] and not full_data_extraction(model)]


def there(study: Study, use: str) -> list[Suspect]:
    """Those models for that use whose steps were run: what no other number depends on may be missing."""
    planned = build.planned(study)
    return _for_use(use, _gather(study, [script for script in _scripts(use) if script in planned]))


def finished(study: Study, use: str) -> list[Suspect]:
    """Those models for that use that are there and made from today's source: their step comes later than the matcher.

    It may have been stopped, or its models be older than the source; neither may keep the matcher from going on.
    """
    planned, source = build.planned(study), trained.weights_sha256(study, study.source_id)
    models = [model for script in _scripts(use) for model in planned.get(script, ()) if model.path.is_file()]
    found = [Suspect(model, trained.metadata_of(study, model)) for model in models]
    return _for_use(use, [suspect for suspect in found if suspect.metadata["settings"]["parent_sha256"] == source])


def _for_use(use: str, models: list[Suspect]) -> list[Suspect]:
    """A step may train models for several uses."""
    return [model for model in models if model.kind.use == use]


def beside(study: Study) -> list[Suspect]:
    """Every model that was trained for another use than to be judged, of the steps that were run."""
    return [suspect for use in BESIDE for suspect in there(study, use)]


def _scripts(use: str) -> list[str]:
    return list(dict.fromkeys(kind.script for kind in KINDS.values() if kind.use == use))


def _gather(study: Study, scripts: list[str]) -> list[Suspect]:
    planned = build.planned(study)
    for script in scripts:
        if script not in planned:
            raise UserError(f"the models of {study.command(script)} are missing; run it first")
    trained.require(study, study.source_id)
    found = []
    for script in scripts:
        models = planned[script]
        missing = [model for model in models if not model.path.is_file()]
        if missing:
            raise UserError(f"{len(missing)} of {len(models)} models of {study.command(script)} are missing; run it")
        found += [Suspect(model, trained.metadata_of(study, model)) for model in models]
    content = {suspect.model.name: suspect.metadata["sha256"] for suspect in found}
    content[study.source_id.name] = trained.weights_sha256(study, study.source_id)
    for suspect in found:
        settings = suspect.metadata["settings"]
        if content.get(settings["parent"], settings["parent_sha256"]) != settings["parent_sha256"]:
            command = study.command(suspect.kind.script)
            raise UserError(
                f"{suspect.model.name} was made from another {settings['parent']} than is there now; run {command}"
            )
    return found


def ask(study: Study, suspect: Suspect, inputs: torch.Tensor) -> torch.Tensor:
    """The suspect's logits (n, C') on inputs (n, ...), kept when it was asked."""
    content = suspect.metadata["sha256"]
    return responses.ask(study, inputs, content, partial(_opened, study, suspect.model, content))


def ask_all(study: Study, suspects: list[Suspect], inputs: torch.Tensor) -> list[torch.Tensor]:
    """Every suspect's logits (n, C') on the same inputs (n, ...)."""
    folder = responses.folder_of(study, inputs)

    def asked(suspect: Suspect) -> torch.Tensor:
        opened = partial(trained.open_model, study, suspect.model)
        return responses.ask(study, inputs, suspect.metadata["sha256"], opened, folder)

    return runtime.side_by_side(asked, suspects, study.at_a_time)


@lru_cache(maxsize=1)
def _opened(study: Study, model: ModelId, _sha256: str) -> nn.Module:
    """The last model asked is kept: it is usually asked about several fingerprints in turn."""
    return trained.open_model(study, model)


def negatives_of(group: str, on_target: bool) -> tuple[str, ...]:
    """The independent kinds that a stolen model is compared with; a transfer only with models moved the same way."""
    if not on_target:
        return NEGATIVES[group]
    return tuple(kind + TRANSFERRED for kind in NEGATIVES[group] if kind + TRANSFERRED in KINDS)


def fidelity(study: Study, suspect: Suspect, source_labels: torch.Tensor) -> float | None:
    """Agreement with the source's top-1 labels on test; None for models of another task."""
    if suspect.kind.on_target:
        return None
    return (ask(study, suspect, study.parts["test"].inputs).argmax(1) == source_labels).double().mean().item()


def degraded(suspects: list[Suspect], source_accuracy: float) -> set[str]:
    """Names of stolen models that lost too much accuracy: against the source, or transferred independent models."""
    independent = [s.metadata["test_accuracy"] for s in suspects if s.model.kind == "irrelevant" + TRANSFERRED]
    bars = {False: source_accuracy - ACCURACY_COST}
    if independent:
        bars[True] = sum(independent) / len(independent) - ACCURACY_COST
    return {
        suspect.model.name
        for suspect in suspects
        if suspect.kind.role == "pirated"
        and suspect.kind.on_target in bars
        and suspect.metadata["test_accuracy"] < bars[suspect.kind.on_target]
    }


def source_of(study: Study) -> Suspect:
    return Suspect(study.source_id, trained.metadata_of(study, study.source_id))


def described(study: Study, models: list[Suspect], judged: list[Suspect]) -> list[dict]:
    """The models' records with what a comparison with the source tells: fidelity and, of those judged, the flag."""
    source = source_of(study)
    labels = ask(study, source, study.parts["test"].inputs).argmax(1)
    marked = degraded(judged, source.metadata["test_accuracy"])
    return [
        {
            **build.record_of(model.metadata),
            "fidelity": fidelity(study, model, labels),
            "degraded": model.model.name in marked,
        }
        for model in models
    ]
