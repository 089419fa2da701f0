"""Figures of how far stolen models stand apart from independent ones, from every model's distance to the source."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D

from fingerprinting.core import statistics
from fingerprinting.fingerprints.registry import Method
from fingerprinting.models import suspects
from fingerprinting.models.kinds import KINDS
from fingerprinting.reports.figures.canvas import COLOURS, panels, path_of
from fingerprinting.reports.judged import Judged
from fingerprinting.reports.words import said


def strips(study_folder: str, methods: list[Method], pool: list[Judged]) -> Path:
    """Every model a dot: how near it is to the source, by kind, one panel per method.

    Distances are divided by the median independent's of the same task, so that transferred models fit in beside others.
    """
    kinds = [kind for kind in KINDS if any(model.kind == kind for model in pool)]
    title = "distance to the source, 1 = the median independent model"
    with panels(study_folder, "strips", title, methods, 0.26 * len(kinds), 1.4) as grid:
        for axis, method in grid:
            medians = {task: _median_independent(pool, method, task) for task in (False, True)}
            for height, kind in enumerate(reversed(kinds)):
                values = _distances(method, [model for model in pool if model.kind == kind])
                values = values / medians[KINDS[kind].on_target]
                axis.plot(values, [height] * len(values), "o", ms=4, alpha=0.6, color=COLOURS[KINDS[kind].role])
            axis.axvline(1, color="grey", lw=0.7, ls=":")
            axis.set_yticks(range(len(kinds)), reversed(kinds), fontsize=7)
            axis.tick_params(axis="x", labelsize=7)
            axis.grid(axis="x", alpha=0.3)
            axis.tick_params(
                axis="y", labelleft=axis.get_subplotspec().is_first_col()
            )  # distances have no common scale
        handles = [Line2D([], [], marker="o", ls="", color=c, label=said(role)) for role, c in COLOURS.items()]
        axis.figure.legend(handles=handles, loc="outside lower center", fontsize=8, ncols=2)
    return path_of(study_folder, "strips")


def _distances(method: Method, models: list[Judged]) -> np.ndarray:
    """Of those models that the method suits."""
    return np.array([model.distances[method.key] for model in models if method.key in model.distances])


def _median_independent(pool: list[Judged], method: Method, on_target: bool) -> float:
    independent = [model for model in pool if model.row.role == "independent" and model.row.on_target == on_target]
    found = _distances(method, independent)
    return (float(np.median(found)) if len(found) else 0.0) or 1.0  # 0: half of them respond as the source does


def fidelity(study_folder: str, methods: list[Method], pool: list[Judged]) -> Path:
    """Distance against fidelity: a stolen model that agrees with the source no more than others took little."""
    with panels(study_folder, "fidelity", "distance against fidelity", methods, 2.9, 1.0) as grid:
        for axis, method in grid:
            for role, colour in COLOURS.items():
                own = [model for model in pool if model.row.role == role and model.fidelity is not None]
                own = [model for model in own if method.key in model.distances]
                fidelities = [model.fidelity for model in own]
                axis.plot(fidelities, _distances(method, own), "o", ms=4, alpha=0.6, color=colour, label=said(role))
            axis.set_xlabel("fidelity (agreement with the source on test)", fontsize=7)
            axis.set_ylabel("distance to the source", fontsize=7)
            axis.tick_params(labelsize=7)
        axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=2)
    return path_of(study_folder, "fidelity")


def roc(study_folder: str, methods: list[Method], pool: list[Judged]) -> Path:
    """ROC curves per stealing attack against all independent models of the same task, one panel per method."""
    with panels(study_folder, "roc", "stealing attacks against all independent models", methods, 3.1, 0.5) as grid:
        for axis, method in grid:
            for kind, pirated, independent in _pairs(method, pool):
                false, true = statistics.curve(pirated, independent)
                axis.plot(false, true, lw=1.4, alpha=0.85, label=kind)
            axis.plot([0, 1], [0, 1], color="grey", lw=0.7, ls=":")
            axis.set_xlabel("false positive rate", fontsize=7)
            axis.set_ylabel("true positive rate", fontsize=7)
            axis.tick_params(labelsize=7)
        drawn = (zip(*panel.get_legend_handles_labels(), strict=True) for panel in axis.figure.axes)
        named = {label: line for lines in drawn for line, label in lines}  # not every panel has every stealing attack
        axis.figure.legend(named.values(), named.keys(), loc="outside right center", fontsize=8)
    return path_of(study_folder, "roc")


def _pairs(method: Method, pool: list[Judged]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    def distances(*kinds: str) -> np.ndarray:
        return _distances(method, [model for model in pool if model.kind in kinds])

    for name, kind in KINDS.items():
        pirated, independent = distances(name), distances(*suspects.negatives_of("all", kind.on_target))
        if kind.role == "pirated" and len(pirated) and len(independent):
            yield name, pirated, independent
