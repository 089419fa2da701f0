"""The ablation of the calibrated fingerprint: mean AUC with something left out or done otherwise."""

from fingerprinting.core.markdown import markdown_table
from fingerprinting.reports.table_cells import counts
from fingerprinting.reports.words import said

COLUMNS = (
    "tier,domain,dataset,study,value,attack,n_references,queries,n_pirated,n_independent,auc,auc_low,auc_high,auc_least"
)
STUDIES = (  # in this order in the table
    "all references",
    "queries",
    "candidates offered",
    "references",
    "similar references",
    "data",
    "leave-one-attack-out",
    "leave-one-architecture-out, its stolen models",
    "leave-one-architecture-out, its independent models",
    "score",
    "selection",
    "candidates",
)


def means(records: list[dict]) -> list[dict]:
    """The mean row of every variant, in the order of the tables."""
    rows = [row for row in records if row["attack"] == "mean"]
    order = STUDIES.index
    return sorted(rows, key=lambda row: (order(row["study"]), not row["value"].isdigit(), row["value"].zfill(4)))


def section(records: list[dict]) -> list[str]:
    """Every variant's mean AUC, in Markdown; nothing where that was not run."""
    rows = means(records)
    if not rows:
        return []
    return [
        "Ablation of the calibrated fingerprint: mean AUC over the stealing attacks that are scored, and the lowest "
        "AUC of one attack, against all independent models that are scored. Leave-one-attack-out: the attack is "
        "missing from the reference models, and it alone is scored. Leave-one-architecture-out: likewise, once for "
        "stolen and once for independent models. Where reference models are left out, no candidates made with models "
        "are offered.",
        "",
        *markdown_table(
            [
                "varied",
                "value",
                "reference models",
                "queries",
                "stolen / independent",
                "mean AUC",
                "lowest AUC of an attack",
            ],
            [
                [said(row["study"]), said(row["value"]), str(row["n_references"]), str(row["queries"]), counts(row)]
                + [f"{row['auc']:.3f}", f"{row['auc_least']:.3f}"]
                for row in rows
            ],
        ),
        "",
    ]
