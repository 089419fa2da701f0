"""How rows are written down: Markdown for people, CSV for machines."""

import csv
import io
from pathlib import Path

from fingerprinting.core import storage
from fingerprinting.reports.pages import folder
from fingerprinting.study.domain import COMMITTED
from fingerprinting.study.study import tier_of


def write_topic(topic: str, columns: str, rows: list[dict]) -> None:
    """`topic`.csv of the committed tiers; each other tier, which git ignores, has a file of its own (auc-quick.csv)."""
    tiers: dict[str, list[dict]] = {"": []}
    for row in rows:
        tier = tier_of(row["tier"])
        tiers.setdefault("" if tier in COMMITTED else f"-{tier}", []).append(row)
    for suffix, own in tiers.items():
        write_csv(folder() / f"{topic}{suffix}.csv", columns, own)


def write_csv(path: Path, columns: str, rows: list[dict]) -> None:
    """The columns, named with commas between; what else a row carries is left out, what it lacks is empty."""
    names, text = columns.split(","), io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(row.get(name)) for name in names} for row in rows)
    storage.write_text(path, text.getvalue())


def _cell(value) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
