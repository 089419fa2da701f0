"""The query-budget sweep of extraction: AUC by number of inputs on which the attacker queries the source."""

from collections import defaultdict

import numpy as np

from fingerprinting.core.markdown import markdown_table
from fingerprinting.fingerprints.registry import identity_of
from fingerprinting.reports.table_cells import REPRESENTATIONS, counts, names

COLUMNS = "tier,domain,dataset,method,output,representation,asked,n_pirated,n_independent,test_accuracy,fidelity,auc"


def rows(records: list[dict]) -> list[dict]:
    """One row per representation and query budget: the mean over the sweep's students, in the order of methods."""
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for row in records:
        groups[identity_of(row), row["asked"]].append(row)
    return [
        {
            **groups[representation, asked][0],
            "n_pirated": len(groups[representation, asked]),
            "test_accuracy": np.mean([row["test_accuracy"] for row in groups[representation, asked]]),
            "test_accuracy_lowest": min(row["test_accuracy"] for row in groups[representation, asked]),
            "fidelity": np.mean([row["fidelity"] for row in groups[representation, asked]]),
            "auc": np.mean([row["beats"] for row in groups[representation, asked]]),
        }
        for representation, asked in sorted(groups, key=lambda group: (REPRESENTATIONS.index(group[0]), group[1]))
    ]


def section(records: list[dict]) -> list[str]:
    """Mean AUC by query budget, in Markdown; nothing where the sweep was not run."""
    found = rows(records)
    if not found:
        return []
    cells = {(identity_of(row), row["asked"]): row for row in found}
    representations = list(dict.fromkeys(identity_of(row) for row in found))
    students = {row["asked"]: row for row in found}
    return [
        "Query-budget sweep of label extraction: mean AUC of students of the source's labels on that many inputs, "
        "against all independent models. The sweep is in no mean. A student of low test accuracy is detected because "
        "it gives almost every input the same label, not because of what it extracted.",
        "",
        *markdown_table(
            ["fingerprint", "representation, output", *(f"{asked} inputs" for asked in students)],
            [["", "stolen / independent", *map(counts, students.values())]]
            + [
                ["", "test accuracy, mean (lowest)"]
                + [f"{row['test_accuracy']:.3f} ({row['test_accuracy_lowest']:.3f})" for row in students.values()]
            ]
            + [["", "fidelity, mean", *(f"{row['fidelity']:.3f}" for row in students.values())]]
            + [
                [*names(representation), *(f"{cells[representation, asked]['auc']:.2f}" for asked in students)]
                for representation in representations
            ],
        ),
        "",
    ]
