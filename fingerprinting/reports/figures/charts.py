"""Charts of rows of records: AUC by stealing attack, costs, the query-budget sweep, the adaptive adversary."""

from pathlib import Path

import numpy as np

from fingerprinting.fingerprints.registry import Method, identity_of
from fingerprinting.models import suspects
from fingerprinting.reports.figures.canvas import BLUE, GREEN, ORANGE, SKY, VERMILION, canvas, panels, path_of, title_of


def attacks(study_folder: str, methods: list[Method], rows: list[dict]) -> Path:
    """AUC of every attack (columns) against all independents by every representation (lines), as colour and number."""
    found = {(identity_of(row), row["attack"]): row["auc"] for row in rows}
    names = [name for name in suspects.ATTACKS if any(attack == name for _, attack in found)]
    lines = [method for method in methods if any((method.identity, name) in found for name in names)]
    values = np.array([[found.get((method.identity, name), np.nan) for name in names] for method in lines])
    title, size = (
        "AUC of each stealing attack against all independent models",
        (0.75 * len(names) + 3.2, 0.24 * len(lines) + 1.6),
    )
    with canvas(study_folder, "attacks", title, 1, 1, size) as (figure, axes):
        axis = axes[0][0]
        image = axis.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for line, column in np.argwhere(~np.isnan(values)):
            shade = "white" if values[line, column] < 0.6 else "black"
            text = f"{values[line, column]:.2f}"
            axis.text(column, line, text, ha="center", va="center", fontsize=6.5, color=shade)
        axis.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=7)
        axis.set_yticks(range(len(lines)), map(title_of, lines), fontsize=7)
        figure.colorbar(image, ax=axis, shrink=0.6, label="AUC (0.5 is chance)").ax.tick_params(labelsize=7)
    return path_of(study_folder, "attacks")


def cost(study_folder: str, rows: list[dict]) -> Path:
    """Seconds to make a fingerprint, to train the models it needs besides, and to match one suspect (TIFS Fig. 3)."""
    parts = {"generate_s": "queries", "extra_models_s": "reference models", "match_s": "matching one suspect"}
    title = "cost of each fingerprint (number of queries)"
    with canvas(study_folder, "cost", title, 1, 1, (7, 0.3 * len(rows) + 1.2)) as (figure, axes):
        axis = axes[0][0]
        for offset, (column, label) in enumerate(parts.items()):
            heights = np.arange(len(rows)) + (offset - 1) * 0.27
            axis.barh(heights, [row[column] for row in rows], 0.25, label=label, color=(BLUE, SKY, ORANGE)[offset])
        axis.set_yticks(range(len(rows)), [f"{row['method']} ({row['queries']})" for row in rows], fontsize=7)
        axis.set_xscale("log")
        axis.set_xlabel("seconds, one run on one machine", fontsize=8)
        axis.tick_params(axis="x", labelsize=7)
        axis.grid(axis="x", alpha=0.3)
        axis.invert_yaxis()
        figure.legend(loc="outside lower center", fontsize=8, ncols=3)
    return path_of(study_folder, "cost")


def extraction(study_folder: str, methods: list[Method], telling: list[Method], rows: list[dict]) -> Path | None:
    """AUC of the query-budget sweep's students by number of inputs queried (left), and by fidelity (right).

    telling: the methods that have a colour; the others are grey.
    """
    if not rows:
        return None
    colours = dict(zip((method.key for method in telling), (VERMILION, BLUE, GREEN, ORANGE), strict=False))
    with canvas(study_folder, "extraction", "query budget of extraction", 1, 2, (8.5, 3.8)) as (
        figure,
        axes,
    ):
        asked, learnt = axes[0]
        sizes = sorted({row["asked"] for row in rows})
        for method in sorted(methods, key=lambda method: method.key in colours):
            named = method.key in colours
            style = {
                "color": colours.get(method.key, "#bbbbbb"),
                "ms": 4 if named else 2.5,
                "lw": 1.8 if named else 0.8,
            }
            own = [row for row in rows if identity_of(row) == method.identity]
            means = [np.mean([row["beats"] for row in own if row["asked"] == size]) for size in sizes]
            label = title_of(method) if named else None
            asked.plot(sizes, means, "o-", label=label, **style)
            if named:
                learnt.plot([row["fidelity"] for row in own], [row["beats"] for row in own], "o", **style)
        asked.plot([], [], "-", color="#bbbbbb", lw=0.8, label="others")
        asked.set_xscale("log")
        asked.set_xticks(sizes, sizes)
        asked.minorticks_off()
        asked.set_xlabel("inputs queried, mean over the students", fontsize=8)
        learnt.set_xlabel("fidelity (agreement with the source on test), each student", fontsize=8)
        for axis in axes[0]:
            axis.axhline(0.5, color="grey", lw=0.7, ls=":")
            axis.set_ylim(-0.03, 1.03)
            axis.set_ylabel("AUC against all independent models", fontsize=8)
            axis.tick_params(labelsize=7)
        figure.legend(*asked.get_legend_handles_labels(), loc="outside lower center", fontsize=7, ncols=3)
    return path_of(study_folder, "extraction")


def erasure(study_folder: str, methods: list[Method], rows: list[dict]) -> Path:
    """Mean AUC over the same-task attacks before (hollow) and after each move of an adaptive adversary, by method."""
    wanted = [row for row in rows if row["negatives"] == "all" and row["attack"] in ("mean_same_task", "removal")]
    moves = list(dict.fromkeys(row["attack_on_queries"] for row in wanted))
    title = "mean AUC over the stealing attacks of the same task, adaptive adversary"
    with panels(study_folder, "erasure", title, methods, 0.2 * len(moves) + 0.5, 0.9) as grid:
        for axis, method in grid:
            for row in wanted:
                if identity_of(row) == method.identity:
                    height = len(moves) - 1 - moves.index(row["attack_on_queries"])
                    before, after = row["auc_before"], row["auc_after"]
                    axis.plot([row["auc_low"], row["auc_high"]], [height] * 2, lw=3, alpha=0.25, color=VERMILION)
                    axis.plot([before, after], [height] * 2, lw=0.9, color="#666666")
                    axis.plot(before, height, "o", ms=5, mfc="white", color=BLUE, label="not adaptive")
                    axis.plot(after, height, "o", ms=4, color=VERMILION, label="adaptive, 95% interval")
            axis.axvline(0.5, color="grey", lw=0.7, ls=":")
            axis.set_xlim(0, 1.03)
            axis.set_yticks(range(len(moves)), reversed(moves), fontsize=7)
            axis.tick_params(axis="x", labelsize=7)
            axis.grid(axis="x", alpha=0.3)
            axis.label_outer()
        handles, labels = axis.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        axis.figure.legend(unique.values(), unique, loc="outside lower center", fontsize=8, ncols=2)
    return path_of(study_folder, "erasure")
