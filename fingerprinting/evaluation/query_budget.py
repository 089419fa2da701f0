"""The extraction sweep: how much an attacker must ask of the source before a method sees the student."""

import numpy as np

from fingerprinting.core import runtime, statistics
from fingerprinting.fingerprints.registry import Method
from fingerprinting.models.suspects import NEGATIVES, Suspect
from fingerprinting.study.study import Study


def rows(
    study: Study,
    methods: list[Method],
    pool: list[Suspect],
    swept: list[Suspect],
    scores: dict[str, dict[str, float]],
    agreement: dict[str, float | None],
) -> list[dict]:
    """One row per method and student of the sweep: how much was asked, what it learnt, and how it stands out.

    `beats` is the share of the independents of the same task that lie farther from the source than the student (ties
    count half): the AUC of that student alone, so a mean over students is the AUC of them all.
    """
    independent_names = [suspect.model.name for suspect in pool if suspect.model.kind in NEGATIVES["all"]]
    students = [suspect for suspect in swept if suspect.model.kind == "extract_sweep"]
    found = []
    for method in methods:
        distances = scores[method.key]
        independent = np.array([distances[name] for name in independent_names])
        for student in students:
            name, metadata = student.model.name, student.metadata
            found.append(
                {
                    "key": f"{method.key}/{name}",
                    **study.columns,
                    **method.columns,
                    "share": metadata["settings"]["options"]["share"],
                    "asked": metadata["examples"],
                    "architecture": student.model.architecture,
                    "copy": student.model.copy,
                    "test_accuracy": metadata["test_accuracy"],
                    "fidelity": agreement[name],
                    "distance": distances[name],
                    "n_independent": len(independent),
                    "beats": statistics.auc(np.array([distances[name]]), independent),
                    "provenance": runtime.provenance(study.device),
                }
            )
    return found
