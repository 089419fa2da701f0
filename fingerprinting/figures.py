"""Figures: samples of a fingerprint before and after evolving, every model's distance, ROC curves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
import torch

from fingerprinting import files, statistics, suspects
from fingerprinting.attacks import KINDS
from fingerprinting.fingerprints import Fingerprint
from fingerprinting.methods import Method
from fingerprinting.queries.primary import COMPONENTS
from fingerprinting.study import Study
from fingerprinting.suspects import Suspect

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402 (the backend comes first)

SAMPLES = 4  # of each component in the picture of a fingerprint
DPI = 110
COLOURS = {"pirated": "#c0392b", "independent": "#2471a3"}


def folder() -> Path:
    return files.results_dir() / "figures"


def samples(study: Study, origin: Fingerprint, evolved: Fingerprint) -> Path:
    """Samples of each component before (left) and after evolving (right), with the source's answers under them.

    Inputs that are read rather than looked at stand in a Markdown table instead.
    """
    if study.domain.describe:
        return _sample_table(study, origin, evolved)
    size = (1.45 * 2 * SAMPLES + 0.6, 1.95 * len(COMPONENTS))
    with _figure(study, "samples", len(COMPONENTS), 2 * SAMPLES, size) as (figure, axes):
        figure.suptitle(
            f"{study.domain.name}, {study.dataset}: primary samples (left) and the same evolved (right), "
            "with the source's answers",
            fontsize=9,
        )
        for row, name in enumerate(COMPONENTS):
            chosen = torch.nonzero(origin.of_component(name)).flatten()[:SAMPLES].tolist()
            axes[row][0].set_ylabel(name.replace("_", " "), fontsize=8)
            for column, axis in enumerate(axes[row]):
                axis.set_xticks([])
                axis.set_yticks([])
                half, place = divmod(column, SAMPLES)
                if place < len(chosen):
                    fingerprint = (origin, evolved)[half]
                    study.domain.show(axis, fingerprint.inputs[chosen[place]])
                    axis.set_xlabel(_answer(study, fingerprint, chosen[place]), fontsize=7)
    return _path(study, "samples")


def _sample_table(study: Study, origin: Fingerprint, evolved: Fingerprint) -> Path:
    lines = ["| component | primary | the source's answer | evolved | the source's answer |", "|" + " --- |" * 5]
    for name in COMPONENTS:
        for index in torch.nonzero(origin.of_component(name)).flatten()[: 2 * SAMPLES].tolist():
            cells = [name]
            for fingerprint in (origin, evolved):
                cells.append(study.domain.describe(fingerprint.inputs[index]).replace("|", "\\|"))
                cells.append(_answer(study, fingerprint, index).replace("\n", " "))
            lines.append(f"| {' | '.join(cells)} |")
    path = _path(study, "samples").with_suffix(".md")
    files.write_text(path, "\n".join(lines) + "\n")
    return path


def strips(study: Study, methods: list[Method], pool: list[Suspect], scores: dict) -> Path:
    """Every model a dot: its distance to the source, by kind, one panel per method."""
    kinds = [kind for kind in KINDS if any(suspect.model.kind == kind for suspect in pool)]
    columns = min(4, len(methods))
    rows = -(-len(methods) // columns)
    with _figure(study, "strips", rows, columns, (3.3 * columns + 1, 0.26 * len(kinds) * rows + 1.2)) as (figure, axes):
        figure.suptitle(f"{study.domain.name}, {study.dataset}: distance to the source (left: nearer)", fontsize=10)
        for axis, method in zip(axes.flat, methods, strict=False):
            for height, kind in enumerate(reversed(kinds)):
                values = [scores[method.key][s.model.name] for s in pool if s.model.kind == kind]
                axis.plot(values, [height] * len(values), "o", ms=4, alpha=0.6, color=COLOURS[KINDS[kind].role])
            axis.set_title(_title(method), fontsize=8)
            axis.set_yticks(range(len(kinds)), reversed(kinds), fontsize=7)
            axis.tick_params(axis="x", labelsize=7)
            axis.locator_params(axis="x", nbins=5)
            axis.grid(axis="x", alpha=0.3)
        for axis in axes[:, 1:].flat:
            axis.set_yticklabels([])
        handles = [pyplot.Line2D([], [], marker="o", ls="", color=c, label=role) for role, c in COLOURS.items()]
        figure.legend(handles=handles, loc="upper right", fontsize=8, ncols=2)
    return _path(study, "strips")


def roc(study: Study, methods: list[Method], pool: list[Suspect], scores: dict) -> Path:
    """ROC curves per theft against all independents of the same task, one panel per method."""
    columns = min(4, len(methods))
    rows = -(-len(methods) // columns)
    with _figure(study, "roc", rows, columns, (3.0 * columns + 2, 3.1 * rows)) as (figure, axes):
        figure.suptitle(f"{study.domain.name}, {study.dataset}: thefts against all independent models", fontsize=10)
        for axis, method in zip(axes.flat, methods, strict=False):
            for kind, pirated, independent in _pairs(method, pool, scores):
                false, true = statistics.curve(pirated, independent)
                axis.plot(false, true, lw=1.4, alpha=0.85, label=kind)
            axis.plot([0, 1], [0, 1], color="grey", lw=0.7, ls=":")
            axis.set_title(_title(method), fontsize=8)
            axis.set_xlabel("false positive rate", fontsize=7)
            axis.tick_params(labelsize=7)
        for axis in axes[:, 0]:
            axis.set_ylabel("true positive rate", fontsize=7)
        figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    return _path(study, "roc")


def _pairs(method: Method, pool: list[Suspect], scores: dict) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    def distances(*kinds: str) -> np.ndarray:
        return np.array([scores[method.key][s.model.name] for s in pool if s.model.kind in kinds])

    for name, kind in KINDS.items():
        pirated, independent = distances(name), distances(*suspects.negatives_of("all", kind.on_target))
        if kind.role == "pirated" and len(pirated) and len(independent):
            yield name, pirated, independent


def _answer(study: Study, fingerprint: Fingerprint, index: int) -> str:
    probability, label = torch.softmax(fingerprint.source_logits[index], 0).max(0)
    return f"{study.classes[label]} {probability:.2f}\n(truth {study.classes[fingerprint.truth[index]]})"


def _title(method: Method) -> str:
    return f"{method.name}: {method.representation.__name__.replace('_', ' ')}, {method.output}"


def _path(study: Study, name: str) -> Path:
    return folder() / f"{study.domain.name}-{study.dataset}-{study.tier}-{name}.png"


@contextmanager
def _figure(study: Study, name: str, rows: int, columns: int, size: tuple[float, float]) -> Iterator[tuple]:
    figure, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    try:
        yield figure, axes
        with files.atomic(_path(study, name)) as temporary:
            figure.savefig(temporary, dpi=DPI, format="png", metadata={"Software": None})
    finally:
        pyplot.close(figure)
