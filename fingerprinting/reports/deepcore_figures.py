"""DeepCore's figures, from records and from what the models said at the core points."""

from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from fingerprinting import statistics
from fingerprinting.attacks import KINDS
from fingerprinting.clustering import ALGORITHMS
from fingerprinting.hearing import GROUPS, SCORES, Hearing
from fingerprinting.reports.cells import in_words
from fingerprinting.reports.figures import COLOURS, canvas, panels, path_of
from fingerprinting.scoring import by_kind
from fingerprinting.study import Study

SHADES = dict(tampered="#c0392b", extracted="#e59866", homologous="#2471a3", irrelevant="#7fb3d5")
CLASSES = 10  # columns of the picture of core points


def draw(study: Study, hearing: Hearing, rows: list[dict], clusters: int) -> None:
    """All four figures; rows: what was recorded of how long the points were trained."""
    _points(study, hearing)
    _radius(study, hearing, rows)
    _strips(study, hearing)
    _projection(study, hearing, clusters)


def _points(study: Study, hearing: Hearing) -> Path:
    """The points of each class (columns) as they are trained (rows)."""
    metadata, targets = hearing.stages[-1].metadata, hearing.stages[-1].truth
    lengths = metadata["settings"]["lengths"]
    chosen = [int((targets == label).nonzero()[0]) for label in targets.unique()[:CLASSES]]
    size = (max(1.25 * len(chosen), 6.0) + 0.5, 1.5 * len(lengths))
    with canvas(study, "deepcore-points", len(lengths), len(chosen), size) as (figure, axes):
        figure.suptitle(f"{study.domain.name}, {study.dataset}: core points after so many steps", fontsize=9)
        for row, length in enumerate(lengths):
            moment = [moment for moment in metadata["trace"] if moment["step"] <= length][-1]
            axes[row][0].set_ylabel(f"{length} steps", fontsize=8)
            for axis, index in zip(axes[row], chosen, strict=True):
                study.domain.show(axis, hearing.stages[row].inputs[index].clone())
                axis.set_xticks([])
                axis.set_yticks([])
                note = f"radius {moment['radius'][index]:.3g}, p {moment['confidence'][index]:.3f}"
                axis.set_xlabel(note, fontsize=5.5)
                if not row:
                    axis.set_title(study.classes[targets[index]], fontsize=7)
    return path_of(study, "deepcore-points")


def _radius(study: Study, hearing: Hearing, rows: list[dict]) -> Path:
    """Radius against training step, a line per point; and what that does to the scores."""
    trace = hearing.stages[-1].metadata["trace"]
    steps = [moment["step"] for moment in trace]
    with canvas(study, "deepcore-radius", 1, 1 + len(SCORES), (3 * (1 + len(SCORES)), 2.9)) as (figure, axes):
        radii = np.array([moment["radius"] for moment in trace])
        axes[0][0].plot(steps, radii, lw=0.7, color="grey", alpha=0.6)
        axes[0][0].plot(steps, radii.mean(1), lw=1.8, color="black", label="mean")
        axes[0][0].set_title("radius, a line per point", fontsize=8)
        axes[0][0].legend(fontsize=7)
        for axis, method in zip(axes[0][1:], SCORES, strict=True):
            reading = (method.output, method.representation.__name__)
            own = [row for row in rows if (row["output"], row["representation"]) == reading]
            for name in GROUPS:
                values = [row[name] for row in own]
                axis.plot([row["steps"] for row in own], values, "o-", ms=3, lw=1.2, color=SHADES[name], label=name)
            axis.set_title(f"mean score: {in_words(*reading)}", fontsize=8)
        for axis in axes[0]:
            axis.set_ylim(bottom=0)
            axis.set_xlabel("training step of the points", fontsize=7)
            axis.tick_params(labelsize=7)
        figure.suptitle(f"{study.domain.name}, {study.dataset}: core points in training", fontsize=9)
        figure.legend(*axes[0][-1].get_legend_handles_labels(), loc="outside lower center", fontsize=7, ncols=4)
    return path_of(study, "deepcore-radius")


def _strips(study: Study, hearing: Hearing) -> Path:
    """Every model a dot by kind, and the threshold that the owner's reference models give."""
    kinds = [kind for kind in KINDS if any(s.model.kind == kind for s in hearing.pool[1:])]
    with panels(study, "deepcore-scores", SCORES, 0.24 * len(kinds), 1.0) as grid:
        for axis, method in grid:
            distances = by_kind(hearing.pool[1:], hearing.distances(method, hearing.pool[1:]))
            known = by_kind(hearing.references, hearing.distances(method, hearing.references))
            sides = [
                np.concatenate([values for kind, values in known.items() if KINDS[kind].role == role])
                for role in ("pirated", "independent")
            ]
            for height, kind in enumerate(reversed(kinds)):
                values = distances[kind]
                axis.plot(values, [height] * len(values), "o", ms=4, alpha=0.6, color=COLOURS[KINDS[kind].role])
            axis.axvline(statistics.threshold(*sides), color="grey", lw=0.9, ls="--", label="threshold from references")
            axis.set_yticks(range(len(kinds)), reversed(kinds), fontsize=7)
            axis.tick_params(axis="x", labelsize=7)
            axis.set_xlim(left=0)
            axis.tick_params(axis="y", labelleft=axis.get_subplotspec().is_first_col())
        axis.figure.suptitle(f"{study.domain.name}, {study.dataset}: distance to the source at core points", fontsize=9)
        axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", fontsize=7)
    return path_of(study, "deepcore-scores")


def _projection(study: Study, hearing: Hearing, clusters: int) -> Path:
    """The models' logits in their two principal directions: shape by role, colour by cluster."""
    features = hearing.features(hearing.pool)
    places = PCA(2).fit_transform(features)
    roles = np.array([suspect.kind.role for suspect in hearing.pool])
    with canvas(study, "deepcore-clusters", 1, len(ALGORITHMS), (3.2 * len(ALGORITHMS), 3.2)) as (figure, axes):
        for axis, (name, cluster) in zip(axes[0], ALGORITHMS.items(), strict=True):
            numbers = cluster(features, clusters)
            for role, marker, size in (("independent", "o", 22), ("pirated", "^", 26), ("source", "*", 130)):
                mine = roles == role
                colours = {"c": numbers[mine], "cmap": "Dark2", "vmin": 0, "vmax": 7}
                axis.scatter(*places[mine].T, marker=marker, s=size, alpha=0.75, label=role, **colours)
            axis.set_title(name, fontsize=8)
            axis.tick_params(labelsize=6)
        figure.suptitle(f"{study.domain.name}, {study.dataset}: models by their logits at core points", fontsize=9)
        figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", fontsize=7, ncols=3)
    return path_of(study, "deepcore-clusters")
