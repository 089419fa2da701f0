"""Replicates of a study with another split seed (SPLIT_SEED=1, 2, ...): another split, other training seeds."""

from scipy.stats import spearmanr

from fingerprinting.core.markdown import markdown_table
from fingerprinting.reports.pages import heading, links, study_folders
from fingerprinting.reports.sections import calibrated
from fingerprinting.reports.sections.aucs import mean_aucs
from fingerprinting.study.study import SPLIT

OWN = "calibrated"
LEAST = 3  # representations in common
CELLS = (
    "mean AUC",
    "lowest AUC of an attack",
    "AUC of transfer",
    "mean AUC against the audit set",
    "lowest AUC of an attack against the audit set",
    "mean AUC, number of queries: 50",
    "detection rate at alpha = 0.01",
    "stolen models called independent",
    "independent models called inconclusive, scored",
    "false positive rate, scored",
    "false positive rate, audit",
)
ROWS = (
    *CELLS,
    "mean AUC of the best baseline on the primary split",
    "representations of all methods in both",
    "rank correlation of their mean AUCs with the primary split",
    "mean absolute difference of their mean AUCs",
)


def replicates(study_folder: str) -> list[str]:
    """The matched replicates of this study."""
    return [name for name in study_folders() if name.startswith(f"{study_folder}{SPLIT}")]


def beside(studies: list[str]) -> list[str]:
    """Each study, and after it its replicates."""
    return [name for study in studies for name in (study, *replicates(study))]


def agreement(primary: dict[tuple, dict], replicate: dict[tuple, dict]) -> dict[str, float] | None:
    """Agreement of two studies on all representations: rank correlation and mean difference of their mean AUCs.

    Both as mean_aucs gives them. None where they have too few in common to rank.
    """
    pairs = [
        (primary[representation]["auc"], replicate[representation]["auc"])
        for representation in primary
        if representation in replicate
    ]
    if len(pairs) < LEAST:
        return None
    differences = [abs(before - after) for before, after in pairs]
    return {
        "representations": len(pairs),
        "rank_correlation": float(spearmanr(*zip(*pairs, strict=True)).statistic),
        "mean_difference": sum(differences) / len(differences),
    }


def table(studies: list[str]) -> list[str]:
    """A column for each replicated study and one for each replicate, in Markdown."""
    heads, columns = [], []
    for study in studies:
        found = replicates(study)
        if not found:
            continue
        primary = mean_aucs(study)
        others = [representation for representation in primary if representation[0] != OWN]
        best = max(others, key=lambda representation: primary[representation]["auc"], default=None)
        for name in (study, *found):
            heads.append(heading(name))
            cells, rest = calibrated.cells(name), primary if name == study else mean_aucs(name)
            column = [cells.get(cell, "") for cell in CELLS]
            column.append(f"{best[0]}, {best[1]}: {rest[best]['auc']:.3f}" if best in rest else "")
            agreed = agreement(primary, rest) if name != study else None
            columns.append([*column, *(_in_words(agreed) if agreed else [""] * 3)])
    if not columns:
        return []
    rows = [list(row) for row in zip(ROWS, *columns, strict=True)]
    pages = links(name for study in studies for name in replicates(study))
    return [*markdown_table(["", *heads], rows), "", f"All tables of the replicates: {pages}."]


def _in_words(found: dict[str, float]) -> list[str]:
    return [str(found["representations"]), f"{found['rank_correlation']:.2f}", f"{found['mean_difference']:.3f}"]
