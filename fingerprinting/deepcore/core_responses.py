"""What the models of the source's task said to the core points, at each stage of their training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from fingerprinting.fingerprints import registry, store
from fingerprinting.fingerprints.distances import mean_absolute, total_absolute
from fingerprinting.fingerprints.owner import Owner
from fingerprinting.fingerprints.registry import Method
from fingerprinting.fingerprints.representations import cosines, own_class
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.models import suspects, trained
from fingerprinting.models.suspects import Suspect

SCORES = (
    Method("deepcore", "probabilities", cosines, mean_absolute),
    Method("deepcore", "logits", cosines, mean_absolute),
    Method("deepcore", "logits", own_class, total_absolute, judges="source"),
)
registry.add(*SCORES)

# What models are compared by at core points -> their kinds.
GROUPS = {
    "modified": ("fine_tune_last", "fine_tune_all", "prune", "adversarial"),
    "extracted": ("extract_labels", "extract_probabilities", "extract_adversarial"),
    "homologous": ("homologous",),
    "irrelevant": ("irrelevant",),
}


@dataclass(frozen=True)
class CoreResponses:
    """The models of the source's task and what they said (stages, n, C) to the points at each stage, the end last.

    beside: models that stand in no mean here and are of a type of the paper's.
    """

    pool: list[Suspect]
    references: list[Suspect]
    beside: list[Suspect]
    responses: dict[str, torch.Tensor]
    stages: list[Fingerprint]

    def distances(self, method: Method, models: list[Suspect], stage: int = -1) -> dict[str, float]:
        """Model's name -> score by one of DeepCore's."""
        return {s.model.name: method.score(self.responses[s.model.name][stage], self.stages[stage]) for s in models}

    def features(self, models: list[Suspect]) -> np.ndarray:
        """(models, n * C): each model's logits on all core points, one after the other."""
        return np.array([self.responses[suspect.model.name][-1].flatten().double().numpy() for suspect in models])

    def agreement(self, kinds: Sequence[str], stage: int = -1) -> torch.Tensor:
        """(models, n): does a model of these kinds label a point as the source does."""
        found = [self.responses[s.model.name][stage].argmax(1) for s in self.pool if s.model.kind in kinds]
        return (torch.stack(found) == self.stages[stage].labels).double()


def responses_at_core_points(owner: Owner) -> CoreResponses:
    study = owner.study
    fingerprint = store.load(study, "deepcore", trained.weights_sha256(study, study.source_id))
    inputs = torch.cat([fingerprint.extra["snapshots"], fingerprint.inputs[None]])
    shape, asked = inputs.shape[:2], inputs.flatten(0, 1)
    pool = [suspect for suspect in suspects.gather(study) if not suspect.kind.on_target]
    references = suspects.references(study)
    beside = [suspect for use in ("sweep", "same_architecture") for suspect in suspects.there(study, use)]
    source = suspects.source_of(study)
    models = [source, *pool, *references, *beside]
    responses = {
        suspect.model.name: logits.unflatten(0, shape)
        for suspect, logits in zip(models, suspects.ask_all(study, models, asked), strict=True)
    }
    said = responses[study.source_id.name]
    stages = [
        replace(fingerprint, inputs=points, source_logits=logits, labels=logits.argmax(1))
        for points, logits in zip(inputs, said, strict=True)
    ]
    return CoreResponses([source, *pool], references, beside, responses, stages)


def grouped(distances: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kind -> distances of its models, gathered by GROUPS; a kind of which none was trained is left out."""
    return {
        name: np.concatenate([distances[kind] for kind in kinds if kind in distances]) for name, kinds in GROUPS.items()
    }
