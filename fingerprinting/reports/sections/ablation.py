"""What the calibrated fingerprint loses when something is left out or done otherwise."""

from fingerprinting.core.markdown import markdown_table
from fingerprinting.reports.table_cells import counts

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
        "The calibrated fingerprint with something left out or done otherwise: mean AUC over the thefts that are "
        "judged, the least of them, against all independents that are. A theft left out is missing among the "
        "references and is alone judged; a design left out likewise, once as the thief's and once as an honest one's. "
        "Where models are left out, no candidates are offered that were made with models.",
        "",
        *markdown_table(
            ["varied", "how", "references", "queries", "pirated / independent", "mean AUC", "least"],
            [
                [row["study"], row["value"], str(row["n_references"]), str(row["queries"]), counts(row)]
                + [f"{row['auc']:.3f}", f"{row['auc_least']:.3f}"]
                for row in rows
            ],
        ),
        "",
    ]
