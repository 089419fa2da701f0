"""What a fingerprint costs: queries, reference models, seconds."""

from fingerprinting.core.markdown import markdown_table
from fingerprinting.reports.table_cells import REPRESENTATIONS

COLUMNS = "tier,domain,dataset,method,generate_s,match_s,queries,extra_models,extra_models_s"


def section(records: list[dict]) -> list[str]:
    """A line per fingerprint in Markdown, in the order of methods; nothing where none was timed."""
    if not records:
        return []
    order = list(dict.fromkeys(method for method, *_ in REPRESENTATIONS))
    return [
        "Costs. Matching: the time to query one suspect and to compute every representation of these tables.",
        "",
        *markdown_table(
            ["fingerprint", "queries", "generation, s", "reference models", "their training, s", "matching, s"],
            [
                [row["method"], str(row["queries"]), f"{row['generate_s']:.2f}", str(row["extra_models"] or "")]
                + [f"{row['extra_models_s']:.0f}" if row["extra_models"] else "", f"{row['match_s']:.3f}"]
                for row in sorted(records, key=lambda row: order.index(row["method"]))
            ],
        ),
        "",
    ]
