"""Missed and false identification rates (DeepCore's MIR, FIR) at the owner's threshold and at the in-sample one."""

from fingerprinting.core.markdown import markdown_table
from fingerprinting.fingerprints.registry import identity_of
from fingerprinting.reports.table_cells import REPRESENTATIONS, counts, names

COLUMNS = (
    "tier,domain,dataset,method,output,representation,negatives,threshold_from,n_calibration,threshold,n_pirated,mir,"
    "mir_low,mir_high,n_independent,fir,fir_low,fir_high"
)
ORIGINS = {"references": "owner's threshold", "scored": "in-sample threshold"}  # of a threshold


def section(records: list[dict]) -> list[str]:
    """Both rates of every representation in Markdown; at the owner's threshold where it had reference models."""
    cells = {(identity_of(row), row["negatives"], row["threshold_from"]): row for row in records}
    representations = [
        representation
        for representation in REPRESENTATIONS
        if any((representation, "all", origin) in cells for origin in ORIGINS)
    ]
    if not representations:
        return []
    origins = [origin for origin in ORIGINS if any(row["threshold_from"] == origin for row in records)]
    heads = [f"{error}, {ORIGINS[origin]}" for origin in origins for error in ("MIR", "FIR", "FIR of homologous")]
    lines = []
    for representation in representations:
        line = names(representation)
        for origin in origins:
            both = [cells.get((representation, group, origin)) for group in ("all", "homologous")]
            line += [_rate(both[0], "mir"), *(_rate(row, "fir") for row in both)]
        lines.append(line)
    there = cells[(representations[0], "all", origins[0])]
    owners = f"comes from {there['n_calibration']} reference models"
    if "references" not in origins:
        owners = "needs reference models, which references.py trains"
    return [
        "Missed (MIR) and false identification rate (FIR) over the stealing attacks of the same task [95% binomial "
        f"interval], n = {counts(there)} stolen / independent models. The owner's threshold "
        f"{owners}. The in-sample threshold, which the papers use, is the best one "
        "for the scored models themselves and is optimistically biased.",
        "",
        *markdown_table(["fingerprint", "representation, output", *heads], lines),
        "",
    ]


def _rate(row: dict | None, error: str) -> str:
    return f"{row[error]:.2f} [{row[f'{error}_low']:.2f}, {row[f'{error}_high']:.2f}]" if row else ""
