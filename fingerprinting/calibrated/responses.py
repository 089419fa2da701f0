"""What the owner's models respond, as the calibrated fingerprint of every size reads them."""

from collections.abc import Iterable

import numpy as np
import torch

from fingerprinting.calibrated.contents import Controls
from fingerprinting.core import storage
from fingerprinting.data.datasets import physical
from fingerprinting.fingerprints.owner import Owner
from fingerprinting.models import suspects
from fingerprinting.models.kinds import seed_name
from fingerprinting.models.suspects import Suspect
from fingerprinting.study.study import Study


def of_task(models: list[Suspect], *, on_target: bool) -> list[Suspect]:
    return [model for model in models if model.kind.on_target == on_target]


def labels_of(study: Study, models: list[Suspect], inputs: torch.Tensor) -> np.ndarray:
    """Top-1 labels (models, n)."""
    return np.stack([logits.argmax(1).numpy() for logits in suspects.ask_all(study, models, inputs)])


def bits_of(study: Study, models: list[Suspect], inputs: torch.Tensor) -> np.ndarray:
    """Whether each model responds as the source does (models, n)."""
    source = labels_of(study, [suspects.source_of(study)], inputs)
    return (labels_of(study, models, inputs) == source).astype(float)


def made_of(used: Iterable[Suspect]) -> dict[str, str]:
    """A digest of the models that are there now; a fingerprint keeps that of those that it was made of."""
    return {"models_sha256": storage.key_of({seed_name(model.model): model.metadata["sha256"] for model in used})}


def controls_of(owner: Owner, chosen: np.ndarray, judges: list[Suspect]) -> Controls:
    """The examples of dev with these indices (c,) as control queries, with each judge's accuracy on them."""
    asked = torch.from_numpy(chosen)
    inputs, right = physical(owner.dev.inputs[asked]), owner.dev.targets[asked]
    accuracy = (labels_of(owner.study, judges, inputs) == right.numpy()).mean(1)
    return Controls(inputs, right, torch.from_numpy(accuracy))
