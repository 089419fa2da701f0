"""The baselines' variants side by side, from the records of benchmarks/baseline_variants.py."""

from fingerprinting.core.markdown import markdown_table
from fingerprinting.fingerprints.registry import identity_of
from fingerprinting.reports.pages import heading
from fingerprinting.reports.table_cells import REPRESENTATIONS, auc, counts, in_words
from fingerprinting.study.records import Records

MEAN, TRANSFER = "mean_same_task", "transfer"
DEFAULT = "default"  # what baselines.py makes


def table(studies: list[str]) -> str:
    """A line per variant and representation; mean AUC over the attacks of the same task, and of transfer."""
    studies = [study for study in studies if Records.at(study, "baseline_variants").rows()]
    cells: dict[tuple, dict[tuple[str, str], dict]] = {}
    for study in studies:
        for row in Records.at(study, "baseline_variants").rows():
            cells.setdefault((identity_of(row), row["variant"]), {})[study, row["attack"]] = row
    lines = [
        [identity[0], f"`{variant}`" if variant else DEFAULT, in_words(*identity[1:])]
        + _asked(found)
        + [auc(found.get((study, attack)), 3) for study in studies for attack in (MEAN, TRANSFER)]
        for (identity, variant), found in sorted(cells.items(), key=_place)
    ]
    counted = [
        " / ".join(sorted({counts(found[study, MEAN]) for found in cells.values() if (study, MEAN) in found}))
        for study in studies
    ]
    heads = ["fingerprint", "variant", "representation, output", "queries", "reference models"]
    heads += [f"{heading(study)}, {what}" for study in studies for what in ("mean", "transfer")]
    note = (
        "Mean AUC over the stealing attacks of the same task, and AUC of transfer, against all independent models [95% "
        f"bootstrap interval]; stolen / independent models of the mean: {', '.join(counted)}. A variant differs from "
        "the default by the constants that it names."
    )
    return "\n".join([note, "", *markdown_table(heads, lines)])


def _asked(found: dict[tuple[str, str], dict]) -> list[str]:
    """Queries and reference models, where studies differ one after the other."""
    return [
        ", ".join(str(value) for value in dict.fromkeys(row[name] for row in found.values()))
        for name in ("queries", "reference_models")
    ]


def _place(cell: tuple) -> tuple:
    (identity, variant), _ = cell
    methods = list(dict.fromkeys(name for name, *_ in REPRESENTATIONS))
    return methods.index(identity[0]), variant, REPRESENTATIONS.index(identity)
