"""DeepCore's Tables IV and V: error rates by method, and by group and clustering."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from fingerprinting.core import statistics
from fingerprinting.core.markdown import markdown_table
from fingerprinting.deepcore.clustering import ALGORITHMS
from fingerprinting.deepcore.published_types import EXTRACTED, GROUPS, HOMOLOGOUS, MODIFIED, group_of, type_of
from fingerprinting.models.kinds import KINDS
from fingerprinting.reports import pages
from fingerprinting.reports.papers.published_deepcore import TABLE_4, TABLE_5
from fingerprinting.study.records import Records

METHODS = {  # of Table IV -> the key of the method here; without published numbers, another output of the same
    "SAC-w": "sac_w/logits/correlation",
    "SAC-w, from labels": "sac_w/labels/correlation",
    "SAC-m": "sac_m/logits/correlation",
    "SAC-m, from labels": "sac_m/labels/correlation",
    "FUAP": "fuap/probabilities/code",
    "MetaFinger": "metafinger/labels/responses",
    "DeepCore (L1_dist)": "deepcore/logits/own_class",
    "DeepCore (Cos_dist)": "deepcore/logits/cosines",
    "DeepCore Clustering": "k-means",
}
BY_CLUSTERS = "DeepCore Clustering"

Rows = list[list[str]]
Groups = dict[str, np.ndarray]  # HM, PM, EM -> distances of their models


def types_of(study: str) -> dict[str, str]:
    """Scored model's name -> its type of Table I; none of models that the paper has no type for."""
    named = [(row["key"], row["kind"]) for row in Records.at(study, "distances").rows()]
    sources = [row for row in Records.at(study, "models").rows() if row["kind"] == "source"]
    if not sources:
        return {}
    found = {name: type_of(kind, _architecture(name), sources[0]["architecture"]) for name, kind in named}
    return {name: own for name, own in found.items() if own}


def _architecture(name: str) -> str:
    """Of a model, by its name domain/data set/tier/kind/architecture-copy."""
    return name.rsplit("/", 1)[1].split("-")[0]


def distances(study: str, method: str) -> Groups:
    """HM, PM, EM -> distances (models,) by a method's key; empty where the study has none."""
    types = types_of(study)
    found: dict[str, list[float]] = {group: [] for group in GROUPS}
    for row in Records.at(study, "distances").rows():
        if row["key"] in types and method in row:
            found[group_of(types[row["key"]])].append(row[method])
    return {group: np.array(values) for group, values in found.items()}


def table_4(studies: list[str]) -> list[str]:
    """Missed and false identification rates by method."""
    rows: Rows = []
    for method, key in METHODS.items():
        printed = TABLE_4.get(method, {})
        line = [method, *(_rates(printed.get(dataset)) for dataset in ("cifar10", "cifar100"))]
        for study in studies:
            own = clustered(study) if method == BY_CLUSTERS else None
            groups = distances(study, key)
            line += [_rates(own or in_sample(groups)), _rates(owners(study, key, groups))]
        rows.append(line)
    heads = ["published, cifar10", "published, cifar100"]
    for study in studies:
        heads += [f"{pages.heading(study)}, in-sample", f"{pages.heading(study)}, owner's threshold"]
    counted = [
        f"{pages.heading(study)} {len(found[MODIFIED]) + len(found[EXTRACTED])} / {len(found[HOMOLOGOUS])}"
        for study in studies
        for found in [distances(study, METHODS["DeepCore (L1_dist)"])]
    ]
    return [
        "MIR, FIR: missed stolen models, flagged homologous ones. The paper chooses thresholds on the scored models "
        "(in-sample, optimistically biased); the owner's come from reference models, where there are any. By clusters: "
        "k-means, three clusters, the one with most homologous models is theirs. Stolen / homologous models: "
        f"{'; '.join(counted)}.",
        "",
        *markdown_table(["method", *heads], rows),
        "",
        *(_differences(study) for study in studies),
    ]


def in_sample(groups: Groups) -> tuple[float, float] | None:
    """MIR and FIR at the threshold that is best for these very models."""
    return _errors(groups, statistics.threshold(_stolen(groups), groups[HOMOLOGOUS])) if _complete(groups) else None


def owners(study: str, method: str, groups: Groups) -> tuple[float, float] | None:
    """MIR and FIR at the threshold that separates the owner's reference models best."""
    known: dict[str, list[float]] = {"pirated": [], "independent": []}
    for row in Records.at(study, "distances").rows():
        if KINDS[row["kind"]].use == "reference" and not KINDS[row["kind"]].on_target and method in row:
            known[KINDS[row["kind"]].role].append(row[method])
    if not (_complete(groups) and all(known.values())):
        return None
    return _errors(groups, statistics.threshold(*(np.array(values) for values in known.values())))


