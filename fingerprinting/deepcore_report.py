"""DeepCore's tables and figures, from records and from what the models said."""

from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from fingerprinting import files, statistics, tables
from fingerprinting.attacks import KINDS
from fingerprinting.clustering import ALGORITHMS
from fingerprinting.figures import COLOURS, canvas, panels, path_of
from fingerprinting.hearing import SCORES, Hearing
from fingerprinting.matching import by_kind
from fingerprinting.records import Records
from fingerprinting.study import Study
from fingerprinting.tables import markdown_table

_PLACE = "tier,domain,dataset"
COLUMNS = {
    "deepcore_lengths": f"{_PLACE},steps,moving,confidence,radius,radius_min,radius_max,output,representation,"
    "tampered_n,tampered,extracted_n,extracted,homologous_n,homologous,irrelevant_n,irrelevant,auc_homologous,"
    "tampered_kept,extracted_kept,homologous_kept,irrelevant_kept",
    "deepcore_scores": f"{_PLACE},output,representation,kind,n,score,score_std,score_min,score_max,homologous,"
    "difference",
    "deepcore_clusters": f"{_PLACE},algorithm,clusters,negatives,named_by,n_pirated,mir,mir_low,mir_high,n_independent,"
    "fir,fir_low,fir_high",
    "deepcore_claims": f"{_PLACE},claim,measure,inputs,n,source,tampered,extracted,homologous,irrelevant",
}
GROUPS = {
    "tampered": ("fine_tune_last", "fine_tune_all", "prune", "adversarial"),
    "extracted": ("extract_labels", "extract_probabilities", "extract_adversarial"),
    "homologous": ("homologous",),
    "irrelevant": ("irrelevant",),
}
SHADES = dict(tampered="#c0392b", extracted="#e59866", homologous="#2471a3", irrelevant="#7fb3d5")
CLASSES = 10  # columns of the picture of core points


