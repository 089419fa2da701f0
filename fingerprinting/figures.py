"""Figures: samples of a fingerprint before and after evolving, every model's distance, ROC curves, radars, costs."""

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
from fingerprinting.verdicts import METHOD

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402 (the backend comes first)

SAMPLES = 4  # of each component in the picture of a fingerprint
COLUMNS = 4  # panels in a row
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
    with canvas(study, "samples", len(COMPONENTS), 2 * SAMPLES, size) as (figure, axes):
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
    return path_of(study, "samples")


def _sample_table(study: Study, origin: Fingerprint, evolved: Fingerprint) -> Path:
    lines = ["| component | primary | the source's answer | evolved | the source's answer |", "|" + " --- |" * 5]
    for name in COMPONENTS:
        for index in torch.nonzero(origin.of_component(name)).flatten()[: 2 * SAMPLES].tolist():
            cells = [name]
            for fingerprint in (origin, evolved):
                cells.append(study.domain.describe(fingerprint.inputs[index]).replace("|", "\\|"))
                cells.append(_answer(study, fingerprint, index).replace("\n", " "))
            lines.append(f"| {' | '.join(cells)} |")
    path = path_of(study, "samples").with_suffix(".md")
    files.write_text(path, "\n".join(lines) + "\n")
    return path


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
        handles = [pyplot.Line2D([], [], marker="o", ls="", color=c, label=role) for role, c in COLOURS.items()]
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