def _complete(groups: Groups) -> bool:
    return bool(len(_stolen(groups)) and len(groups[HOMOLOGOUS]))


def _stolen(groups: Groups) -> np.ndarray:
    return np.concatenate([groups[MODIFIED], groups[EXTRACTED]])


def _errors(groups: Groups, threshold: float) -> tuple[float, float]:
    return float((_stolen(groups) > threshold).mean()), float((groups[HOMOLOGOUS] <= threshold).mean())


def clustered(study: str) -> tuple[float, float] | None:
    """MIR and FIR of k-means: whoever is not in the cluster with most homologous models is flagged."""
    rows = [row for row in Records.at(study, "deepcore_types").rows() if row["type"] != "source"]
    if not rows:
        return None
    homologous = np.array([group_of(row["type"]) == HOMOLOGOUS for row in rows])
    numbers = np.array([row["clusters"]["k-means"] for row in rows])
    flagged = numbers != np.bincount(numbers[homologous]).argmax()
    return float((~flagged[~homologous]).mean()), float(flagged[homologous].mean())


def _differences(study: str) -> str:
    groups = {key: distances(study, key) for key in METHODS.values() if key != "k-means"}
    key = METHODS["DeepCore (Cos_dist)"]
    rates = in_sample(groups[key])
    assert rates is not None  # as studies_by_distance has looked
    threshold = statistics.threshold(_stolen(groups[key]), groups[key][HOMOLOGOUS])
    missed = [f"{float((groups[key][group] > threshold).mean()):.2f} of {group}" for group in (MODIFIED, EXTRACTED)]
    best = min(
        (sum(found), name) for name, key in METHODS.items() if key in groups and (found := in_sample(groups[key]))
    )
    return (
        f"{pages.heading(study)}: DeepCore by cosines misses {rates[0]:.2f} of the stolen models "
        f"({' and '.join(missed)}), published 0.00; the least sum of both rates has {best[1]}."
    )


def table_5(studies: list[str]) -> list[str]:
    """Missed and false identification rates by group and way to cluster."""
    found = {study: {name: by_group(study, name) for name in ALGORITHMS} for study in studies}
    rows: Rows = []
    for group in GROUPS:
        for number, error in enumerate(("MIR", "FIR")):
            line = [f"{error} ({group}s)"]
            for name in ALGORITHMS:
                line.append(f"{TABLE_5[group][name][number]:.2f}")
                line += [f"{found[study][name][group][number]:.2f}" for study in studies]
            rows.append(line)
    heads = [f"{name}, {who}" for name in ALGORITHMS for who in ("published", *map(pages.heading, studies))]
    return [
        "Three clusters of all models' outputs at the core points. MIR of a group: its models outside the cluster "
        "named for it. FIR: models of other groups among those in that cluster, the reading that fits most published "
        "counts (8 of 48 is .17, 14 of 35 is .40). Clusters are named so that most models are right. A cluster of no "
        "models of other groups, or of none at all, has 0.",
        "",
        *markdown_table(["group", *heads], rows),
        "",
        *(
            f"{pages.heading(study)}: k-means puts {kept[HOMOLOGOUS]:.2f} of the homologous models (published "
            f"{1 - TABLE_5[HOMOLOGOUS]['k-means'][0]:.2f}) and {kept[MODIFIED]:.2f} of the modified ones (published "
            f"{1 - TABLE_5[MODIFIED]['k-means'][0]:.2f}) into the clusters named for them."
            for study in studies
            for kept in [{group: 1 - rates[0] for group, rates in found[study]["k-means"].items()}]
        ),
    ]


def by_group(study: str, algorithm: str) -> dict[str, tuple[float, float]]:
    """Group -> MIR, FIR of the clusters by one algorithm."""
    rows = [row for row in Records.at(study, "deepcore_types").rows() if row["type"] != "source"]
    groups = np.array([GROUPS.index(group_of(row["type"])) for row in rows])
    numbers = np.array([row["clusters"][algorithm] for row in rows])
    together = np.array(
        [
            [((groups == group) & (numbers == number)).sum() for number in range(numbers.max() + 1)]
            for group in range(len(GROUPS))
        ]
    )
    named = dict(zip(*linear_sum_assignment(-together), strict=True))
    errors = {}
    for place, group in enumerate(GROUPS):
        right = int(together[place, named[place]]) if place in named else 0
        inside = int(together[:, named[place]].sum()) if place in named else 0
        errors[group] = 1 - right / int((groups == place).sum()), 1 - right / inside if inside else 0.0
    return errors


def _rates(rates: tuple[float, float] | None) -> str:
    return f"{rates[0]:.2f}, {rates[1]:.2f}" if rates else ""
