"""Scoring: from the distances of each kind of model to AUCs, their means and error rates, row by row."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from fingerprinting.core import runtime, statistics
from fingerprinting.models import suspects
from fingerprinting.models.kinds import KINDS
from fingerprinting.models.suspects import ATTACKS, MEANS, NEGATIVES, Suspect

Distances = dict[str, np.ndarray]  # kind -> distances of its models


def by_kind(pool: list[Suspect], distances: dict[str, float]) -> Distances:
    grouped: dict[str, list[float]] = defaultdict(list)
    for suspect in pool:
        if suspect.model.name in distances:
            grouped[suspect.model.kind].append(distances[suspect.model.name])
    return {kind: np.array(values) for kind, values in grouped.items()}


def auc_rows(
    distances: Distances, name: str, groups: Iterable[str] = tuple(NEGATIVES), means: dict[str, tuple] = MEANS
) -> list[dict]:
    """AUC, its bootstrap interval and true positive rates per attack and group of negatives, then the means."""
    rows: list[dict] = []
    for group in groups:
        draws, found = {}, {}
        counts = {}  # one resampling of a group's negatives serves all attacks, so that a mean's interval is right
        for attack in ATTACKS:
            kinds = [kind for kind in suspects.negatives_of(group, KINDS[attack].on_target) if kind in distances]
            if attack not in distances or not kinds:
                continue
            pirated, independent = distances[attack], np.concatenate([distances[kind] for kind in kinds])
            key = tuple(kinds)
            if key not in counts:
                counts[key] = statistics.resampled(len(independent), statistics.DRAWS, _generator(name, *kinds))
            own = statistics.resampled(len(pirated), statistics.DRAWS, _generator(name, group, attack))
            draws[attack] = statistics.auc_draws(pirated, independent, own, counts[key])
            found[attack] = _row(attack, group, pirated, independent, draws[attack])
        rows += found.values()
        for mean, attacks_named in means.items():
            if set(attacks_named) <= set(found):
                rows.append(mean_row(mean, group, [found[a] for a in attacks_named], [draws[a] for a in attacks_named]))
    return rows


def _row(attack: str, group: str, pirated: np.ndarray, independent: np.ndarray, draws: np.ndarray) -> dict:
    low, high = statistics.interval(draws)
    return {
        "attack": attack,
        "negatives": group,
        "n_pirated": len(pirated),
        "n_independent": len(independent),
        "auc": statistics.auc(pirated, independent),
        "auc_low": low,
        "auc_high": high,
        "tpr_at_fpr0": statistics.tpr_at_fpr(pirated, independent, 0.0),
        "tpr_at_fpr1": statistics.tpr_at_fpr(pirated, independent, 0.01),
    }


def mean_row(
    mean: str,
    group: str,
    rows: list[dict],
    draws: list[np.ndarray],
    averaged: tuple[str, ...] = ("auc", "tpr_at_fpr0", "tpr_at_fpr1"),
) -> dict:
    """The mean of several attacks' rows; its interval is that of the mean of their bootstrap draws (each (draws,))."""
    low, high = statistics.interval(np.mean(draws, axis=0))
    return {
        "attack": mean,
        "mean_over": [row["attack"] for row in rows],
        "negatives": group,
        "n_pirated": sum(row["n_pirated"] for row in rows),
        "n_independent": max(row["n_independent"] for row in rows),
        **{name: float(np.mean([row[name] for row in rows])) for name in averaged},
        "auc_low": low,
        "auc_high": high,
    }


def error_rows(distances: Distances, references: Distances) -> list[dict]:
    """DeepCore's missed and false identification rates (MIR, FIR) over the stealing attacks of the same task.

    The threshold comes from the owner's reference models, where it has stolen and independent ones; beside it stands
    what the paper does, the best threshold for the very models that are scored, which no owner could know.
    """
    groups = {group: NEGATIVES[group] for group in NEGATIVES if set(NEGATIVES[group]) <= set(distances)}
    attacks = [kind for kind in MEANS["mean_same_task"] if kind in distances]
    if not (groups and attacks):
        return []
    pirated = _joined(distances, attacks)
    known = [
        [values for kind, values in references.items() if KINDS[kind].role == role]
        for role in ("pirated", "independent")
    ]
    owners = {"references": tuple(map(np.concatenate, known))} if all(known) else {}
    rows = []
    for group, kinds in groups.items():
        independent = _joined(distances, kinds)
        for origin, (stolen, known_independent) in (owners | {"scored": (pirated, independent)}).items():
            threshold = statistics.threshold(stolen, known_independent)
            mir, mir_low, mir_high = statistics.share(pirated > threshold)
            fir, fir_low, fir_high = statistics.share(independent <= threshold)
            rows.append(
                {
                    "negatives": group,
                    "threshold_from": origin,
                    "n_calibration": len(stolen) + len(known_independent),
                    "threshold": threshold,
                    "n_pirated": len(pirated),
                    "mir": mir,
                    "mir_low": mir_low,
                    "mir_high": mir_high,
                    "n_independent": len(independent),
                    "fir": fir,
                    "fir_low": fir_low,
                    "fir_high": fir_high,
                }
            )
    return rows


def _joined(distances: Distances, kinds: Iterable[str]) -> np.ndarray:
    return np.concatenate([distances[kind] for kind in kinds])


def _generator(*names: str) -> np.random.Generator:
    return np.random.default_rng(runtime.seed_from("/".join(names)))
