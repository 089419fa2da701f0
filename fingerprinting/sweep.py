"""The overlap sweep (DeepCore): does a method accuse honest models the more of the owner's data they have seen?"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from fingerprinting import files, runtime, statistics, tables
from fingerprinting.figures import COLOURS, panels, path_of
from fingerprinting.methods import METHODS, Method
from fingerprinting.records import Records
from fingerprinting.study import Study
from fingerprinting.suspects import Suspect

COLUMNS = (
    "tier,domain,dataset,method,output,representation,design,architecture,overlap,n,distance,threshold,accused,"
    "test_accuracy,fidelity"
)
DESIGNS = {"same": "o-", "other": "s--"}  # the source's architecture, and another


def overlap_rows(
    study: Study,
    method: Method,
    swept: list[Suspect],
    distances: dict[str, float],
    references: list[Suspect],
    agreement: dict[str, float | None],
) -> list[dict]:
    """One row per architecture and share of the owner's data: mean distance, and how many of n models are accused.

    The threshold is the one that tells the owner's own thefts from its own independents best; without both, no rows.
    """
    known = [
        np.array([distances[suspect.model.name] for suspect in references if suspect.kind.role == role])
        for role in ("pirated", "independent")
    ]
    if not all(map(len, known)):
        return []
    threshold = statistics.threshold(*known)
    groups: dict[tuple[str, float], list[Suspect]] = defaultdict(list)
    for suspect in (suspect for suspect in swept if suspect.model.kind == "overlap"):
        groups[suspect.model.architecture, suspect.metadata["settings"]["options"]["overlap"]].append(suspect)
    rows = []
    for (architecture, overlap), models in groups.items():
        found = np.array([distances[suspect.model.name] for suspect in models])
        rows.append(
            {
                "key": f"{study.folder}/{method.key}/{architecture}/{overlap:g}",
                **study.columns,
                **method.columns,
                "design": "same" if architecture == study.source_architecture else "other",
                "architecture": architecture,
                "overlap": overlap,
                "n": len(models),
                "distance": found.mean(),
                "threshold": threshold,
                "accused": int((found <= threshold).sum()),
                "test_accuracy": np.mean([suspect.metadata["test_accuracy"] for suspect in models]),
                "fidelity": np.mean([agreement[suspect.model.name] for suspect in models]),
                "provenance": runtime.provenance(study.device),
            }
        )
    return rows


@files.alone_in_results()
def write() -> None:
    """overlap.csv over all studies, and a page of Markdown for each."""
    rows = {name: _rows(name) for name in tables.study_folders()}
    tables.write_csv(tables.folder() / "overlap.csv", COLUMNS, [row for found in rows.values() for row in found])
    for name, found in rows.items():
        if found:
            files.write_text(page_path(name), page(name))


def page_path(study_folder: str) -> Path:
    return tables.folder() / f"{study_folder.replace('/', '-')}-overlap.md"


def page(study_folder: str) -> str:
    """A line per method and architecture, a column per overlap: distance in units of the threshold."""
    domain, dataset, tier = study_folder.split("/")
    order = [method.reading for method in METHODS]
    rows = sorted(
        _rows(study_folder), key=lambda row: order.index((row["method"], row["output"], row["representation"]))
    )
    overlaps = sorted({row["overlap"] for row in rows})
    lines: dict[tuple, dict[float, dict]] = defaultdict(dict)
    for row in rows:
        reading = f"{row['representation'].replace('_', ' ')}, {row['output']}"
        lines[row["method"], reading, row["design"], row["architecture"]][row["overlap"]] = row
    head = ["fingerprint", "reading, output", "architecture", *(f"{overlap:g}" for overlap in overlaps), "accused"]
    cells = [
        [name, reading, f"{design} ({architecture})"]
        + [_in_thresholds(found[overlap]) if overlap in found else "" for overlap in overlaps]
        + [f"{sum(row['accused'] for row in found.values())} of {sum(row['n'] for row in found.values())}"]
        for (name, reading, design, architecture), found in lines.items()
    ]
    note = (
        "Honest models that saw a rising share of the owner's data (columns): distance to the source divided by the "
        "threshold from the owner's reference models, up to 1 they are accused."
    )
    title = f"# Overlap with the owner's data: {domain}, {dataset}, {tier} tier"
    return "\n".join([title, "", note, "", *tables.markdown_table(head, cells), ""])


def figure(study: Study, methods: list[Method], pool: list[Suspect], scores: dict, rows: list[dict]) -> Path | None:
    """Distance against overlap, one panel per method; shaded: the middle half of the thefts of the same task."""
    if not rows:
        return None
    with panels(study, "overlap", methods, 2.6, 1.0) as grid:
        for axis, method in grid:
            own = [row for row in rows if (row["method"], row["output"], row["representation"]) == method.reading]
            thefts = [s.model.name for s in pool if s.kind.role == "pirated" and not s.kind.on_target]
            low, high = np.quantile([scores[method.key][name] for name in thefts], [0.25, 0.75])
            axis.axhspan(low, high, color=COLOURS["pirated"], alpha=0.15, lw=0, label="middle half of thefts")
            axis.axhline(own[0]["threshold"], color="grey", lw=0.8, ls=":", label="threshold from references")
            for design, style in DESIGNS.items():
                found = sorted((row["overlap"], row["distance"]) for row in own if row["design"] == design)
                if found:
                    colour, label = COLOURS["independent"], f"{design} architecture"
                    axis.plot(*np.array(found).T, style, ms=3, lw=1, color=colour, label=label)
            axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
            axis.set_xlabel("share of the owner's data", fontsize=7)
            axis.tick_params(labelsize=7)
        axis.figure.suptitle(
            f"{study.domain.name}, {study.dataset}: distance of honest models by the share of owner's data they saw",
            fontsize=10,
        )
        axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=4)
    return path_of(study, "overlap")


def _in_thresholds(row: dict) -> str:
    return f"{row['distance'] / row['threshold']:.2f}" if row["threshold"] > 0 else f"{row['distance']:.3g} / 0"


def _rows(study_folder: str) -> list[dict]:
    return Records.at(study_folder, "overlap").rows()
