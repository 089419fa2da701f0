"""The picture of a fingerprint: samples of each component before and after evolving, from records."""

from collections.abc import Callable
from pathlib import Path

import torch

from fingerprinting.core import storage
from fingerprinting.core.markdown import markdown_table
from fingerprinting.fingerprints.queries.primary import COMPONENTS
from fingerprinting.reports.figures.canvas import canvas, path_of
from fingerprinting.study.domain import Domain
from fingerprinting.study.records import Records
from fingerprinting.study.thumbnails import restored

SIDES = ("primary", "evolved")
SAMPLES = 2  # of each component that are drawn


def samples(study_folder: str, domain: Domain | None) -> Path | None:
    """Samples of each component before and after evolving, their difference, and the source's responses.

    None without records, or where the domain cannot draw its inputs. Inputs that are read rather than looked at stand
    in a Markdown table instead.
    """
    rows = Records.at(study_folder, "samples").rows()
    if not rows:
        return None
    if isinstance(rows[0]["primary"]["input"], str):
        return _table(study_folder, rows)
    if domain is None or (show := domain.inputs.show) is None:
        return None
    found = {name: [row for row in rows if row["component"] == name][:SAMPLES] for name in COMPONENTS}
    lines = {name: own for name, own in found.items() if own}
    columns = 3 * max(map(len, lines.values()))
    size = (1.5 * columns + 0.6, 1.8 * len(lines) + 0.3)
    title = "Primary samples, the same evolved, and the difference; below: the source's response"
    with canvas(study_folder, "samples", title, len(lines), columns, size) as (_, axes):
        for line, (name, own) in zip(axes, lines.items(), strict=True):
            for axis in line[3 * len(own) :]:
                axis.set_visible(False)
            for axis in line:
                axis.set_xticks([])
                axis.set_yticks([])
            line[0].set_ylabel(name.replace("_", " "), fontsize=8)
            for place, row in enumerate(own):
                before, after, change = line[3 * place : 3 * place + 3]
                for axis, side in zip((before, after), SIDES, strict=True):
                    show(axis, restored(row[side]["input"]))
                    axis.set_xlabel(_answer(row[side]), fontsize=7)
                before.set_title(f"truth: {row['truth']}", fontsize=7)
                _difference(change, restored(row["difference"]), show, domain.inputs.input_range)
    return path_of(study_folder, "samples")


def _difference(axis, change: torch.Tensor, show: Callable, bounds: tuple[float, float] | None) -> None:
    """What was added: as it is where inputs have a sign, else around the middle of their range, enlarged to fill it."""
    low, high = bounds or (-1.0, 1.0)
    largest = change.abs().max().item()
    if low < 0:
        show(axis, change)
    else:
        show(axis, (low + high) / 2 + change * (high - low) / 2 / (largest or 1.0))
    axis.set_xlabel(f"at most {largest:.2g}", fontsize=7)


def _table(study_folder: str, rows: list[dict]) -> Path:
    lines = []
    for name in COMPONENTS:
        for row in (row for row in rows if row["component"] == name):
            cells = [name]
            for side in SIDES:
                cells.append(row[side]["input"].replace("|", "\\|"))
                cells.append(f"{_answer(row[side])} (truth {row['truth']})")
            lines.append(cells)
    heads = ["component", "primary", "the source's response", "evolved", "the source's response"]
    path = path_of(study_folder, "samples").with_suffix(".md")
    storage.write_text(path, "\n".join(markdown_table(heads, lines)) + "\n")
    return path


def _answer(shown: dict) -> str:
    return f"{shown['label']} {shown['probability']:.2f}"
