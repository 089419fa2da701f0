"""The types of models of DeepCore's Table I, and what its Tables II, III and V count: by point and by model."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from fingerprinting.deepcore.clustering import ALGORITHMS
from fingerprinting.deepcore.core_responses import CoreResponses
from fingerprinting.fingerprints.representations import own_class


@dataclass(frozen=True)
class ModelType:
    """kinds: of whose models it is. same: whether they have the source's architecture; None: their kind says it."""

    kinds: tuple[str, ...]
    same: bool | None = None


INDEPENDENTS = ("overlap", "homologous")  # from none of the owner's data to all of them
TYPES = {  # in the order of Table I
    "HM_SA": ModelType(INDEPENDENTS, same=True),
    "HM_DA": ModelType(INDEPENDENTS, same=False),
    "PM_P": ModelType(("prune",)),
    "PM_FL": ModelType(("fine_tune_last",)),
    "PM_FA": ModelType(("fine_tune_all",)),
    "PM_Adv": ModelType(("adversarial",)),
    "EM_SA_L": ModelType(("extract_labels_same",)),
    "EM_DA_L": ModelType(("extract_labels",)),
    "EM_SA_Pr": ModelType(("extract_probabilities_same",)),
    "EM_DA_Pr": ModelType(("extract_probabilities",)),
}
HOMOLOGOUS, MODIFIED, EXTRACTED = "HM", "PM", "EM"
GROUPS = (MODIFIED, EXTRACTED, HOMOLOGOUS)  # in the order of Table V


def type_of(kind: str, architecture: str, source_architecture: str) -> str | None:
    """The type of a model, by its kind and architecture; None for a model that the paper has no type for."""
    same = architecture == source_architecture
    found = (name for name, about in TYPES.items() if kind in about.kinds and about.same in (None, same))
    return next(found, None)


def group_of(model_type: str) -> str:
    """HM, PM or EM: what the types' names begin with."""
    return model_type.split("_")[0]


def typed(core: CoreResponses) -> dict[str, str]:
    """Model's name -> its type, in the order of Table I."""
    source, *models = (suspect.model for suspect in (*core.pool, *core.beside))
    found = {model.name: type_of(model.kind, model.architecture, source.architecture) for model in models}
    return {name: known for known in TYPES for name, own in found.items() if own == known}


def label_rows(core: CoreResponses) -> list[dict]:
    """A row per class and stage: radius and score of its point, and by how much models' scores lie below the source's.

    Of several points of a class, the mean.
    """
    types, metadata = typed(core), core.stages[-1].metadata
    groups = {
        "homologous": [name for name, own in types.items() if group_of(own) == HOMOLOGOUS],
        "stolen": [name for name, own in types.items() if group_of(own) != HOMOLOGOUS],
        "modified": [name for name, own in types.items() if group_of(own) == MODIFIED],
        "extracted": [name for name, own in types.items() if group_of(own) == EXTRACTED],
    }
    source, targets = core.pool[0].model.name, core.stages[-1].truth
    rows = []
    for stage, length in enumerate(metadata["settings"]["lengths"]):
        moment = [moment for moment in metadata["trace"] if moment["step"] <= length][-1]
        score = _own_scores(core, [source], stage)[0]
        differences = {group: score - _own_scores(core, names, stage) for group, names in groups.items() if names}
        for label in targets.unique().tolist():
            own = targets == label
            row = {
                "key": f"{length}/{label}",
                "steps": length,
                "label": label,
                "points": int(own.sum()),
                "radius": torch.tensor(moment["radius"], dtype=torch.double)[own].mean().item(),
                "confidence": torch.tensor(moment["confidence"], dtype=torch.double)[own].mean().item(),
                "score": score[own].mean().item(),
            }
            for group, found in differences.items():
                values = found[:, own].mean(1)
                row |= {
                    f"{group}_n": len(values),
                    group: values.mean().item(),
                    f"{group}_std": values.std(correction=0).item(),
                }
            rows.append(row)
    return rows


def type_rows(core: CoreResponses, clusters: int) -> list[dict]:
    """A row per model of a type: its mean score at the points before and after training, and its cluster by each way.

    The source and all models with a type are clustered together, as the paper does.
    """
    types = typed(core)
    if not types:
        return []
    source, architecture = (
        core.pool[0].model.name,
        {s.model.name: s.model.architecture for s in core.beside + core.pool},
    )
    names = [source, *types]
    features = np.array([core.responses[name][-1].flatten().double().numpy() for name in names])
    numbers = {name: cluster(features, clusters) for name, cluster in ALGORITHMS.items() if len(names) > clusters}
    scores = {place: _own_scores(core, names, stage).mean(1) for place, stage in (("first", 0), ("last", -1))}
    return [
        {
            "key": name,
            "type": types.get(name, "source"),
            "architecture": architecture[name],
            **{f"score_{place}": found[number].item() for place, found in scores.items()},
            "clusters": {algorithm: int(found[number]) for algorithm, found in numbers.items()},
        }
        for number, name in enumerate(names)
    ]


def _own_scores(core: CoreResponses, names: Iterable[str], stage: int) -> torch.Tensor:
    """(models, n): each model's logit of each point's own class."""
    fingerprint = core.stages[stage]
    return torch.stack([own_class(core.responses[name][stage], fingerprint) for name in names])
