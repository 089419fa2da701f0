"""How rows are written down: Markdown for people, CSV for machines."""

import csv
import io
from pathlib import Path

from fingerprinting.core import storage
from fingerprinting.reports.pages import folder
from fingerprinting.study.domain import COMMITTED
from fingerprinting.study.study import SPLIT


def write_topic(topic: str, columns: str, rows: list[dict]) -> None:
    """`topic`.csv of the committed tiers; each other tier, which git ignores, has a file of its own (auc-quick.csv)."""
    tiers: dict[str, list[dict]] = {"": []}
    for row in rows:
        tier = row["tier"].split(SPLIT)[0]
        tiers.setdefault("" if tier in COMMITTED else f"-{tier}", []).append(row)
    for suffix, own in tiers.items():
        write_csv(folder() / f"{topic}{suffix}.csv", columns, own)


def write_csv(path: Path, columns: str, rows: list[dict]) -> None:
    """The columns, separated by commas, each a key of the rows or `name=key`; what a row lacks is empty."""
    keys, text = keys_of(columns), io.StringIO()
    writer = csv.DictWriter(text, keys, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(row.get(key)) for name, key in keys.items()} for row in rows)
    storage.write_text(path, text.getvalue())


def keys_of(columns: str) -> dict[str, str]:
    """Name of each column -> the key of its values in the rows."""
    split = [column.partition("=") for column in columns.split(",")]
    return {name: key or name for name, _, key in split}


def _cell(value) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