def radar(study: Study, methods: list[Method], rows: list[dict]) -> Path:
    """AUC of every theft against all independents, one web per fingerprint and a line per reading (TIFS Fig. 2)."""
    found = {(row["method"], row["output"], row["representation"], row["attack"]): row["auc"] for row in rows}
    names = list(dict.fromkeys(method.name for method in methods))
    thefts = [name for name in suspects.ATTACKS if any(key[-1] == name for key in found)]
    angles = np.linspace(0, 2 * np.pi, len(thefts), endpoint=False)
    lines = -(-len(names) // COLUMNS)
    size = (4.2 * COLUMNS, 3.3 * lines + 0.6)
    with canvas(study, "radar", lines, COLUMNS, size, projection="polar") as (figure, axes):
        figure.suptitle(
            f"{study.domain.name}, {study.dataset}: AUC of each theft against all independents", fontsize=10
        )
        for axis in axes.flat[len(names) :]:
            axis.remove()
        for axis, name in zip(axes.flat, names, strict=False):
            for method in methods:
                values = [found.get((name, method.output, method.representation.__name__, theft)) for theft in thefts]
                if method.name == name and any(value is not None for value in values):
                    closed = np.array([*values, values[0]], float)
                    label = f"{method.representation.__name__.replace('_', ' ')}, {method.output}"
                    (line,) = axis.plot([*angles, angles[0]], closed, lw=1.2, alpha=0.8, label=label)
                    # markers of their own: a line on polar axes shows none at a value that stands alone
                    axis.scatter(angles, closed[:-1], s=6, color=line.get_color(), alpha=0.8, clip_on=False, zorder=3)
            axis.set_ylim(0, 1)
            axis.set_yticks([0.5, 1.0], ["0.5", "1"], fontsize=6)
            axis.set_xticks(angles, thefts, fontsize=5.5)
            for angle, label in zip(angles, axis.get_xticklabels(), strict=True):  # beside the circle, not across it
                side = np.cos(angle)
                label.set_horizontalalignment("center" if abs(side) < 0.1 else "left" if side > 0 else "right")
            axis.tick_params(axis="x", pad=-2)
            axis.set_title(name, fontsize=9)
            axis.legend(fontsize=5, loc="lower left", bbox_to_anchor=(-0.15, -0.22))
    return path_of(study, "radar")


def cost(study: Study, rows: list[dict]) -> Path:
    """Seconds to make a fingerprint, to train the models it needs besides, and to match one suspect (TIFS Fig. 3)."""
    parts = {"generate_s": "queries", "extra_models_s": "models for reference", "match_s": "one suspect asked and read"}
    with canvas(study, "cost", 1, 1, (7, 0.3 * len(rows) + 1.2)) as (figure, axes):
        axis = axes[0][0]
        for offset, (column, label) in enumerate(parts.items()):
            heights = np.arange(len(rows)) + (offset - 1) * 0.27
            axis.barh(heights, [row[column] for row in rows], 0.25, label=label)
        axis.set_yticks(range(len(rows)), [f"{row['method']} ({row['queries']})" for row in rows], fontsize=7)
        axis.set_xscale("log")
        axis.set_xlabel("seconds, one run on one machine", fontsize=8)
        axis.tick_params(axis="x", labelsize=7)
        axis.grid(axis="x", alpha=0.3)
        axis.invert_yaxis()
        figure.suptitle(f"{study.domain.name}, {study.dataset}: what each fingerprint (queries) costs", fontsize=10)
        figure.legend(loc="outside lower center", fontsize=8, ncols=3)
    return path_of(study, "cost")


def extraction(study: Study, methods: list[Method], rows: list[dict]) -> Path | None:
    """AUC of the extraction sweep's students by how many inputs were asked (left), and by what they learnt (right)."""
    if not rows:
        return None
    with canvas(study, "extraction", 1, 2, (10.5, 4.6)) as (figure, axes):
        asked, learnt = axes[0]
        sizes = sorted({row["asked"] for row in rows})
        for number, method in enumerate(methods):
            style = {"color": pyplot.get_cmap("tab20")(number % 20), "ms": 4, "lw": 1.2, "alpha": 0.8}
            if method.name == METHOD:
                style |= {"color": "black", "lw": 2.2}
            own = [row for row in rows if (row["method"], row["output"], row["representation"]) == method.reading]
            means = [np.mean([row["beats"] for row in own if row["asked"] == size]) for size in sizes]
            asked.plot(sizes, means, "o-", label=_title(method), **style)
            learnt.plot([row["fidelity"] for row in own], [row["beats"] for row in own], "o", **style)
        asked.set_xscale("log")
        asked.set_xticks(sizes, sizes)
        asked.minorticks_off()
        asked.set_xlabel("inputs asked of the source, mean over the students", fontsize=8)
        learnt.set_xlabel("fidelity (agreement with the source on test), each student", fontsize=8)
        for axis in axes[0]:
            axis.axhline(0.5, color="grey", lw=0.7, ls=":")
            axis.set_ylim(-0.03, 1.03)
            axis.set_ylabel("AUC against all independents", fontsize=8)
            axis.tick_params(labelsize=7)
        figure.suptitle(f"{study.domain.name}, {study.dataset}: how much a thief by extraction must ask", fontsize=10)
        figure.legend(*asked.get_legend_handles_labels(), loc="outside right center", fontsize=7)
    return path_of(study, "extraction")


def erasure(study: Study, methods: list[Method], rows: list[dict]) -> Path:
    """Mean AUC over the thefts of the same task before (hollow) and after each way of answering back, by method."""
    wanted = [row for row in rows if row["negatives"] == "all" and row["attack"] in ("mean_same_task", "removal")]
    answers = list(dict.fromkeys(row["attack_on_queries"] for row in wanted))
    with panels(study, "erasure", methods, 0.2 * len(answers) + 0.5, 0.9) as grid:
        for axis, method in grid:
            reading = (method.name, method.output, method.representation.__name__)
            for row in wanted:
                if (row["method"], row["output"], row["representation"]) == reading:
                    height = len(answers) - 1 - answers.index(row["attack_on_queries"])
                    before, after = row["auc_before"], row["auc_after"]
                    axis.plot([row["auc_low"], row["auc_high"]], [height] * 2, lw=3, alpha=0.25, color="#c0392b")
                    axis.plot([before, after], [height] * 2, lw=0.9, color="#666666")
                    axis.plot(before, height, "o", ms=5, mfc="white", color="#2471a3", label="honest")
                    axis.plot(after, height, "o", ms=4, color="#c0392b", label="answering back, 95% interval")
            axis.axvline(0.5, color="grey", lw=0.7, ls=":")
            axis.set_xlim(0, 1.03)
            axis.set_yticks(range(len(answers)), reversed(answers), fontsize=7)
            axis.tick_params(axis="x", labelsize=7)
            axis.grid(axis="x", alpha=0.3)
            axis.label_outer()
        axis.figure.suptitle(
            f"{study.domain.name}, {study.dataset}: AUC over the thefts of the same task when the thief answers back",
            fontsize=10,
        )
        handles, labels = axis.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        axis.figure.legend(unique.values(), unique, loc="outside lower center", fontsize=8, ncols=2)
    return path_of(study, "erasure")


def _pairs(method: Method, pool: list[Suspect], scores: dict) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    def distances(*kinds: str) -> np.ndarray:
        own = scores[method.key]
        return np.array([own[s.model.name] for s in pool if s.model.kind in kinds and s.model.name in own])

    for name, kind in KINDS.items():
        pirated, independent = distances(name), distances(*suspects.negatives_of("all", kind.on_target))
        if kind.role == "pirated" and len(pirated) and len(independent):
            yield name, pirated, independent


def _answer(study: Study, fingerprint: Fingerprint, index: int) -> str:
    probability, label = torch.softmax(fingerprint.source_logits[index], 0).max(0)
    return f"{study.classes[label]} {probability:.2f}\n(truth {study.classes[fingerprint.truth[index]]})"


def _title(method: Method) -> str:
    return f"{method.name}: {method.representation.__name__.replace('_', ' ')}, {method.output}"


def path_of(study: Study, name: str) -> Path:
    return folder() / f"{study.domain.name}-{study.dataset}-{study.zoo}-{name}.png"


@contextmanager
def panels(study: Study, name: str, methods: list[Method], height: float, extra: float) -> Iterator[list[tuple]]:
    """One titled axis per method, `height` inches each and `extra` for the whole figure."""
    columns = min(COLUMNS, len(methods))
    rows = -(-len(methods) // columns)
    with canvas(study, name, rows, columns, (3.3 * columns + 1, height * rows + extra)) as (_, axes):
        for axis in axes.flat[len(methods) :]:
            axis.remove()
        grid = list(zip(axes.flat, methods, strict=False))
        for axis, method in grid:
            axis.set_title(_title(method), fontsize=8)
        yield grid


@contextmanager
def canvas(
    study: Study, name: str, rows: int, columns: int, size: tuple[float, float], projection: str | None = None
) -> Iterator[tuple]:
    figure, axes = pyplot.subplots(
        rows, columns, figsize=size, squeeze=False, layout="constrained", subplot_kw={"projection": projection}
    )
    try:
        yield figure, axes
        with files.atomic(path_of(study, name)) as temporary:
            figure.savefig(temporary, dpi=DPI, format="png", metadata={"Software": None})
    finally:
        pyplot.close(figure)
