"""A source that nobody trained, and a fingerprint whose evidence is how many of its responses a suspect repeats."""

from collections.abc import Sequence

import torch

from fingerprinting.core import storage
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.models import trained
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict

QUERIES, CONTROLS = 6, 4
LEVELS = {"alpha": 0.1, "beta": 0.1, "tail": "conformal"}


def keep(
    study: Study,
    shift: float = 0.0,
    moved: bool = True,
    truth: Sequence[int] = range(CONTROLS),
    accurate: tuple[float, float] = (0.5, 1.0),
    source_labels: bool = False,
    queries: int = QUERIES,
) -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(queries, 10, generator=draw)
    pairs = queries * (queries - 1) // 2
    extra = {
        "centre": torch.zeros(queries),
        "coefficients": torch.ones(2, queries),
        "intercepts": torch.full((2,), shift),
        "honest": torch.linspace(0, queries / 2, 19),
        "thefts": torch.linspace(queries - 1, queries + 1, 19),
        "control_inputs": torch.rand(len(truth), 1, 8, 8, generator=draw),
        "control_truth": torch.tensor(list(truth)),
        "honest_ability": torch.linspace(*accurate, 19),
    }
    if moved:
        extra |= {
            "transfer_centre": torch.zeros(pairs),
            "transfer_coefficients": torch.ones(1, pairs),
            "transfer_intercepts": torch.zeros(1),
            "transfer_honest": torch.linspace(0, 3, 9),
            "transfer_thefts": torch.linspace(5, 7, 3),
        }
    inputs = torch.rand(queries, 1, 8, 8, generator=draw)
    if source_labels:
        logits = predict(trained.open_model(study, study.source_id), inputs, study.device)
    labels = logits.argmax(1)
    metadata = {
        "domain": "cv",
        "classes": 10,
        "source_sha256": storage.read_metadata(study.source_id.path)["sha256"],
        "settings": {},
    }
    found = Fingerprint(inputs, labels, labels.clone(), torch.full((queries,), -1), logits, metadata, extra)
    store.save(store.path_of(study, "calibrated"), found)


def opened(study: Study) -> Fingerprint:
    return store.load(study, "calibrated", storage.read_metadata(study.source_id.path)["sha256"])
