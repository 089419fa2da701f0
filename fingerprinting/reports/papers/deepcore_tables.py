"""DeepCore's Tables I to V line by line: a file each, with the published numbers beside those of every study here."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from fingerprinting.core import storage
from fingerprinting.core.markdown import markdown_table
from fingerprinting.deepcore.published_types import TYPES
from fingerprinting.reports import pages
from fingerprinting.reports.papers.deepcore_comparison import METHODS, distances, table_4, table_5, types_of
from fingerprinting.reports.papers.published_deepcore import LABELS, PER_EPOCHS, SOURCE, TABLE_1, TABLE_2, TABLE_3
from fingerprinting.study.domain import COMMITTED
from fingerprinting.study.records import Records
from fingerprinting.study.study import tier_of

STARTED = "RP"  # a point before its training
MADE_BY = (
    "Models of VARIANT=deepcore_paper were trained for these tables, and are others than those of the usual study; the "
    "commands: [docs/papers.md](../../docs/papers.md)."
)
DIFFERS = (
    "The paper has ResNet and DenseNet on CIFAR-10 and CIFAR-100, and gives neither its step size nor its networks' "
    "depths: directions can be compared, sizes cannot. Here attackers and partly overlapping independent models draw "
    "from the same two fifths of the data, in the paper from parts of their own."
)

Rows = list[list[str]]


@storage.alone_in_results()
def write() -> None:
    """A file per table, about all committed studies that have what it shows; none where no study has."""
    for number, (title, studies, body) in TABLES.items():
        if found := studies():
            lines = [f"# DeepCore, Table {number}: {title}", "", f"Published: {SOURCE}. {DIFFERS} {MADE_BY}", ""]
            storage.write_text(path_of(number), "\n".join([*lines, *body(found), ""]))


def path_of(number: int) -> Path:
    return pages.folder() / f"deepcore-table-{number}.md"


def studies_by_label() -> list[str]:
    """Those that recorded the points label by label, and have models of each group."""
    return [study for study in _committed("deepcore_labels") if _labels(study)]


def studies_by_distance() -> list[str]:
    """Those of vision in which models of each group were scored by DeepCore; replicates are left out."""
    found = [study for study in _committed("deepcore_models") if "-split_" not in study and study.startswith("cv/")]
    return [study for study in found if all(map(len, distances(study, METHODS["DeepCore (Cos_dist)"]).values()))]


def _committed(topic: str) -> list[str]:
    return pages.in_order(study for study in pages.with_records(topic) if tier_of(study.split("/")[2]) in COMMITTED)


def _labels(study: str) -> dict[tuple[int, int], dict]:
    """(steps, label) -> its row, where it has both groups."""
    rows = Records.at(study, "deepcore_labels").rows()
    return {(row["steps"], row["label"]): row for row in rows if "homologous" in row and "stolen" in row}


def table_1(studies: list[str]) -> list[str]:
    """Numbers of models by type."""
    counted = {study: Counter(types_of(study).values()) for study in studies}
    rows = [["published", *map(str, TABLE_1.values())]]
    rows += [[pages.heading(study), *(str(counts[name]) for name in TYPES)] for study, counts in counted.items()]
    return markdown_table(["models", *TYPES], rows)


def table_2(studies: list[str]) -> list[str]:
    """Radius and score by label and number of steps, and whether they grow together: the paper's first insight."""
    rows: Rows = []
    for core, published in TABLE_2.items():
        rows.append([f"Core_{core}, published", *(f"{radius:.2f}, {score:.2f}" for radius, score in published)])
        for study in studies:
            found = at(study, core * PER_EPOCHS)
            cells = [f"{found[label]['radius']:.2f}, {found[label]['score']:.2f}" for label in _shown(found)]
            rows.append([f"Core_{core}, {pages.heading(study)}", *cells])
    said = [
        "Radius (L2), score (logit) of the core point of each label. Core_i: after i × 100 steps of training.",
        "",
        *markdown_table(["cores", *map(str, LABELS)], rows),
        "",
        "**Insight 1, the higher a core point's score, the farther it is from the boundary.** From Core_1 to Core_3 "
        f"the score grows for {_grown(TABLE_2, 1)} of {len(LABELS)} published labels and the radius for "
        f"{_grown(TABLE_2, 0)}.",
    ]
    for study in studies:
        first, last = at(study, PER_EPOCHS), at(study, PER_EPOCHS * max(TABLE_2))
        both = [
            last[label]["radius"] > first[label]["radius"] and last[label]["score"] > first[label]["score"]
            for label in first
        ]
        said += [f"{pages.heading(study)}: both grow for {sum(both)} of {len(both)} labels{_verdict(all(both))}."]
    return said


def _grown(cores: dict, which: int) -> int:
    return sum(after[which] > before[which] for before, after in zip(cores[1], cores[max(cores)], strict=True))


