"""Where a suspect lies among models whose origin is known: a row of marks for each group, a line for the suspect."""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fingerprinting.reports.figures.canvas import BLUE, VERMILION, pyplot

WIDTH = 4.4  # inches: letters of it are still read where a phone shows it smaller
LETTERS = 40  # of a line below the axis
TICKS = 5  # steps along it, at most: numbers of three decimals have room beside each other
GOLDEN = 0.618  # marks of a row go up and down by it, so that equal values do not hide each other
MARKS = {"independent": ("o", BLUE), "stolen": ("^", VERMILION)}


@dataclass(frozen=True)
class Group:
    """name: its row's. values (m,): of its models. kind: one of MARKS."""

    name: str
    values: Sequence[float] | np.ndarray
    kind: str


def drawn(groups: Sequence[Group], suspect: float | None, axis_name: str, span: tuple[float, float] | None) -> bytes:
    """An SVG file. suspect: None where nothing is known of it. span: a range that is marked."""
    rows = [*(group for group in groups if len(group.values)), *([None] if suspect is not None else [])]
    figure, axis = pyplot.subplots(figsize=(WIDTH, 0.75 + 0.5 * len(rows)), layout="constrained")
    try:
        if span:
            axis.axvspan(*span, color="#DDDDDD", zorder=0)
        for row, group in enumerate(rows):
            if group:
                marker, colour = MARKS[group.kind]
                place = -row + 0.5 * ((np.arange(len(group.values)) * GOLDEN) % 1 - 0.5)
                axis.scatter(group.values, place, s=22, marker=marker, facecolors="none", edgecolors=colour, zorder=2)
            elif suspect is not None:
                axis.axvline(suspect, color="black", linestyle="--", linewidth=1, zorder=1)
                axis.scatter([suspect], [-row], s=55, marker="D", color="black", zorder=3)
        axis.set_yticks([-row for row in range(len(rows))], [group.name if group else "suspect" for group in rows])
        axis.set_ylim(0.5 - len(rows), 0.5)
        axis.locator_params(axis="x", nbins=TICKS)
        axis.set_xlabel(textwrap.fill(axis_name, LETTERS))
        axis.tick_params(axis="y", length=0)
        axis.spines[["top", "right", "left"]].set_visible(False)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        return file.getvalue()
    finally:
        pyplot.close(figure)
