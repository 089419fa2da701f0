"""What records here have of a paper's table or figure, in a few words; an empty text where no study has it."""

from collections.abc import Callable

import numpy as np

from fingerprinting.deepcore.published_types import HOMOLOGOUS, MODIFIED
from fingerprinting.fingerprints.registry import Identity, identity_of
from fingerprinting.reports import pages
from fingerprinting.reports.papers import deepcore_comparison, deepcore_tables
from fingerprinting.reports.papers.published_deepcore import PER_EPOCHS, TABLE_2
from fingerprinting.reports.sections.published_numbers import PUBLISHED, RELEASED_SECONDS, Published
from fingerprinting.study.records import Records

CIFAR10, CIFAR100, FASHION = "cv/cifar10/cpu", "cv/cifar100/cpu", "cv/fashion_mnist/cpu"
TITLES, EEG = "nlp/thucnews/cpu", "bci/scp1/cpu"
NETWORK = "conv3"  # whose passports were attacked in every way
PRIMARY: Identity = ("primary", "labels", "match_rate")
EVOLVED: Identity = ("evolved", "labels", "match_rate")


def by_study(studies: list[str], said: Callable[[str], str]) -> str:
    return "; ".join(f"{pages.heading(study)} {words}" for study in studies if (words := said(study)))


def mean_aucs() -> str:
    """Of Primary and Evolved, over the attacks of the same task, against all independent models."""

    def said(study: str) -> str:
        found = {identity_of(row): row for row in Records.at(study, "auc").rows() if _is_mean(row)}
        return ", ".join(f"{found[one]['auc']:.2f}" for one in (PRIMARY, EVOLVED) if one in found)

    return by_study([CIFAR10, FASHION, TITLES, EEG], said)


def _is_mean(row: dict) -> bool:
    return (row["attack"], row["negatives"]) == ("mean_same_task", "all")


def printed_of_titles(attack_on_queries: str) -> list[Published]:
    """Primary's published AUCs on THUCNews, one for each group of attacks."""
    return [one for one in PUBLISHED if one.identity == PRIMARY and one.attack_on_queries == attack_on_queries]


def titles() -> str:
    """Primary's AUC on THUCNews for each published group of attacks, against irrelevant models as published."""
    rows = {
        row["attack"]: row["auc"]
        for row in Records.at(TITLES, "auc").rows()
        if identity_of(row) == PRIMARY and row["negatives"] == "irrelevant"
    }
    return _of_groups(rows, printed_of_titles(""))


def titles_erased() -> str:
    """The same with synonyms in the queries, against all independent models, which were attacked likewise."""
    rows = {
        row["attack"]: row["auc_after"]
        for row in Records.at(TITLES, "erasure").rows()
        if identity_of(row) == PRIMARY and (row["attack_on_queries"], row["negatives"]) == ("synonyms", "all")
    }
    return _of_groups(rows, printed_of_titles("synonyms"))


def _of_groups(aucs: dict[str, float], printed: list[Published]) -> str:
    return ", ".join(
        f"{np.mean([aucs[name] for name in one.attacks]):.2f}" if set(one.attacks) <= set(aucs) else "(none)"
        for one in printed
    )


def seconds() -> str:
    """Of making queries, its reference models included, and of a suspect's match, on THUCNews."""
    found = {row["method"]: row for row in Records.at(TITLES, "timing").rows()}
    return "; ".join(
        f"{name} {found[name]['generate_s'] + found[name]['extra_models_s']:.0f} s, {found[name]['match_s']:.3f} s"
        for name in (*RELEASED_SECONDS, "evolved")
        if name in found
    )


def models() -> str:
    return by_study(deepcore_tables.studies_by_distance(), lambda study: str(len(deepcore_comparison.types_of(study))))


def radii() -> str:
    """Mean radius and score at CP_3."""

    def said(study: str) -> str:
        rows = deepcore_tables.at(study, PER_EPOCHS * max(TABLE_2)).values()
        return ", ".join(f"{np.mean([row[name] for row in rows]):.2f}" for name in ("radius", "score"))

    return by_study(deepcore_tables.studies_by_label(), said)


def gaps() -> str:
    def said(study: str) -> str:
        return series(deepcore_tables.means_of(deepcore_tables.gaps_of(study, "stolen")))

    return by_study(deepcore_tables.studies_by_label(), said)


def rates_by_cosines() -> str:
    """MIR, FIR at the in-sample threshold."""
    key = deepcore_comparison.METHODS["DeepCore (Cos_dist)"]
    return by_study(
        deepcore_tables.studies_by_distance(),
        lambda study: series(deepcore_comparison.in_sample(deepcore_comparison.distances(study, key)) or ()),
    )


def rates_by_clusters() -> str:
    """MIR of modified and of homologous models by k-means."""

    def said(study: str) -> str:
        found = deepcore_comparison.by_group(study, "k-means")
        return series([found[group][0] for group in (MODIFIED, HOMOLOGOUS)])

    return by_study(deepcore_tables.studies_by_label(), said)


def along_the_way() -> str:
    """Rank correlation of confidence and radius along a point's training, the median of ten points."""
    return by_study(
        [CIFAR10, FASHION],
        lambda study: series(
            row["source"]
            for row in Records.at(study, "deepcore_claims").rows()
            if row["measure"].startswith("median of") and row.get("source") is not None
        ),
    )


def before_and_after() -> str:
    """AUC of the L1 score against homologous models, of random points and of trained ones."""

    def said(study: str) -> str:
        rows = [row for row in Records.at(study, "deepcore_lengths").rows() if row["representation"] == "own_class"]
        rows.sort(key=lambda row: row["steps"])
        return series(row["auc_homologous"] for row in (*rows[:1], *rows[-1:]))

    return by_study([CIFAR10, FASHION], said)


def passports(study: str, attack: str, *strengths: float | str | None, value: str = "accuracy") -> str:
    """A value of the small network by scheme, for each strength of an attack."""
    rows = [
        row
        for row in Records.at(study, "passports").rows()
        if (row["attack"], row["architecture"]) == (attack, NETWORK) and row["scheme"] != "plain"
    ]
    found = [" ".join(f"{row[value]:.2f}" for row in rows if row["strength"] == one) for one in strengths]
    return f"{pages.heading(study)} {', '.join(found)}" if rows else ""


def series(values) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
