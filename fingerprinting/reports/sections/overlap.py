"""Independent models by their share of the owner's data: page, CSV file and figure of the overlap sweep."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from fingerprinting.core import storage
from fingerprinting.core.markdown import markdown_table
from fingerprinting.fingerprints.registry import Method, identity_of
from fingerprinting.reports.figures.canvas import COLOURS, panels, path_of
from fingerprinting.reports.formats import write_topic
from fingerprinting.reports.judged import Judged
from fingerprinting.reports.pages import page_path, study_folders
from fingerprinting.reports.table_cells import REPRESENTATIONS, names
from fingerprinting.study.records import Records

COLUMNS = (
    "tier,domain,dataset,method,output,representation,relation,architecture,overlap,n,distance,threshold,flagged,"
    "test_accuracy,fidelity"
)
RELATIONS = {"same": "o-", "other": "s--"}  # the source's architecture, and another


@storage.alone_in_results()
def write() -> None:
    """overlap.csv over all studies, and a page of Markdown for each."""
    rows = {name: Records.at(name, "overlap").rows() for name in study_folders()}
    write_topic("overlap", COLUMNS, [row for found in rows.values() for row in found])
    for name, found in rows.items():
        if found:
            storage.write_text(page_path(name, "overlap"), page(name, found))


def page(study_folder: str, records: list[dict]) -> str:
    """A line per method and architecture, a column per overlap: distance in units of the threshold."""
    domain, dataset, tier = study_folder.split("/")
    rows = sorted(records, key=lambda row: REPRESENTATIONS.index(identity_of(row)))
    overlaps = sorted({row["overlap"] for row in rows})
    lines: dict[tuple, dict[float, dict]] = defaultdict(dict)
    for row in rows:
        lines[identity_of(row), row["relation"], row["architecture"]][row["overlap"]] = row
    head = [
        "fingerprint",
        "representation, output",
        "architecture",
        *(f"{overlap:g}" for overlap in overlaps),
        "flagged",
    ]
    cells = [
        [*names(representation), f"{relation} ({architecture})"]
        + [_in_thresholds(found[overlap]) if overlap in found else "" for overlap in overlaps]
        + [f"{sum(row['flagged'] for row in found.values())} of {sum(row['n'] for row in found.values())}"]
        for (representation, relation, architecture), found in lines.items()
    ]
    note = (
        "Distance of independent models to the source, divided by the threshold from the owner's reference models, by "
        "the share of the owner's data that they were trained on (columns). A model is flagged up to 1."
    )
    title = f"# Overlap with the owner's data: {domain}, {dataset}, {tier} tier"
    return "\n".join([title, "", note, "", *markdown_table(head, cells), ""])


def _in_thresholds(row: dict) -> str:
    return f"{row['distance'] / row['threshold']:.2f}" if row["threshold"] > 0 else f"{row['distance']:.3g} / 0"


def figure(study_folder: str, methods: list[Method], pool: list[Judged], rows: list[dict]) -> Path | None:
    """Distance against overlap, one panel per method; shaded: interquartile range of the same-task stolen models."""
    if not rows:
        return None
    attacks = [model for model in pool if model.row.role == "pirated" and not model.row.on_target]
    title = "distance of independent models by their share of the owner's data"
    with panels(study_folder, "overlap", title, methods, 2.6, 1.0) as grid:
        for axis, method in grid:
            own = [row for row in rows if identity_of(row) == method.identity]
            low, high = np.quantile([model.distances[method.key] for model in attacks], [0.25, 0.75])
            axis.axhspan(low, high, color=COLOURS["pirated"], alpha=0.15, lw=0, label="stolen, interquartile range")
            axis.axhline(own[0]["threshold"], color="grey", lw=0.8, ls=":", label="threshold from reference models")
            for relation, style in RELATIONS.items():
                found = sorted((row["overlap"], row["distance"]) for row in own if row["relation"] == relation)
                if found:
                    colour, label = COLOURS["independent"], f"{relation} architecture"
                    axis.plot(*np.array(found).T, style, ms=3, lw=1, color=colour, label=label)
            axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
            axis.set_xlabel("share of the owner's data", fontsize=7)
            axis.tick_params(labelsize=7)
        axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=4)
    return path_of(study_folder, "overlap")
