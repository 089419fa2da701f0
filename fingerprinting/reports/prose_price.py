"""What documents say in prose of what a verdict costs, and what the records say: entries of prose.py's MEASURED."""

from fingerprinting.reports.sections.price import GRID
from fingerprinting.reports.sentences import CIFAR, FASHION, README, Measured
from fingerprinting.study.records import Records
from fingerprinting.study.study import SPLIT

PAGE = "docs/price.md"
THUOCL = "nlp/thuocl/cpu"
STUDIES = (CIFAR, FASHION, THUOCL)
REPLICATE = f"{FASHION}{SPLIT}1"


def priced(study: str, twins: int, queries: int, pairs: int = 0, part: str = "auc") -> float:
    """A mean AUC, or another part of its record, of twins and pairs, against all independent models."""
    of = GRID if not pairs else "pairs"
    wanted = (of, twins, pairs, queries, "all")
    rows = Records.at(study, "price").rows()
    names = ("study", "twins", "pairs", "queries", "negatives")
    return next(row[part] for row in rows if tuple(row[name] for name in names) == wanted)


def varied(study: str, value: str, queries: int) -> float:
    """The mean AUC of another way, with so many queries."""
    rows = Records.at(study, "price").rows()
    return next(
        row["auc"] for row in rows if (row["value"], row["queries"], row["negatives"]) == (value, queries, "all")
    )


def flagged(study: str, twins: int, queries: int, group: str) -> float:
    """The share of models flagged at a false positive rate of 1%, by the normal tail."""
    wanted = (twins, 0, queries, 0.01, "student")
    names = ("twins", "pairs", "queries", "alpha", "tail")
    rows = Records.at(study, "price_verdicts").rows()
    return next(row[f"flagged_{group}"] for row in rows if tuple(row[name] for name in names) == wanted)


def stopped(study: str, part: str) -> float:
    """Six twins, at most 800 queries and ALPHA=0.01, where looks share it."""
    rows = Records.at(study, "price_stopping").rows()
    names = ("twins", "pairs", "queries", "alpha")
    return next(row[part] for row in rows if tuple(row[name] for name in names) == (6, 0, 800, 0.01))


MEASURED = (
    Measured(
        README,
        "the mean AUC is {:.3f} on CIFAR-10, {:.3f} on Fashion-MNIST ({:.3f} on its replicate) and {:.3f} on THUOCL",
        lambda: [priced(study, 6, 800) for study in (CIFAR, FASHION, REPLICATE, THUOCL)],
    ),
    Measured(
        PAGE,
        "reach a mean AUC of {:.3f} on CIFAR-10, {:.3f} on Fashion-MNIST and {:.3f} on THUOCL with",
        lambda: [priced(study, 6, 800) for study in STUDIES],
    ),
    Measured(
        PAGE,
        "one twin reaches {:.3f}, {:.3f} and {:.3f} with",
        lambda: [priced(study, 1, 1600) for study in STUDIES],
    ),
    Measured(
        PAGE,
        "reach {:.3f} and {:.3f}. **Matched pairs",
        lambda: [priced(REPLICATE, 6, queries) for queries in (800, 1600)],
    ),
    Measured(
        PAGE,
        "they reach {:.3f}, {:.3f} and, on the replicate, {:.3f}",
        lambda: [priced(study, 6, 200, 4) for study in (CIFAR, FASHION, REPLICATE)],
    ),
    Measured(
        PAGE,
        "twins from {:.3f} to {:.3f} on CIFAR-10 and from {:.3f} to {:.3f} on Fashion-MNIST",
        lambda: [priced(study, 3, 200, pairs) for study in (CIFAR, FASHION) for pairs in (0, 4)],
    ),
    Measured(
        PAGE,
        "random held-out inputs reach {:.3f} and {:.3f}",
        lambda: [varied(study, "ordinary inputs", 800) for study in (CIFAR, FASHION)],
    ),
    Measured(
        PAGE,
        "queries flag {:.2f} of the stolen models on CIFAR-10 and {:.2f} on Fashion-MNIST at",
        lambda: [flagged(study, 6, 1600, "stolen") for study in (CIFAR, FASHION)],
    ),
    Measured(
        PAGE,
        "models are asked {:.0f} on CIFAR-10 and {:.0f} on Fashion-MNIST. Of",
        lambda: [stopped(study, "asked_flagged") for study in (CIFAR, FASHION)],
    ),
    Measured(
        PAGE,
        "Of the stolen models {:.3f} instead of {:.3f} and {:.3f} instead of {:.3f} are",
        lambda: [
            value
            for study in (CIFAR, FASHION)
            for value in (stopped(study, "flagged_stolen"), flagged(study, 6, 800, "stolen"))
        ],
    ),
    Measured(
        PAGE,
        "on THUOCL {:.3f} after {:.0f} queries",
        lambda: [stopped(THUOCL, "flagged_stolen"), stopped(THUOCL, "asked_flagged")],
    ),
)
