"""Charts of rows of records: AUC by theft, costs, the extraction sweep, thieves that answer back."""

from pathlib import Path

import matplotlib
import numpy as np

from fingerprinting import suspects
from fingerprinting.methods import Method
from fingerprinting.reports.cells import in_words, reading_of
from fingerprinting.reports.figures import COLUMNS, canvas, panels, path_of, title_of
from fingerprinting.verdicts import METHOD


def radar(study_folder: str, methods: list[Method], rows: list[dict]) -> Path:
    """AUC of every theft against all independents, one web per fingerprint and a line per reading (TIFS Fig. 2)."""
    found = {(*reading_of(row), row["attack"]): row["auc"] for row in rows}
    names = list(dict.fromkeys(method.name for method in methods))
    thefts = [name for name in suspects.ATTACKS if any(key[-1] == name for key in found)]
    angles = np.linspace(0, 2 * np.pi, len(thefts), endpoint=False)
    lines = -(-len(names) // COLUMNS)
    size = (4.2 * COLUMNS, 3.3 * lines + 0.6)
    title = "AUC of each theft against all independents"
    with canvas(study_folder, "radar", title, lines, COLUMNS, size, projection="polar") as (_, axes):
        for axis in axes.flat[len(names) :]:
            axis.remove()
        for axis, name in zip(axes.flat, names, strict=False):
            for method in methods:
                values = [found.get((name, method.output, method.representation.__name__, theft)) for theft in thefts]
                if method.name == name and any(value is not None for value in values):
                    closed = np.array([*values, values[0]], float)
                    label = in_words(method.output, method.representation.__name__)
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
    return path_of(study_folder, "radar")


def cost(study_folder: str, rows: list[dict]) -> Path:
    """Seconds to make a fingerprint, to train the models it needs besides, and to match one suspect (TIFS Fig. 3)."""
    parts = {"generate_s": "queries", "extra_models_s": "models for reference", "match_s": "one suspect asked and read"}
    title = "what each fingerprint (queries) costs"
    with canvas(study_folder, "cost", title, 1, 1, (7, 0.3 * len(rows) + 1.2)) as (figure, axes):
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
        figure.legend(loc="outside lower center", fontsize=8, ncols=3)
    return path_of(study_folder, "cost")


def extraction(study_folder: str, methods: list[Method], rows: list[dict]) -> Path | None:
    """AUC of the extraction sweep's students by how many inputs were asked (left), and by what they learnt (right)."""
    if not rows:
        return None
    title = "how much a thief by extraction must ask"
    with canvas(study_folder, "extraction", title, 1, 2, (10.5, 4.6)) as (figure, axes):
        asked, learnt = axes[0]
        sizes = sorted({row["asked"] for row in rows})
        for number, method in enumerate(methods):
            style = {"color": matplotlib.colormaps["tab20"](number % 20), "ms": 4, "lw": 1.2, "alpha": 0.8}
            if method.name == METHOD:
                style |= {"color": "black", "lw": 2.2}
            own = [row for row in rows if reading_of(row) == method.reading]
            means = [np.mean([row["beats"] for row in own if row["asked"] == size]) for size in sizes]
            asked.plot(sizes, means, "o-", label=title_of(method), **style)
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
        figure.legend(*asked.get_legend_handles_labels(), loc="outside right center", fontsize=7)
    return path_of(study_folder, "extraction")


def erasure(study_folder: str, methods: list[Method], rows: list[dict]) -> Path:
    """Mean AUC over the thefts of the same task before (hollow) and after each way of answering back, by method."""
    wanted = [row for row in rows if row["negatives"] == "all" and row["attack"] in ("mean_same_task", "removal")]
    answers = list(dict.fromkeys(row["attack_on_queries"] for row in wanted))
    title = "AUC over the thefts of the same task when the thief answers back"
    with panels(study_folder, "erasure", title, methods, 0.2 * len(answers) + 0.5, 0.9) as grid:
        for axis, method in grid:
            for row in wanted:
                if reading_of(row) == method.reading:
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
        handles, labels = axis.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        axis.figure.legend(unique.values(), unique, loc="outside lower center", fontsize=8, ncols=2)
    return path_of(study_folder, "erasure")
