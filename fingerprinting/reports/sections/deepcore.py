"""DeepCore's tables and page, from records: training steps, scores, clusterings, the paper's observations."""

from fingerprinting.core import storage
from fingerprinting.core.markdown import markdown_table
from fingerprinting.deepcore.core_responses import GROUPS, SCORES
from fingerprinting.models.kinds import KINDS
from fingerprinting.reports.formats import write_topic
from fingerprinting.reports.pages import page_path, with_records
from fingerprinting.reports.table_cells import in_words
from fingerprinting.reports.words import said
from fingerprinting.study.records import Records

_PLACE = "tier,domain,dataset"
COLUMNS = {
    "deepcore_lengths": f"{_PLACE},steps,moving,confidence,radius,radius_min,radius_max,output,representation,"
    "modified_n,modified,extracted_n,extracted,homologous_n,homologous,irrelevant_n,irrelevant,"
    "auc_homologous,modified_kept,extracted_kept,homologous_kept,irrelevant_kept",
    "deepcore_scores": f"{_PLACE},output,representation,kind,n,score,score_std,score_min,score_max,homologous,"
    "difference",
    "deepcore_clusters": f"{_PLACE},algorithm,clusters,negatives,named_by,n_pirated,mir,mir_low,mir_high,n_independent,"
    "fir,fir_low,fir_high",
    "deepcore_claims": f"{_PLACE},claim,measure,inputs,n,source,modified,extracted,homologous,irrelevant",
}


@storage.alone_in_results()
def write() -> None:
    """CSV files over all studies with core points, and a page of Markdown for each."""
    found = {study: _read(study) for study in with_records("deepcore_lengths")}
    for topic, columns in COLUMNS.items():
        write_topic(topic, columns, [row for measured in found.values() for row in measured[topic]])
    for study, measured in found.items():
        storage.write_text(page_path(study, "deepcore"), page(study, measured))


def _read(study_folder: str) -> dict[str, list[dict]]:
    """Topic -> the study's records."""
    return {topic: Records.at(study_folder, topic).rows() for topic in COLUMNS}


def page(study_folder: str, measured: dict[str, list[dict]] | None = None) -> str:
    """Training steps, score differences, clusterings and the paper's observations of one study.

    measured: its records by topic, if read already.
    """
    domain, dataset, tier = study_folder.split("/")
    found = measured or _read(study_folder)
    lines = [f"# DeepCore: {domain}, {dataset}, {tier} tier", ""]
    lines += [
        "Core points by number of training steps: mean radius (L2) [lowest, highest], mean confidence, number of "
        "points that still move. For each score: its mean over modified, extracted, homologous and irrelevant models; "
        "AUC of the stealing attacks of the same task against homologous models.",
        "",
    ]
    lines += [*_lengths(found["deepcore_lengths"]), ""]
    lines += ["Scores at the core points: mean ± standard deviation (difference from the homologous models' mean).", ""]
    lines += [*_scores(found["deepcore_scores"]), ""]
    lines += [_how_clustered(found["deepcore_clusters"]), "", *_clusters(found["deepcore_clusters"]), ""]
    lines += ["The paper's observations on these models.", ""]
    lines += _claims(found["deepcore_claims"])
    return "\n".join([*lines, ""])


def _lengths(rows: list[dict]) -> list[str]:
    lengths: dict[int, list[dict]] = {}
    for row in sorted(_in_order(rows), key=lambda row: row["steps"]):
        lengths.setdefault(row["steps"], []).append(row)
    first = next(iter(lengths.values()))
    counts = ", ".join(f"{first[0][f'{name}_n']} {said(name)}" for name in GROUPS)
    heads = [in_words(row["output"], row["representation"]) for row in first]
    cells = [
        [str(steps), f"{row['radius']:.3f} [{row['radius_min']:.3f}, {row['radius_max']:.3f}]"]
        + [f"{row['confidence']:.4f}", str(row["moving"])]
        + [f"{', '.join(f'{r[name]:.3g}' for name in GROUPS)}; {r['auc_homologous']:.2f}" for r in found]
        for steps, (row, *_), found in ((steps, found, found) for steps, found in lengths.items())
    ]
    return [f"Models: {counts}.", "", *markdown_table(["steps", "radius", "confidence", "still moving", *heads], cells)]


def _scores(rows: list[dict]) -> list[str]:
    representations = list(dict.fromkeys(in_words(row["output"], row["representation"]) for row in _in_order(rows)))
    found = {(row["kind"], in_words(row["output"], row["representation"])): row for row in rows}
    kinds = [kind for kind in KINDS if any(row["kind"] == kind for row in rows)]
    cells = []
    for kind in kinds:
        own = [found[kind, representation] for representation in representations]
        scores = [f"{row['score']:.3g} ± {row['score_std']:.2g} ({row['difference']:.3g})" for row in own]
        cells.append([kind, str(own[0]["n"]), *scores])
    return markdown_table(["kind", "n", *representations], cells)


def _how_clustered(rows: list[dict]) -> str:
    measured = "Clustering of the logits at the core points: missed (MIR) and false identification rate (FIR) [95% "
    paper = "all scored models are clustered together and their true roles label the clusters."
    if any(row["named_by"] == "references" for row in rows):
        return (
            f"{measured}interval]. Each suspect is clustered with the owner's reference models, whose roles label the "
            f"clusters. In round brackets the paper's procedure: {paper}"
        )
    return (
        f"{measured}interval] by the paper's procedure: {paper} An owner's own clustering needs reference models, "
        "which references.py trains."
    )


def _clusters(rows: list[dict]) -> list[str]:
    found = {(row["algorithm"], row["negatives"], row["named_by"]): row for row in rows}
    cells = []
    for algorithm, negatives in dict.fromkeys((row["algorithm"], row["negatives"]) for row in rows):
        paper = found[algorithm, negatives, "scored"]
        own = found.get((algorithm, negatives, "references"))
        first = own or paper
        rates = [
            f"{first[name]:.2f} [{first[f'{name}_low']:.2f}, {first[f'{name}_high']:.2f}]"
            + (f" ({paper[name]:.2f})" if own else "")
            for name in ("mir", "fir")
        ]
        cells.append([algorithm, negatives, f"{first['n_pirated']} / {first['n_independent']}", *rates])
    return markdown_table(["algorithm", "independent models", "stolen / independent", "MIR", "FIR"], cells)


def _claims(rows: list[dict]) -> list[str]:
    columns = ("source", *GROUPS)
    cells = [
        [said(row["claim"]), said(row["measure"]), f"{row['n']} {said(row['inputs'])}"]
        + ["" if row.get(name) is None else f"{row[name]:.2f}" for name in columns]
        for row in rows
    ]
    return markdown_table(["observation", "measure", "inputs", *map(said, columns)], cells)


def _in_order(rows: list[dict]) -> list[dict]:
    """By the order of the scores in the table of methods; records are sorted by key."""
    order = [(method.output, method.representation.__name__) for method in SCORES]
    return sorted(rows, key=lambda row: order.index((row["output"], row["representation"])))
