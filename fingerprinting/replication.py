"""The same study on a zoo made anew (SPLIT_SEED=1, 2, ...): another cut of the data, other seeds."""

from scipy.stats import spearmanr

from fingerprinting import tables
from fingerprinting.study import SPLIT

OWN = "calibrated"
CELLS = (
    "mean AUC",
    "least of the thefts",
    "transfer",
    "mean AUC, queries: 50",
    "thefts called stolen at 1%",
    "independents called stolen, scored",
)


def replicates(study_folder: str) -> list[str]:
    """The studies that were made anew of this one and matched."""
    return [name for name in tables.study_folders() if name.startswith(f"{study_folder}{SPLIT}")]


def agreement(first: str, second: str) -> dict[str, float]:
    """How alike two studies rank all readings by their mean AUCs, and how far these lie apart on average."""
    usual, anew = tables.mean_aucs(first), tables.mean_aucs(second)
    pairs = [(usual[reading]["auc"], anew[reading]["auc"]) for reading in usual if reading in anew]
    differences = [abs(before - after) for before, after in pairs]
    return {
        "readings": len(pairs),
        "rank_correlation": float(spearmanr(*zip(*pairs, strict=True)).statistic),
        "mean_difference": sum(differences) / len(differences),
    }


def table(studies: list[str]) -> list[str]:
    """A row for each study that was made anew and one for each time that it was, in Markdown."""
    heads = ["data set", "zoo", *CELLS, "the best other reading of the usual zoo", "all readings beside the usual zoo"]
    rows = []
    for study in studies:
        anew = replicates(study)
        if not anew:
            continue
        others = {reading: row for reading, row in tables.mean_aucs(study).items() if reading[0] != OWN}
        best = max(others, key=lambda reading: others[reading]["auc"], default=None)
        for name in (study, *anew):
            cells, rest = tables.calibrated_cells(name), tables.mean_aucs(name)
            zoo = "usual" if name == study else f"SPLIT_SEED={name.rsplit(SPLIT, 1)[1]}"
            other = f"{best[0]}, {best[1]}: {rest[best]['auc']:.3f}" if best in rest else ""
            row = [" ".join(name.split("/")[:2]), zoo, *(cells.get(cell, "") for cell in CELLS), other]
            rows.append([*row, "" if name == study else _in_words(agreement(study, name))])
    return tables.markdown_table(heads, rows) if rows else []


def _in_words(found: dict[str, float]) -> str:
    return (
        f"rank correlation {found['rank_correlation']:.2f}, mean difference {found['mean_difference']:.3f}, "
        f"n = {found['readings']}"
    )
