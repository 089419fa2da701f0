"""The overlap sweep (DeepCore): does a method flag independent models the more of the owner's data they have seen?"""

from collections import defaultdict

import numpy as np

from fingerprinting.core import runtime, statistics
from fingerprinting.fingerprints.registry import Method
from fingerprinting.models.suspects import Suspect
from fingerprinting.study.study import Study


def overlap_rows(
    study: Study,
    method: Method,
    swept: list[Suspect],
    distances: dict[str, float],
    references: list[Suspect],
    agreement: dict[str, float | None],
) -> list[dict]:
    """One row per architecture and share of the owner's data: mean distance, and how many of n models are flagged.

    The threshold is the one that tells the owner's own stolen models from its own independents best; without both, no
    rows.
    """
    known = [
        np.array([distances[suspect.model.name] for suspect in references if suspect.kind.role == role])
        for role in ("pirated", "independent")
    ]
    if not all(map(len, known)):
        return []
    threshold = statistics.threshold(*known)
    groups: dict[tuple[str, float], list[Suspect]] = defaultdict(list)
    for suspect in (suspect for suspect in swept if suspect.model.kind == "overlap"):
        groups[suspect.model.architecture, suspect.metadata["settings"]["options"]["overlap"]].append(suspect)
    rows = []
    for (architecture, overlap), models in groups.items():
        found = np.array([distances[suspect.model.name] for suspect in models])
        rows.append(
            {
                "key": f"{study.folder}/{method.key}/{architecture}/{overlap:g}",
                **study.columns,
                **method.columns,
                "relation": "same" if architecture == study.source_architecture else "other",
                "architecture": architecture,
                "overlap": overlap,
                "n": len(models),
                "distance": found.mean(),
                "threshold": threshold,
                "flagged": int((found <= threshold).sum()),
                "test_accuracy": np.mean([suspect.metadata["test_accuracy"] for suspect in models]),
                "fidelity": np.mean([agreement[suspect.model.name] for suspect in models]),
                "provenance": runtime.provenance(study.device),
            }
        )
    return rows
