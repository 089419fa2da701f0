"""What a verdict costs, as pictures: AUC over queries, and a map of models and queries to choose from."""

from pathlib import Path

import numpy as np

from fingerprinting.evaluation.price import GRID, by_spending
from fingerprinting.reports.figures.canvas import LINES, canvas, path_of

Place = tuple[int, int]  # numbers of twins and of pairs


def curves(study_folder: str, records: list[dict]) -> Path:
    """Mean AUC by number of queries, a line for each number of twins; dashed: the least attack."""
    rows = [row for row in by_spending(records).values() if row["study"] == GRID]
    counts = sorted({row["twins"] for row in rows})
    with canvas(study_folder, "price", "AUC over queries, by number of twins", 1, 1, (6, 4)) as (drawn, axes):
        axis = axes[0][0]
        for colour, count in zip(LINES, counts, strict=False):
            own = sorted((row for row in rows if row["twins"] == count), key=lambda row: row["queries"])
            asked = [row["queries"] for row in own]
            label = f"{count} twin{'s' * (count != 1)}"
            axis.plot(asked, [row["auc"] for row in own], "o-", ms=3.5, color=colour, label=label)
            axis.plot(asked, [row["auc_least"] for row in own], "--", lw=0.9, color=colour)
        axis.plot([], [], "--", lw=0.9, color="#666666", label="lowest AUC of an attack")
        axis.axhline(0.5, color="grey", lw=0.7, ls=":")
        axis.set_xscale("log")
        ticks = sorted({row["queries"] for row in rows})
        axis.set_xticks(ticks, ticks)
        axis.minorticks_off()
        axis.set_xlabel("queries", fontsize=8)
        axis.set_ylabel("mean AUC against all independent models", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
        drawn.legend(loc="outside lower center", fontsize=7, ncols=4)
    return path_of(study_folder, "price")


def chart(study_folder: str, records: list[dict]) -> Path:
    """Mean and least AUC (colour: mean) for all that can be spent: models down, cheapest first, queries across."""
    found = by_spending(records)
    seconds = {(twins, pairs): row["seconds"] / row["source_seconds"] for (twins, pairs, _), row in found.items()}
    places, queries = sorted(seconds, key=lambda place: (seconds[place], place)), sorted({n for *_, n in found})
    values = np.array([[found.get((*place, n), {}).get("auc", np.nan) for n in queries] for place in places])
    size = (0.95 * len(queries) + 3, 0.32 * len(places) + 1.4)
    title = "mean AUC (lowest of an attack) by what is spent"
    with canvas(study_folder, "price-map", title, 1, 1, size) as (_, axes):
        axis = axes[0][0]
        axis.imshow(values, cmap="cividis", vmin=0.5, vmax=1, aspect="auto")
        for line, column in np.argwhere(~np.isnan(values)):
            row = found.get((*places[line], queries[column]), {})
            shade = "white" if row["auc"] < 0.8 else "black"
            text = f"{row['auc']:.3f} ({row['auc_least']:.2f})"
            axis.text(column, line, text, ha="center", va="center", fontsize=6.5, color=shade)
        axis.set_xticks(range(len(queries)), queries, fontsize=7)
        axis.set_yticks(range(len(places)), [_spent(place, seconds[place]) for place in places], fontsize=7)
        axis.set_xlabel("queries", fontsize=8)
        axis.set_ylabel("models to train; their time in trainings of the source", fontsize=8)
    return path_of(study_folder, "price-map")


def _spent(place: Place, trainings: float) -> str:
    twins, pairs = place
    parts = [f"{twins} twin{'s' * (twins != 1)}"] + [f"{pairs} pairs"] * (pairs > 0)
    return f"{' + '.join(parts)}: {trainings:.1f} x"
