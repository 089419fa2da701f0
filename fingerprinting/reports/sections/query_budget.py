"""How much a thief by extraction must ask before a method sees the student."""

from collections import defaultdict

import numpy as np

from fingerprinting.core.markdown import markdown_table
from fingerprinting.reports.table_cells import REPRESENTATIONS, counts, names, representation_of

COLUMNS = "tier,domain,dataset,method,output,representation,asked,n_pirated,n_independent,test_accuracy,fidelity,auc"


def rows(records: list[dict]) -> list[dict]:
    """One row per reading and number of inputs asked: the mean over the sweep's students, in the order of methods."""
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for row in records:
        groups[representation_of(row), row["asked"]].append(row)
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
    """Mean AUC by number of inputs asked, in Markdown; nothing where the sweep was not run."""
    found = rows(records)
    if not found:
        return []
    cells = {(representation_of(row), row["asked"]): row for row in found}
    representations = list(dict.fromkeys(representation_of(row) for row in found))
    students = {row["asked"]: row for row in found}
    return [
        "How much a thief by extraction must ask: mean AUC of students of the source's labels of that many inputs, "
        "against all independents. They stand in no mean. A student that has learnt next to nothing, as its test "
        "accuracy shows, is told by giving one answer to nearly everything, not by what it took.",
        "",
        *markdown_table(
            ["fingerprint", "reading, output", *(f"{asked} asked" for asked in students)],
            [["", "pirated / independent", *map(counts, students.values())]]
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
