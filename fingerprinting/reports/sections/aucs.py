"""AUCs: by stealing attack, their means, all methods in all studies side by side, published values beside them."""

from functools import partial

import numpy as np

from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.core.markdown import markdown_table
from fingerprinting.fingerprints.registry import Identity, Method, identity_of
from fingerprinting.models.suspects import ATTACKS, MEANS, NEGATIVES
from fingerprinting.reports.pages import heading, links
from fingerprinting.reports.sections.published_numbers import PUBLISHED
from fingerprinting.reports.table_cells import REPRESENTATIONS, auc, counts, names
from fingerprinting.study.records import Records

COLUMNS = (
    "tier,domain,dataset,method,output,representation,attack,negatives,n_pirated,n_independent,auc,auc_low,auc_high,"
    "tpr_at_fpr0,tpr_at_fpr1"
)
HEADS = ("fingerprint", "representation, output")
LINES = 12  # of the table of README
SHOWN = ("primary", "evolved", "random", METHOD)  # in it whatever their AUC
Cells = dict[tuple[Identity, str, str], dict]  # (identity, attack, negatives) -> row


def section(records: list[dict], models: dict[str, dict]) -> list[str]:
    """Means by group of independent models, then AUC by attack, in Markdown. models: kind -> its row in models.csv."""
    rows = _ordered(records)
    cells = _cells(rows)
    representations = list(dict.fromkeys(identity_of(row) for row in rows))
    return [
        f"Mean AUC over {_mean_over(rows)} [95% bootstrap interval].",
        "",
        *_means(representations, cells),
        "",
        f"AUC of each stealing attack against all independent models [95% bootstrap interval].{_flag_note(models)}",
        "",
        *_by_attack(representations, cells, models),
        "",
    ]


def published(study_folder: str, records: list[dict], erasure: list[dict]) -> list[str]:
    """What the paper reports for this data set beside what is measured here, by the same representation.

    records: AUCs without an adaptive attacker; erasure: with one.
    """
    domain, dataset, _ = study_folder.split("/")
    rows = [row for row in PUBLISHED if (row.domain, row.dataset) == (domain, dataset)]
    groups = ("irrelevant", "all")
    if not rows:
        return []
    cells: dict[tuple, dict] = {(*key, ""): row for key, row in _cells(records).items()}
    for row in erasure:
        key = (identity_of(row), row["attack"], row["negatives"], row["attack_on_queries"])
        cells[key] = {**row, "auc": row["auc_after"]}
    lines = [
        [row.method, " and ".join(row.attacks), f"{row.auc:.2f}"]
        + [
            ", ".join(auc(cells.get((row.identity, name, group, row.attack_on_queries))) for name in row.attacks)
            for group in groups
        ]
        for row in rows
    ]
    heads = ["fingerprint", "stealing attack", "published AUC", *(f"measured, against {group}" for group in groups)]
    return [f"Published and measured AUC ({rows[0].note}).", "", *markdown_table(heads, lines), ""]


def mean_aucs(study_folder: str) -> dict[Identity, dict]:
    """Identity -> its mean AUC over the same-task attacks, against all independent models, in the order of methods."""
    return {
        identity_of(row): row
        for row in _ordered(Records.at(study_folder, "auc").rows())
        if (row["attack"], row["negatives"]) == ("mean_same_task", "all")
    }


def telling(study_folder: str, methods: list[Method], count: int = 4) -> list[Method]:
    """The methods that a figure with few panels shows: Primary, the calibrated one, and the best others by mean AUC."""
    found = mean_aucs(study_folder)
    named = [method for method in methods if method.name in ("primary", METHOD)]
    others = [method for method in methods if method not in named and method.identity in found]
    others.sort(key=lambda method: -found[method.identity]["auc"])
    kept = [*named, *others[: max(0, count - len(named))]]
    return [method for method in methods if method in kept]


def best(studies: list[str]) -> str:
    """The methods of `SHOWN` and the best others, each by its best representation, one mean AUC per study.

    What was measured in more studies comes before what is better in fewer.
    """
    found = {study: rows for study in studies if (rows := mean_aucs(study))}
    chosen = _best_of_each(found)
    others = sorted(
        (representation for name, representation in chosen.items() if name not in SHOWN), key=partial(_rank, found)
    )
    kept = {chosen[name] for name in SHOWN if name in chosen} | set(others[-(LINES - len(SHOWN)) :])
    cells = [
        [*names(representation), *(auc(rows.get(representation)) for rows in found.values())]
        for representation in REPRESENTATIONS
        if representation in kept
    ]
    return "\n".join([_caption(found), "", *markdown_table([*HEADS, *map(heading, found)], cells)])