def grouped(distances: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kind -> distances of its models, gathered by GROUPS; a kind of which none was trained is left out."""
    return {
        name: np.concatenate([distances[kind] for kind in kinds if kind in distances]) for name, kinds in GROUPS.items()
    }


@files.alone_in_results()
def write() -> None:
    """CSV files over all studies with core points, and a page of Markdown for each."""
    folders = (files.results_dir() / "records").glob("*/*/*/deepcore_lengths.jsonl")
    studies = sorted(path.parent.relative_to(files.results_dir() / "records").as_posix() for path in folders)
    for topic, columns in COLUMNS.items():
        tables.write_csv(tables.folder() / f"{topic}.csv", columns, [row for s in studies for row in _rows(s, topic)])
    for study in studies:
        files.write_text(tables.folder() / f"{study.replace('/', '-')}-deepcore.md", page(study))


def page(study_folder: str) -> str:
    """Training length, score differences, clusterings and the paper's observations of one study."""
    domain, dataset, tier = study_folder.split("/")
    lines = [f"# DeepCore: {domain}, {dataset}, {tier} tier", ""]
    lines += [
        "Core points by how long they were trained: mean radius (L2) [lowest, highest], mean confidence, how many"
    ]
    lines += [
        "still move; per score its mean over tampered, extracted, homologous and irrelevant models, and the AUC of"
    ]
    lines += ["all thefts of the same task against homologous models.", ""]
    lines += [*_lengths(_rows(study_folder, "deepcore_lengths")), ""]
    lines += ["Scores at the core points: mean ± deviation; in brackets how far below the homologous models' mean.", ""]
    lines += [*_scores(_rows(study_folder, "deepcore_scores")), ""]
    lines += [
        "Clustering of all logits at the core points: missed (MIR) and false identification rate (FIR) [95% interval]"
    ]
    lines += [
        "where each suspect is clustered alone with the owner's reference models, whose roles name the clusters; in"
    ]
    lines += ["brackets as in the paper, all judged models together and the truth about them naming the clusters.", ""]
    lines += [*_clusters(_rows(study_folder, "deepcore_clusters")), ""]
    lines += ["What the paper observes, on these models.", ""]
    lines += _claims(_rows(study_folder, "deepcore_claims"))
    return "\n".join([*lines, ""])


def _lengths(rows: list[dict]) -> list[str]:
    lengths: dict[int, list[dict]] = {}
    for row in sorted(_in_order(rows), key=lambda row: row["steps"]):
        lengths.setdefault(row["steps"], []).append(row)
    first = next(iter(lengths.values()))
    counts = ", ".join(f"{first[0][f'{name}_n']} {name}" for name in GROUPS)
    heads = [_reading(row) for row in first]
    cells = [
        [str(steps), f"{row['radius']:.3f} [{row['radius_min']:.3f}, {row['radius_max']:.3f}]"]
        + [f"{row['confidence']:.4f}", str(row["moving"])]
        + [f"{', '.join(f'{r[name]:.3g}' for name in GROUPS)}; {r['auc_homologous']:.2f}" for r in found]
        for steps, (row, *_), found in ((steps, found, found) for steps, found in lengths.items())
    ]
    return [f"Models: {counts}.", "", *markdown_table(["steps", "radius", "confidence", "still moving", *heads], cells)]


def _scores(rows: list[dict]) -> list[str]:
    readings = list(dict.fromkeys(_reading(row) for row in _in_order(rows)))
    found = {(row["kind"], _reading(row)): row for row in rows}
    kinds = [kind for kind in KINDS if any(row["kind"] == kind for row in rows)]
    cells = []
    for kind in kinds:
        own = [found[kind, reading] for reading in readings]
        scores = [f"{row['score']:.3g} ± {row['score_std']:.2g} ({row['difference']:.3g})" for row in own]
        cells.append([kind, str(own[0]["n"]), *scores])
    return markdown_table(["kind", "n", *readings], cells)


def _clusters(rows: list[dict]) -> list[str]:
    found = {(row["algorithm"], row["negatives"], row["named_by"]): row for row in rows}
    cells = []
    for algorithm, negatives in dict.fromkeys((row["algorithm"], row["negatives"]) for row in rows):
        honest, paper = (found[algorithm, negatives, named_by] for named_by in ("references", "scored"))
        rates = [
            f"{honest[name]:.2f} [{honest[f'{name}_low']:.2f}, {honest[f'{name}_high']:.2f}] ({paper[name]:.2f})"
            for name in ("mir", "fir")
        ]
        cells.append([algorithm, negatives, f"{honest['n_pirated']} / {honest['n_independent']}", *rates])
    return markdown_table(["algorithm", "independents", "pirated / independent", "MIR", "FIR"], cells)


def _claims(rows: list[dict]) -> list[str]:
    columns = ("source", *GROUPS)
    cells = [
        [row["claim"], row["measure"], f"{row['n']} {row['inputs']}"]
        + ["" if row.get(name) is None else f"{row[name]:.2f}" for name in columns]
        for row in rows
    ]
    return markdown_table(["claim", "measure", "inputs", *columns], cells)


def draw(study: Study, hearing: Hearing, rows: list[dict], clusters: int) -> None:
    _points(study, hearing)
    _radius(study, hearing, rows)
    _strips(study, hearing)
    _projection(study, hearing, clusters)


def _points(study: Study, hearing: Hearing) -> Path:
    """The points of each class (columns) as they are trained (rows)."""
    metadata, targets = hearing.stages[-1].metadata, hearing.stages[-1].truth
    lengths = metadata["settings"]["lengths"]
    chosen = [int((targets == label).nonzero()[0]) for label in targets.unique()[:CLASSES]]
    size = (max(1.25 * len(chosen), 6.0) + 0.5, 1.5 * len(lengths))
    with canvas(study, "deepcore-points", len(lengths), len(chosen), size) as (figure, axes):
        figure.suptitle(f"{study.domain.name}, {study.dataset}: core points after so many steps", fontsize=9)
        for row, length in enumerate(lengths):
            moment = [moment for moment in metadata["trace"] if moment["step"] <= length][-1]
            axes[row][0].set_ylabel(f"{length} steps", fontsize=8)
            for axis, index in zip(axes[row], chosen, strict=True):
                study.domain.show(axis, hearing.stages[row].inputs[index])
                axis.set_xticks([])
                axis.set_yticks([])
                note = f"radius {moment['radius'][index]:.3g}, p {moment['confidence'][index]:.3f}"
                axis.set_xlabel(note, fontsize=5.5)
                if not row:
                    axis.set_title(study.classes[targets[index]], fontsize=7)
    return path_of(study, "deepcore-points")


def _radius(study: Study, hearing: Hearing, rows: list[dict]) -> Path:
    """Radius against training step, a line per point; and what that does to the scores."""
    trace = hearing.stages[-1].metadata["trace"]
    steps = [moment["step"] for moment in trace]
    with canvas(study, "deepcore-radius", 1, 1 + len(SCORES), (3 * (1 + len(SCORES)), 2.9)) as (figure, axes):
        radii = np.array([moment["radius"] for moment in trace])
        axes[0][0].plot(steps, radii, lw=0.7, color="grey", alpha=0.6)
        axes[0][0].plot(steps, radii.mean(1), lw=1.8, color="black", label="mean")
        axes[0][0].set_title("radius, a line per point", fontsize=8)
        axes[0][0].legend(fontsize=7)
        for axis, method in zip(axes[0][1:], SCORES, strict=True):
            reading = (method.output, method.representation.__name__)
            own = [row for row in rows if (row["output"], row["representation"]) == reading]
            for name in GROUPS:
                values = [row[name] for row in own]
                axis.plot([row["steps"] for row in own], values, "o-", ms=3, lw=1.2, color=SHADES[name], label=name)
            axis.set_title(f"mean score: {_reading(own[0])}", fontsize=8)
        for axis in axes[0]:
            axis.set_ylim(bottom=0)
            axis.set_xlabel("training step of the points", fontsize=7)
            axis.tick_params(labelsize=7)
        figure.suptitle(f"{study.domain.name}, {study.dataset}: core points in training", fontsize=9)
        figure.legend(*axes[0][-1].get_legend_handles_labels(), loc="outside lower center", fontsize=7, ncols=4)
    return path_of(study, "deepcore-radius")


def _strips(study: Study, hearing: Hearing) -> Path:
    """Every model a dot by kind, and the threshold that the owner's reference models give."""
    kinds = [kind for kind in KINDS if any(s.model.kind == kind for s in hearing.pool[1:])]
    with panels(study, "deepcore-scores", SCORES, 0.24 * len(kinds), 1.0) as grid:
        for axis, method in grid:
            distances = by_kind(hearing.pool[1:], hearing.distances(method, hearing.pool[1:]))
            known = by_kind(hearing.references, hearing.distances(method, hearing.references))
            sides = [
                np.concatenate([values for kind, values in known.items() if KINDS[kind].role == role])
                for role in ("pirated", "independent")
            ]
            for height, kind in enumerate(reversed(kinds)):
                values = distances[kind]
                axis.plot(values, [height] * len(values), "o", ms=4, alpha=0.6, color=COLOURS[KINDS[kind].role])
            axis.axvline(statistics.threshold(*sides), color="grey", lw=0.9, ls="--", label="threshold from references")
            axis.set_yticks(range(len(kinds)), reversed(kinds), fontsize=7)
            axis.tick_params(axis="x", labelsize=7)
            axis.set_xlim(left=0)
            axis.tick_params(axis="y", labelleft=axis.get_subplotspec().is_first_col())
        axis.figure.suptitle(f"{study.domain.name}, {study.dataset}: distance to the source at core points", fontsize=9)
        axis.figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", fontsize=7)
    return path_of(study, "deepcore-scores")


def _projection(study: Study, hearing: Hearing, clusters: int) -> Path:
    """The models' logits in their two principal directions: shape by role, colour by cluster."""
    features = hearing.features(hearing.pool)
    places = PCA(2).fit_transform(features)
    roles = np.array([suspect.kind.role for suspect in hearing.pool])
    with canvas(study, "deepcore-clusters", 1, len(ALGORITHMS), (3.2 * len(ALGORITHMS), 3.2)) as (figure, axes):
        for axis, (name, cluster) in zip(axes[0], ALGORITHMS.items(), strict=True):
            numbers = cluster(features, clusters)
            for role, marker, size in (("independent", "o", 22), ("pirated", "^", 26), ("source", "*", 130)):
                mine = roles == role
                colours = {"c": numbers[mine], "cmap": "Dark2", "vmin": 0, "vmax": 7}
                axis.scatter(*places[mine].T, marker=marker, s=size, alpha=0.75, label=role, **colours)
            axis.set_title(name, fontsize=8)
            axis.tick_params(labelsize=6)
        figure.suptitle(f"{study.domain.name}, {study.dataset}: models by their logits at core points", fontsize=9)
        figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", fontsize=7, ncols=3)
    return path_of(study, "deepcore-clusters")


def _reading(row: dict) -> str:
    return f"{row['representation'].replace('_', ' ')}, {row['output']}"


def _in_order(rows: list[dict]) -> list[dict]:
    """By the order of the scores in the table of methods; records are sorted by key."""
    order = [(method.output, method.representation.__name__) for method in SCORES]
    return sorted(rows, key=lambda row: order.index((row["output"], row["representation"])))


def _rows(study_folder: str, topic: str) -> list[dict]:
    return Records.at(study_folder, topic).rows()