def table_3(studies: list[str]) -> list[str]:
    """By how much scores lie below the source's: the paper's second and third insight."""
    rows: Rows = []
    for name, published in TABLE_3.items():
        rows.append([f"{name}, published", *(f"{mean:.2f} ± {off:.2f}" for mean, off in published), _mean(published)])
        group = "homologous" if name.endswith("_h") else "stolen"
        for study in studies:
            found = at(study, _steps(name))
            cells = [(found[label][group], found[label][f"{group}_std"]) for label in found]
            shown = [f"{mean:.2f} ± {off:.2f}" for mean, off in cells[: len(LABELS)]]
            rows.append([f"{name}, {pages.heading(study)}", *shown, _mean(cells)])
    said = [
        "The source's score less a model's, at the core point of each label: mean ± standard deviation over homologous "
        "(h) and stolen models (p). RP: a random image, before training; CP_i: after i × 100 steps.",
        "",
        *markdown_table(["models", *map(str, LABELS), "all labels"], rows),
        "",
        "**Insight 2, stolen models are nearer than homologous ones at core points; insight 3, the larger the radius, "
        f"the larger that gap.** Published: nearer for {_nearer_published()} of {len(LABELS)} labels at CP_3; the "
        f"gap's mean is {_series(gaps_published())} at RP, CP_1, CP_2, CP_3.",
    ]
    for study in studies:
        said += _insights(study)
    return said


def _insights(study: str) -> list[str]:
    """Insights 2 and 3 on one study, of all stolen models, of modified and of extracted ones."""
    lines = []
    for group in ("stolen", "modified", "extracted"):
        if not (gaps := gaps_of(study, group))[-1]:
            continue
        means = means_of(gaps)
        nearer = sum(gap > 0 for gap in gaps[-1])
        grows = all(before < after for before, after in pairwise(means))
        lines += [
            "",
            f"{pages.heading(study)}, {group} models: nearer for {nearer} of {len(gaps[-1])} labels at CP_3 (insight 2 "
            f"{_holds(nearer == len(gaps[-1]))}); the gap's mean is {_series(means)} (insight 3 {_holds(grows)}).",
        ]
    return lines


def gaps_of(study: str, group: str) -> list[list[float]]:
    """By how much each label's homologous models lie farther than those of a group: at RP, CP_1, CP_2 and CP_3."""
    stages = [at(study, steps).values() for steps in (0, *(core * PER_EPOCHS for core in TABLE_2))]
    return [[row["homologous"] - row[group] for row in rows if group in row] for rows in stages]


def means_of(gaps: list[list[float]]) -> list[float]:
    return [float(np.mean(found)) for found in gaps]


def _nearer_published() -> int:
    return sum(h > p for (h, _), (p, _) in zip(TABLE_3["CP_3_h"], TABLE_3["CP_3_p"], strict=True))


def means_published() -> str:
    """Mean radius and score at CP_3."""
    return ", ".join(f"{np.mean([cell[which] for cell in TABLE_2[max(TABLE_2)]]):.2f}" for which in (0, 1))


def gaps_published() -> list[float]:
    """By how much homologous models lie farther than stolen ones: the mean over labels at RP, CP_1, CP_2 and CP_3."""
    pairs = [(f"{name}_h", f"{name}_p") for name in (STARTED, *(f"CP_{core}" for core in TABLE_2))]
    return [float(np.mean([h for h, _ in TABLE_3[one]]) - np.mean([p for p, _ in TABLE_3[two]])) for one, two in pairs]


def at(study: str, steps: int) -> dict[int, dict]:
    """Label -> its row after so many steps, or after the last ones before."""
    rows = _labels(study)
    reached = max(there for there, _ in rows if there <= steps)
    return {label: row for (there, label), row in sorted(rows.items()) if there == reached}


def _shown(found: dict[int, dict]) -> list[int]:
    """The labels that a row of the published width has room for."""
    return list(found)[: len(LABELS)]


def _steps(name: str) -> int:
    return 0 if name.startswith(STARTED) else int(name.split("_")[1]) * PER_EPOCHS


def _mean(cells) -> str:
    return f"{np.mean([mean for mean, _ in cells]):.2f}"


def _series(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def _holds(it_does: bool) -> str:
    return "holds" if it_does else "does not hold throughout"


def _verdict(it_does: bool) -> str:
    return f": insight 1 {_holds(it_does)}"


# Number of a table -> (its title, the studies that it shows, its lines).
TABLES: dict[int, tuple[str, Callable[[], list[str]], Callable[[list[str]], list[str]]]] = {
    1: ("type and number of models", studies_by_distance, table_1),
    2: ("core radii and scores", studies_by_label, table_2),
    3: ("score differences between models and the source", studies_by_label, table_3),
    4: ("comparison with baselines", studies_by_distance, table_4),
    5: ("ways to cluster", studies_by_label, table_5),
}
