"""What stands beside a price's means: attacks that no method was chosen on, and single architectures."""

import numpy as np

from fingerprinting.core import statistics
from fingerprinting.evaluation.labels import Labels
from fingerprinting.models.kinds import KINDS
from fingerprinting.models.suspects import SAME_TASK

UNSEEN = tuple(name for name, kind in KINDS.items() if kind.use == "unseen")


def of_unseen_attacks(found: Labels, scores: np.ndarray, negatives: tuple[str, ...]) -> dict[str, dict]:
    """Of each unseen attack that is there: the AUC against these independents by scores (draws, M), n and accuracy."""
    independent = np.isin(found.kinds, negatives)
    stolen = {attack: own for attack in UNSEEN if (own := found.kinds == attack).any()}
    return {
        "auc_by_unseen_attack": {attack: _auc(scores, own, independent) for attack, own in stolen.items()},
        "n_by_unseen_attack": {attack: int(own.sum()) for attack, own in stolen.items()},
        "accuracy_by_unseen_attack": {attack: float(found.accuracy[own].mean()) for attack, own in stolen.items()},
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


def _by_architecture(found: Labels, models: np.ndarray) -> dict[str, np.ndarray]:
    """Masks (M,) of those of the models that are of each architecture."""
    return {str(name): models & (found.architecture == name) for name in np.unique(found.architecture[models])}


def _auc(scores: np.ndarray, stolen: np.ndarray, independent: np.ndarray) -> float:
    """The mean over draws; stolen, independent (M,): masks."""
    return float(np.mean([statistics.auc(-draw[stolen], -draw[independent]) for draw in scores]))
