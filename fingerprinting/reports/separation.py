"""Figures of how far stolen models stand apart from independent ones, from every model's distance to the source."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D

from fingerprinting import statistics, suspects
from fingerprinting.attacks import KINDS
from fingerprinting.methods import Method
from fingerprinting.reports.figures import COLOURS, panels, path_of
from fingerprinting.study import Study
from fingerprinting.suspects import Suspect


def strips(study: Study, methods: list[Method], pool: list[Suspect], scores: dict) -> Path:
    """Every model a dot: how near it is to the source, by kind, one panel per method.

    Distances are divided by the median independent's of the same task, so that transferred models fit in beside others.
    """
    kinds = [kind for kind in KINDS if any(suspect.model.kind == kind for suspect in pool)]
    with panels(study, "strips", methods, 0.26 * len(kinds), 1.4) as grid:
        for axis, method in grid:
            distances = scores[method.key]
            medians = {task: _median_independent(pool, distances, task) for task in (False, True)}
            for height, kind in enumerate(reversed(kinds)):
                values = [distances[s.model.name] for s in pool if s.model.kind == kind and s.model.name in distances]
                values = np.array(values) / medians[KINDS[kind].on_target]
                axis.plot(values, [height] * len(values), "o", ms=4, alpha=0.6, color=COLOURS[KINDS[kind].role])
            axis.axvline(1, color="grey", lw=0.7, ls=":")
            axis.set_yticks(range(len(kinds)), reversed(kinds), fontsize=7)
            axis.tick_params(axis="x", labelsize=7)
            axis.grid(axis="x", alpha=0.3)
            axis.tick_params(
                axis="y", labelleft=axis.get_subplotspec().is_first_col()
            )  # distances have no common scale
        axis.figure.suptitle(
            f"{study.domain.name}, {study.dataset}: distance to the source, 1 = the median independent model",
            fontsize=10,
        )
        handles = [Line2D([], [], marker="o", ls="", color=c, label=role) for role, c in COLOURS.items()]
        axis.figure.legend(handles=handles, loc="outside lower center", fontsize=8, ncols=2)
    return path_of(study, "strips")


def _median_independent(pool: list[Suspect], distances: dict[str, float], on_target: bool) -> float:
    independents = [s for s in pool if s.kind.role == "independent" and s.kind.on_target == on_target]
    found = [distances[s.model.name] for s in independents if s.model.name in distances]
    return (float(np.median(found)) if found else 0.0) or 1.0  # 0: half of the honest models answer as the source does


def fidelity(study: Study, methods: list[Method], pool: list[Suspect], scores: dict, agreement: dict) -> Path:
    """Distance against agreement with the source on test data: a theft that agrees no more than others took little."""
    with panels(study, "fidelity", methods, 2.9, 1.0) as grid:
        for axis, method in grid:
            for role, colour in COLOURS.items():
                names = [s.model.name for s in pool if s.kind.role == role and agreement[s.model.name] is not None]
                distances = [scores[method.key][name] for name in names]
                axis.plot(
                    [agreement[name] for name in names], distances, "o", ms=4, alpha=0.6, color=colour, label=role
                )
            axis.set_xlabel("fidelity (agreement with the source on test)", fontsize=7)
            axis.set_ylabel("distance to the source", fontsize=7)
            axis.tick_params(labelsize=7)
        axis.figure.suptitle(f"{study.domain.name}, {study.dataset}: distance against fidelity", fontsize=10)
        axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=2)
    return path_of(study, "fidelity")


def roc(study: Study, methods: list[Method], pool: list[Suspect], scores: dict) -> Path:
    """ROC curves per theft against all independents of the same task, one panel per method."""
    with panels(study, "roc", methods, 3.1, 0.5) as grid:
        for axis, method in grid:
            for kind, pirated, independent in _pairs(method, pool, scores):
                false, true = statistics.curve(pirated, independent)
                axis.plot(false, true, lw=1.4, alpha=0.85, label=kind)
            axis.plot([0, 1], [0, 1], color="grey", lw=0.7, ls=":")
            axis.set_xlabel("false positive rate", fontsize=7)
            axis.set_ylabel("true positive rate", fontsize=7)
            axis.tick_params(labelsize=7)
        axis.figure.suptitle(
            f"{study.domain.name}, {study.dataset}: thefts against all independent models", fontsize=10
        )
        drawn = (zip(*panel.get_legend_handles_labels(), strict=True) for panel in axis.figure.axes)
        named = {label: line for lines in drawn for line, label in lines}  # not every panel has every theft
        axis.figure.legend(named.values(), named.keys(), loc="outside right center", fontsize=8)
    return path_of(study, "roc")


def _pairs(method: Method, pool: list[Suspect], scores: dict) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    def distances(*kinds: str) -> np.ndarray:
        own = scores[method.key]
        return np.array([own[s.model.name] for s in pool if s.model.kind in kinds and s.model.name in own])

    for name, kind in KINDS.items():
        pirated, independent = distances(name), distances(*suspects.negatives_of("all", kind.on_target))
        if kind.role == "pirated" and len(pirated) and len(independent):
            yield name, pirated, independent
