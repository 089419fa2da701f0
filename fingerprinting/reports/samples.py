"""The picture of a fingerprint: samples of each component before and after evolving, from records."""

from collections.abc import Callable
from pathlib import Path

from fingerprinting import files
from fingerprinting.queries.primary import COMPONENTS
from fingerprinting.records import Records
from fingerprinting.reports.figures import canvas, path_of
from fingerprinting.reports.formats import markdown_table
from fingerprinting.thumbnails import restored

SIDES = ("primary", "evolved")


def samples(study_folder: str, show: Callable | None) -> Path | None:
    """Samples before (left) and after evolving (right), with the source's answers under them; None without records.

    show(axis, input) draws one input. Inputs that are read rather than looked at stand in a Markdown table instead.
    """
    rows = Records.at(study_folder, "samples").rows()
    if not rows:
        return None
    if isinstance(rows[0]["primary"]["input"], str):
        return _table(study_folder, rows)
    if show is None:
        return None
    columns = {name: [row for row in rows if row["component"] == name] for name in COMPONENTS}
    most = max(map(len, columns.values()))
    title = "primary samples (left) and the same evolved (right), with the source's answers"
    size = (1.45 * 2 * most + 0.6, 1.95 * len(COMPONENTS))
    with canvas(study_folder, "samples", title, len(COMPONENTS), 2 * most, size) as (_, axes):
        for line, (name, own) in zip(axes, columns.items(), strict=True):
            line[0].set_ylabel(name.replace("_", " "), fontsize=8)
            for column, axis in enumerate(line):
                axis.set_xticks([])
                axis.set_yticks([])
                half, place = divmod(column, most)
                if place < len(own):
                    shown = own[place][SIDES[half]]
                    show(axis, restored(shown["input"]))
                    axis.set_xlabel(f"{_answer(shown)}\n(truth {own[place]['truth']})", fontsize=7)
    return path_of(study_folder, "samples")


def _table(study_folder: str, rows: list[dict]) -> Path:
    lines = []
    for name in COMPONENTS:
        for row in (row for row in rows if row["component"] == name):
            cells = [name]
            for side in SIDES:
                cells.append(row[side]["input"].replace("|", "\\|"))
                cells.append(f"{_answer(row[side])} (truth {row['truth']})")
            lines.append(cells)
    heads = ["component", "primary", "the source's answer", "evolved", "the source's answer"]
    path = path_of(study_folder, "samples").with_suffix(".md")
    files.write_text(path, "\n".join(markdown_table(heads, lines)) + "\n")
    return path


def _answer(shown: dict) -> str:
    return f"{shown['label']} {shown['probability']:.2f}"
