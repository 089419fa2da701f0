"""Top-1 labels of all models of a study on all candidates: scores can be computed again without training anything."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from fingerprinting.calibrated.responses import labels_of
from fingerprinting.calibrated.twins import margin_of
from fingerprinting.core import places, storage
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import physical
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.models import suspects
from fingerprinting.models.kinds import KINDS
from fingerprinting.models.mistakes import HELD_OUT
from fingerprinting.models.suspects import Suspect
from fingerprinting.study.study import Study

TRAINED, MIXED, ORDINARY = OTHERS = ("trained", "mixed", "ordinary")
# Held-out examples that the source or a twin gets wrong, training examples that the source gets wrong, pieces of two of
# them in one input, and any held-out examples.
CANDIDATES = (*HELD_OUT, *OTHERS)
DRAWN = 1_000  # of mixed mistakes and of ordinary examples
MOST_CLASSES = 256  # that a byte tells apart


@dataclass(frozen=True)
class Labels:
    """models (M,): names. labels (M, m): each model's, of candidates whose index into CANDIDATES is kind (m,).

    truth, margin (m,): labels, and the source's probability of its label less that of the next one. kinds,
    architecture, seconds, share, examples, accuracy (M,): of a model, its time of training, the share of its maker's
    data that it was trained on and how many examples these are, and its accuracy on test.
    """

    models: np.ndarray
    kinds: np.ndarray
    architecture: np.ndarray
    share: np.ndarray
    examples: np.ndarray
    seconds: np.ndarray
    accuracy: np.ndarray
    labels: np.ndarray
    kind: np.ndarray
    truth: np.ndarray
    margin: np.ndarray

    def of(self, *kinds: str) -> np.ndarray:
        """Labels (n, m) of the models of these kinds, in their order."""
        return self.labels[np.isin(self.kinds, kinds)]

    @property
    def source(self) -> np.ndarray:
        """Its labels (m,)."""
        return self.of("source")[0]

    def among(self, *kinds: str) -> np.ndarray:
        """Mask (m,) of the candidates of these kinds."""
        return np.isin(self.kind, [CANDIDATES.index(kind) for kind in kinds])


def path_of(study_folder: str) -> Path:
    return places.results_dir() / "records" / study_folder / "labels.npz"


def read(study_folder: str) -> Labels:
    """The labels that are kept of a study."""
    path = path_of(study_folder)
    try:
        with np.load(path, allow_pickle=False) as file:
            if lacking := [name for name in Labels.__dataclass_fields__ if name not in file.files]:
                raise UserError(f"{path} is older and lacks {', '.join(lacking)}; run python price.py with its models")
            return Labels(**{name: file[name] for name in Labels.__dataclass_fields__})
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run python price.py, which asks the models") from None
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error):
        raise UserError(f"{path} is damaged; restore it from git, or run python price.py with its models") from None


def record(study: Study) -> Labels:
    """Ask every model that is there all candidates, and keep what they say."""
    if len(study.classes) > MOST_CLASSES:
        raise UserError(f"labels are kept as bytes, and {study.dataset} has more than {MOST_CLASSES} classes")
    models = _there(study)
    twins = [model for model in models if model.model.kind == "twin"]
    queries, kind = candidates(Owner(study, "labels"), twins)
    asked = suspects.ask_all(study, models, queries.inputs)
    (source,) = (logits for model, logits in zip(models, asked, strict=True) if model.model == study.source_id)
    found = Labels(
        models=np.array([model.model.name for model in models]),
        kinds=np.array([model.model.kind for model in models]),
        architecture=np.array([model.model.architecture for model in models]),
        share=np.array([suspects.share(model) for model in models]),
        examples=np.array([model.metadata["examples"] for model in models]),
        seconds=np.array([model.metadata["seconds"] for model in models]),
        accuracy=np.array([model.metadata["test_accuracy"] for model in models]),
        labels=np.stack([logits.argmax(1).numpy() for logits in asked]).astype(np.uint8),
        kind=kind.astype(np.uint8),
        truth=queries.truth.numpy().astype(np.uint8),
        margin=margin_of(source).numpy().astype(np.float16),
    )
    with storage.atomic(path_of(study.folder)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **vars(found))
    return found


def candidates(owner: Owner, twins: list[Suspect]) -> tuple[Queries, np.ndarray]:
    """All candidates of a study, and the index (m,) into CANDIDATES of each."""
    study, found = owner.study, []
    for name in HELD_OUT:
        part = study.parts[name]
        labels = labels_of(study, [suspects.source_of(study), *twins], part.inputs)
        wrong = torch.from_numpy((labels != part.targets.numpy()).any(0)).nonzero().flatten()
        found.append((name, Queries(physical(part.inputs[wrong]), part.targets[wrong])))
    wrong = (owner.source_logits.argmax(1) != owner.part.targets).nonzero().flatten()
    found.append((TRAINED, Queries(owner.inputs(wrong), owner.part.targets[wrong])))
    if len(wrong) and study.domain.inputs.mix:
        draw = owner.generator(MIXED)
        first, second = (wrong[torch.randint(len(wrong), (DRAWN,), generator=draw)] for _ in range(2))
        mixed = owner.mixed(owner.inputs(first), owner.inputs(second), draw)
        found.append((MIXED, Queries(mixed, owner.part.targets[first])))
    drawn = torch.randperm(len(owner.dev), generator=owner.generator(ORDINARY))[:DRAWN]
    found.append((ORDINARY, Queries(physical(owner.dev.inputs[drawn]), owner.dev.targets[drawn])))
    kind = np.concatenate([np.full(len(queries.truth), CANDIDATES.index(name)) for name, queries in found])
    inputs, truth = (torch.cat([getattr(queries, part) for _, queries in found]) for part in ("inputs", "truth"))
    return Queries(inputs, truth), kind


def _there(study: Study) -> list[Suspect]:
    """Every model of a use whose steps were run."""
    return [model for use in dict.fromkeys(kind.use for kind in KINDS.values()) for model in suspects.there(study, use)]
