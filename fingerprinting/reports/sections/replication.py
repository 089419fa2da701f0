"""The same study on a zoo made anew (SPLIT_SEED=1, 2, ...): another cut of the data, other seeds."""

from scipy.stats import spearmanr

from fingerprinting.core.markdown import markdown_table
from fingerprinting.reports.pages import heading, links, study_folders
from fingerprinting.reports.sections import calibrated
from fingerprinting.reports.sections.aucs import mean_aucs
from fingerprinting.study.study import SPLIT

OWN = "calibrated"
LEAST = 3  # readings in common
CELLS = (
    "mean AUC",
    "least of the thefts",
    "transfer",
    "mean AUC against the audit's independents",
    "least of the thefts against them",
    "mean AUC, queries: 50",
    "thefts called stolen at 1%",
    "thefts called independent",
    "independents called inconclusive, scored",
    "independents called stolen, scored",
    "independents called stolen, audit",
)
ROWS = (
    *CELLS,
    "mean AUC of the other reading that leads on the usual zoo",
    "readings of all methods in both",
    "rank correlation of their mean AUCs",
    "mean absolute difference of their mean AUCs",
)


def replicates(study_folder: str) -> list[str]:
    """The studies that were made anew of this one and matched."""
    return [name for name in study_folders() if name.startswith(f"{study_folder}{SPLIT}")]


def beside(studies: list[str]) -> list[str]:
    """Each study, and after it those that were made anew of it."""
    return [name for study in studies for name in (study, *replicates(study))]


def agreement(usual: dict[tuple, dict], anew: dict[tuple, dict]) -> dict[str, float] | None:
    """How alike two studies rank all readings by their mean AUCs, and how far these lie apart on average.

    Both as mean_aucs gives them. None where they have too few in common to rank.
    """
    pairs = [
        (usual[representation]["auc"], anew[representation]["auc"])
        for representation in usual
        if representation in anew
    ]
    if len(pairs) < LEAST:
        return None
    differences = [abs(before - after) for before, after in pairs]
    return {
        "readings": len(pairs),
        "rank_correlation": float(spearmanr(*zip(*pairs, strict=True)).statistic),
        "mean_difference": sum(differences) / len(differences),
    }


def table(studies: list[str]) -> list[str]:
    """A column for each study that was made anew, and one for each time that it was, in Markdown."""
    heads, columns = [], []
    for study in studies:
        anew = replicates(study)
        if not anew:
            continue
        usual = mean_aucs(study)
        others = [representation for representation in usual if representation[0] != OWN]
        best = max(others, key=lambda representation: usual[representation]["auc"], default=None)
        for name in (study, *anew):
            heads.append(heading(name))
            cells, rest = calibrated.cells(name), usual if name == study else mean_aucs(name)
            column = [cells.get(cell, "") for cell in CELLS]
            column.append(f"{best[0]}, {best[1]}: {rest[best]['auc']:.3f}" if best in rest else "")
            alike = agreement(usual, rest) if name != study else None
            columns.append([*column, *(_in_words(alike) if alike else [""] * 3)])
    if not columns:
        return []
    rows = [list(row) for row in zip(ROWS, *columns, strict=True)]
    pages = links(name for study in studies for name in replicates(study))
    return [*markdown_table(["", *heads], rows), "", f"All of the zoos that were made anew: {pages}."]


def _in_words(found: dict[str, float]) -> list[str]:
    return [str(found["readings"]), f"{found['rank_correlation']:.2f}", f"{found['mean_difference']:.3f}"]
