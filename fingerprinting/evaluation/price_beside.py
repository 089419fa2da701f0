"""What stands beside a price's means: unseen attacks, single architectures, other fingerprints on the same models."""

import numpy as np
from sklearn.metrics import rand_score

from fingerprinting.calibrated import p_values
from fingerprinting.core import runtime, statistics
from fingerprinting.evaluation.labels import Labels
from fingerprinting.fingerprints import minus_twins
from fingerprinting.fingerprints.registry import Identity, identity_of
from fingerprinting.models.kinds import KINDS
from fingerprinting.models.suspects import MEAN_SAME_TASK, SAME_TASK, negatives_of
from fingerprinting.models.twins import TRANSFERRED
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study

OF_ANOTHER_TASK = {
    "stolen": ("transfer",),
    "independent": negatives_of("all", True),
    "calibration": ("calibration_homologous_transfer",),
}
UNSEEN = tuple(name for name, kind in KINDS.items() if kind.use == "unseen")
FINGERPRINT = ("method", "output", "representation")  # what an identity is kept as


def of_unseen_attacks(found: Labels, scores: np.ndarray, negatives: tuple[str, ...]) -> dict[str, dict]:
    """Of each unseen attack that is there: the AUC against these independents by scores (draws, M), n and accuracy."""
    stolen = {attack: own for attack in UNSEEN if (own := found.kinds == attack).any()}
    return _of_groups("unseen_attack", found, scores, negatives, stolen)


def of_attackers_data(found: Labels, scores: np.ndarray, negatives: tuple[str, ...]) -> dict[str, dict]:
    """The same of students by the number of inputs that their attacker asked the source about."""
    students = found.kinds == "extract_sweep"
    counts = sorted(set(found.examples[students].tolist()))
    asked = {str(count): students & (found.examples == count) for count in counts}
    return _of_groups("attackers_examples", found, scores, negatives, asked)


def _of_groups(
    by: str, found: Labels, scores: np.ndarray, negatives: tuple[str, ...], groups: dict[str, np.ndarray]
) -> dict[str, dict]:
    """The AUC of each group (M,) of stolen models against these independents, its size and its mean accuracy."""
    independent = np.isin(found.kinds, negatives)
    return {
        f"auc_by_{by}": {name: _auc(scores, own, independent) for name, own in groups.items()},
        f"n_by_{by}": {name: int(own.sum()) for name, own in groups.items()},
        f"accuracy_by_{by}": {name: float(found.accuracy[own].mean()) for name, own in groups.items()},
    }


def of_another_task(found: Labels, queries: list[np.ndarray], alphas: tuple[float, ...]) -> dict[str, dict | float]:
    """Of models that were moved to another task, by the pattern of their labels of the queries (n,) of each draw.

    The AUC of stolen ones against independent ones, and the shares that moved calibration models flag at each alpha;
    beside it the AUC of plain likeness to the source that nobody moved.
    """
    source, twins = (found.of(kind) for kind in TRANSFERRED)
    masks = {name: np.isin(found.kinds, kinds) for name, kinds in OF_ANOTHER_TASK.items()}
    if not (len(source) and len(twins) and all(own.any() for own in masks.values())):
        return {}
    moved = np.any(list(masks.values()), axis=0)
    scores, plain = np.zeros((2, len(queries), len(found.kinds)))
    for draw, chosen in enumerate(queries):
        for model in np.flatnonzero(moved):
            labels, of_twins = found.labels[model, chosen], twins[:, chosen]
            everywhere = np.ones_like(of_twins, dtype=bool)
            scores[draw, model] = minus_twins.pattern(labels, source[0, chosen], of_twins, everywhere)
            plain[draw, model] = rand_score(labels, found.source[chosen])
    p = np.stack([p_values.student(own, own[masks["calibration"]]) for own in scores])
    return {
        "auc": _auc(scores, masks["stolen"], masks["independent"]),
        "auc_untransferred": _auc(plain, masks["stolen"], masks["independent"]),
        "flagged_stolen": {f"{alpha:g}": float((p[:, masks["stolen"]] <= alpha).mean()) for alpha in alphas},
        "flagged_independent": {f"{alpha:g}": float((p[:, masks["independent"]] <= alpha).mean()) for alpha in alphas},
        **{f"n_{name}": int(own.sum()) for name, own in masks.items()},
        "n_twins": len(twins),
    }


def of_architectures(found: Labels, scores: np.ndarray, negatives: tuple[str, ...]) -> dict[str, dict]:
    """Of each architecture the AUC of its stolen models against all independents, its independents' against all stolen.

    scores (draws, M). A side that it has no models of is left out.
    """
    stolen, independent = (np.isin(found.kinds, kinds) for kinds in (SAME_TASK, negatives))
    taken, made = (_by_architecture(found, models) for models in (stolen, independent))
    return {
        "auc_of_stolen_by_architecture": {name: _auc(scores, own, independent) for name, own in taken.items()},
        "n_stolen_by_architecture": {name: int(own.sum()) for name, own in taken.items()},
        "auc_of_independent_by_architecture": {name: _auc(scores, stolen, own) for name, own in made.items()},
        "n_independent_by_architecture": {name: int(own.sum()) for name, own in made.items()},
    }


def of_baselines(study: Study) -> list[dict]:
    """A row for each fingerprint and representation that the matcher has recorded, against all independent models."""
    spent = {row["method"]: row for row in Records.of(study, "timing").rows()}
    aucs: dict[Identity, dict[str, dict]] = {}
    for row in Records.of(study, "auc").rows():
        if row["negatives"] == "all" and row["attack"] in (MEAN_SAME_TASK, *SAME_TASK):
            aucs.setdefault(identity_of(row), {})[row["attack"]] = row
    return [
        {
            "key": f"{study.folder}/{'/'.join(place)}",
            **study.columns,
            **dict(zip(FINGERPRINT, place, strict=True)),
            "queries": spent[place[0]]["queries"],
            "extra_models": spent[place[0]]["extra_models"],
            "extra_models_s": spent[place[0]]["extra_models_s"],
            "auc": found[MEAN_SAME_TASK]["auc"],
            "auc_least": min(row["auc"] for attack, row in found.items() if attack != MEAN_SAME_TASK),
            "n_pirated": found[MEAN_SAME_TASK]["n_pirated"],
            "n_independent": found[MEAN_SAME_TASK]["n_independent"],
            "provenance": runtime.provenance(study.device),
        }
        for place, found in aucs.items()
        if MEAN_SAME_TASK in found and place[0] in spent
    ]


def _by_architecture(found: Labels, models: np.ndarray) -> dict[str, np.ndarray]:
    """Masks (M,) of those of the models that are of each architecture."""
    return {str(name): models & (found.architecture == name) for name in np.unique(found.architecture[models])}


def _auc(scores: np.ndarray, stolen: np.ndarray, independent: np.ndarray) -> float:
    """The mean over draws; stolen, independent (M,): masks."""
    return float(np.mean([statistics.auc(-draw[stolen], -draw[independent]) for draw in scores]))
