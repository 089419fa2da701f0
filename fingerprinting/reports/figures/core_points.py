"""DeepCore's figures, from records."""

from collections.abc import Callable

import numpy as np

from fingerprinting.core import statistics
from fingerprinting.deepcore.clustering import ALGORITHMS
from fingerprinting.deepcore.core_responses import GROUPS, SCORES
from fingerprinting.fingerprints.registry import Method
from fingerprinting.models.kinds import KINDS
from fingerprinting.reports.figures.canvas import BLUE, COLOURS, ORANGE, SKY, VERMILION, canvas, panels
from fingerprinting.reports.table_cells import in_words
from fingerprinting.reports.words import said
from fingerprinting.study.domain import Domain
from fingerprinting.study.records import Records
from fingerprinting.study.thumbnails import restored

SHADES = dict(modified=VERMILION, extracted=ORANGE, homologous=BLUE, irrelevant=SKY)


def draw(study_folder: str, domain: Domain | None) -> None:
    """Every figure whose records are there; without the domain that draws its inputs none of the points."""
    lengths, points, models = (
        Records.at(study_folder, f"deepcore_{topic}").rows() for topic in ("lengths", "points", "models")
    )
    if points and domain and domain.inputs.show:
        _points(study_folder, points, domain.inputs.show)
    if lengths:
        _radius(study_folder, lengths)
    if models:
        _strips(study_folder, models)
    if placed := [row for row in models if "place" in row]:  # version 0.1 recorded none
        _projection(study_folder, placed)


def _points(study_folder: str, rows: list[dict], show: Callable) -> None:
    """The points of each class (columns) as they are trained (rows)."""
    found = {(row["steps"], row["label"]): row for row in rows}
    lengths, labels = (sorted({place[axis] for place in found}) for axis in (0, 1))
    size = (max(1.25 * len(labels), 6.0) + 0.5, 1.5 * len(lengths))
    title = "core points by number of training steps"
    with canvas(study_folder, "deepcore-points", title, len(lengths), len(labels), size) as (_, axes):
        for line, length in zip(axes, lengths, strict=True):
            line[0].set_ylabel(f"{length} steps", fontsize=8)
            for axis, label in zip(line, labels, strict=True):
                row = found[length, label]
                show(axis, restored(row["input"]))
                axis.set_xticks([])
                axis.set_yticks([])
                axis.set_xlabel(f"radius {row['radius']:.3g}, p {row['confidence']:.3f}", fontsize=5.5)
                if length == lengths[0]:
                    axis.set_title(row["class"], fontsize=7)


def _radius(study_folder: str, rows: list[dict]) -> None:
    """Radius against training step, a line per point; and what that does to the scores."""
    (trace,) = (
        row["trace"] for row in Records.at(study_folder, "fingerprints").rows() if row["method"] == SCORES[0].name
    )
    steps = [moment["step"] for moment in trace]
    size = (3 * (1 + len(SCORES)), 2.9)
    with canvas(study_folder, "deepcore-radius", "core points in training", 1, 1 + len(SCORES), size) as (figure, axes):
        radii = np.array([moment["radius"] for moment in trace])
        axes[0][0].plot(steps, radii, lw=0.7, color="grey", alpha=0.6)
        axes[0][0].plot(steps, radii.mean(1), lw=1.8, color="black", label="mean")
        axes[0][0].set_title("radius, a line per point", fontsize=8)
        axes[0][0].legend(fontsize=7)
        for axis, method in zip(axes[0][1:], SCORES, strict=True):
            representation = (method.output, method.representation.__name__)
            own = [row for row in rows if (row["output"], row["representation"]) == representation]
            own.sort(key=lambda row: row["steps"])
            for name in GROUPS:
                values = [row[name] for row in own]
                axis.plot(
                    [row["steps"] for row in own], values, "o-", ms=3, lw=1.2, color=SHADES[name], label=said(name)
                )
            axis.set_title(f"mean score: {in_words(*representation)}", fontsize=8)
        for axis in axes[0]:
            axis.set_ylim(bottom=0)
            axis.set_xlabel("training step of the points", fontsize=7)
            axis.tick_params(labelsize=7)
        figure.legend(*axes[0][-1].get_legend_handles_labels(), loc="outside lower center", fontsize=7, ncols=4)


def _strips(study_folder: str, rows: list[dict]) -> None:
    """Every model a dot by kind, and the threshold that the owner's reference models give, where it has some."""
    uses = {use: [row for row in rows if KINDS[row["kind"]].use == use] for use in ("scored", "reference")}
    judged = [row for row in uses["scored"] if KINDS[row["kind"]].role != "source"]
    kinds = [kind for kind in KINDS if any(row["kind"] == kind for row in judged)]

    def scores(method: Method, models: list[dict], role: str) -> np.ndarray:
        return np.array([row[method.key] for row in models if KINDS[row["kind"]].role == role])

    title = "distance to the source at core points"
    with panels(study_folder, "deepcore-scores", title, list(SCORES), 0.24 * len(kinds), 1.0) as grid:
        for axis, method in grid:
            for height, kind in enumerate(reversed(kinds)):
                values, role = [row[method.key] for row in judged if row["kind"] == kind], KINDS[kind].role
                label = "" if said(role) in axis.get_legend_handles_labels()[1] else said(role)
                axis.plot(values, [height] * len(values), "o", ms=4, alpha=0.6, color=COLOURS[role], label=label)
            sides = [scores(method, uses["reference"], role) for role in ("pirated", "independent")]
            if all(map(len, sides)):
                axis.axvline(
                    statistics.threshold(*sides), color="grey", lw=0.9, ls="--", label="threshold from reference models"
                )
            axis.set_yticks(range(len(kinds)), reversed(kinds), fontsize=7)
            axis.tick_params(axis="x", labelsize=7)
            axis.set_xlim(left=0)
            axis.tick_params(axis="y", labelleft=axis.get_subplotspec().is_first_col())
        axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", fontsize=7, ncols=3)


def _projection(study_folder: str, rows: list[dict]) -> None:
    """The models' logits in their two principal directions: shape by role, colour by cluster."""
    places, roles = np.array([row["place"] for row in rows]), np.array([KINDS[row["kind"]].role for row in rows])
    title, size = "models by their logits at core points; colours are clusters", (3.2 * len(ALGORITHMS), 3.2)
    with canvas(study_folder, "deepcore-clusters", title, 1, len(ALGORITHMS), size) as (figure, axes):
        for axis, name in zip(axes[0], ALGORITHMS, strict=True):
            numbers = np.array([row["clusters"][name] for row in rows])
            for role, marker, width in (("independent", "o", 22), ("pirated", "^", 26), ("source", "*", 130)):
                mine = roles == role
                colours = {"c": numbers[mine], "cmap": "Dark2", "vmin": 0, "vmax": 7}
                axis.scatter(*places[mine].T, marker=marker, s=width, alpha=0.75, **colours)
                axis.scatter([], [], marker=marker, s=width, color="grey", label=said(role))
            axis.set_title(name, fontsize=8)
            axis.tick_params(labelsize=6)
        figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", fontsize=7, ncols=3)