def _best_of_each(found: dict[str, dict[Identity, dict]]) -> dict[str, Identity]:
    """Method -> its representation that was measured in most studies; of these the one of the highest mean AUC."""
    chosen: dict[str, Identity] = {}
    for representation in _measured(found):
        before = chosen.get(representation[0])
        if before is None or _rank(found, representation) > _rank(found, before):
            chosen[representation[0]] = representation
    return chosen


def _measured(found: dict[str, dict[Identity, dict]]) -> list[Identity]:
    return [one for one in REPRESENTATIONS if any(one in rows for rows in found.values())]


def _rank(found: dict[str, dict[Identity, dict]], representation: Identity) -> tuple[int, float]:
    """In how many studies it was measured, and its mean AUC averaged over them."""
    measured = [rows[representation]["auc"] for rows in found.values() if representation in rows]
    return len(measured), float(np.mean(measured))


def _caption(found: dict[str, dict[Identity, dict]]) -> str:
    rows = [next(iter(rows.values())) for rows in found.values()]
    each = " or ".join(
        dict.fromkeys(f"{row['n_pirated']} stolen and {row['n_independent']} independent" for row in rows)
    )
    return (
        f"Mean AUC over {_mean_over(rows[:1])} against all independent models [95% bootstrap interval], n = {each} "
        "models; 1 is perfect, 0.5 is chance. Each method by its best representation; the weakest methods stand in "
        f"the [full table](docs/results.md)."
    )


def summary(studies: list[str]) -> str:
    """Every method in every study by its mean AUC over the stealing attacks of the same task, against all."""
    found = {study: rows for study in studies if (rows := mean_aucs(study))}
    representations = _measured(found)
    table = markdown_table(
        [*HEADS, *map(heading, found)],
        [["", "stolen / independent", *(counts(next(iter(rows.values()))) for rows in found.values())]]
        + [
            [*names(representation), *(auc(rows.get(representation)) for rows in found.values())]
            for representation in representations
        ],
    )
    return "\n".join(
        [*table, "", f"Every stealing attack, group of independent models and kind of model: {links(found)}."]
    )


def _means(representations: list[Identity], cells: Cells) -> list[str]:
    groups = [("mean_same_task", group) for group in NEGATIVES] + [("mean_all", "all")]
    groups = [group for group in groups if any((representation, *group) in cells for representation in representations)]
    heads = [
        f"same task, against {group}" if mean == "mean_same_task" else "with transfer, against all"
        for mean, group in groups
    ]
    there = [
        counts(next(cells[place] for representation in representations if (place := (representation, *group)) in cells))
        for group in groups
    ]
    return markdown_table(
        [*HEADS, *heads],
        [["", "stolen / independent", *there]]
        + [
            [*names(representation), *(auc(cells.get((representation, *group))) for group in groups)]
            for representation in representations
        ],
    )


def _mean_over(rows: list[dict]) -> str:
    named: list[str] = next((row["mean_over"] for row in rows if row["attack"] == "mean_same_task"), [])
    return f"the {len(named)} stealing attacks of the same task ({', '.join(named)})"


def _by_attack(representations: list[Identity], cells: Cells, models: dict[str, dict]) -> list[str]:
    attacks = [name for name in ATTACKS if any(row["attack"] == name for row in cells.values())]
    heads = [f"{name}{' †' if models.get(name, {}).get('degraded') else ''}" for name in attacks]
    against_all = [row for row in cells.values() if row["negatives"] == "all"]
    there = [counts(next(row for row in against_all if row["attack"] == name)) for name in attacks]
    return markdown_table(
        [*HEADS, *heads],
        [["", "stolen / independent", *there]]
        + [
            [*names(representation), *(auc(cells.get((representation, name, "all"))) for name in attacks)]
            for representation in representations
        ],
    )


def _flag_note(models: dict[str, dict]) -> str:
    if any(row["degraded"] for row in models.values()):
        return " † some of these models lost more than 10 points of test accuracy (`degraded` below)."
    return " No stolen model lost more than 10 points of test accuracy."


def _cells(rows: list[dict]) -> Cells:
    return {(identity_of(row), row["attack"], row["negatives"]): row for row in rows}


def _ordered(rows: list[dict]) -> list[dict]:
    """Records are sorted by key; tables follow the order of the methods and of the attacks."""
    order = [*ATTACKS, *MEANS]
    return sorted(rows, key=lambda row: (REPRESENTATIONS.index(identity_of(row)), order.index(row["attack"])))
