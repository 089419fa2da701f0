"""Evidence of stealing in responses, weighed on models whose origin is known.

A suspect is read as one bit per query: does it respond as the source does? Extraction and modification leave different
traces in these bits, so each has its own log-odds against independence, and the two make one verdict.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from fingerprinting.models.kinds import EXTRACTED, INDEPENDENT, MODIFIED

SPREAD = 0.002  # added to a squared standard error: a query on which few models agree by chance is no sure query
HELD_OUT = 3  # folds in which models are held out to see how far the log-odds of independent ones stray
Choice = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (bits, origins) -> indices of candidates
STRENGTH = 4.0  # inverse of the regularisation, divided among the queries: log-odds are as free whatever their number


@dataclass(frozen=True)
class Weights:
    """centre (n,): share of independent models that agree; coefficients (k, n), intercepts (k,): k log-odds."""

    centre: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray

    def evidence(self, bits: np.ndarray) -> np.ndarray:
        """bits (..., n) -> (..., k): log-odds of each stealing attack against independence."""
        return (bits - self.centre) @ self.coefficients.T + self.intercepts


Fit = Callable[[np.ndarray, np.ndarray], Weights]  # of (bits, origins)


def combined(evidence: np.ndarray) -> np.ndarray:
    """(..., k) -> (...): log-odds that the model was stolen in one of the k ways."""
    return np.logaddexp.reduce(evidence, axis=-1)


def separation(stolen: np.ndarray, independent: np.ndarray) -> np.ndarray:
    """Welch's t (n,) of bits (models, n), stolen against independent models; its standard error is at least SPREAD."""
    squared_error = stolen.var(0) / len(stolen) + independent.var(0) / len(independent)
    return (stolen.mean(0) - independent.mean(0)) / np.sqrt(squared_error + SPREAD)


def choose(bits: np.ndarray, origins: np.ndarray, n: int, extraction_share: float) -> np.ndarray:
    """Indices of the n candidates whose bits (models, candidates) separate best, a share of them for extraction."""
    wanted = {EXTRACTED: round(extraction_share * n), MODIFIED: n - round(extraction_share * n)}
    present = [origin for origin in wanted if (origins == origin).any()]
    if len(present) == 1:
        wanted = {present[0]: n}
    chosen: list[int] = []
    for origin in present:
        ranked = np.abs(separation(bits[origins == origin], bits[origins == INDEPENDENT])).argsort(kind="stable")[::-1]
        taken = set(chosen)
        chosen += [index for index in ranked.tolist() if index not in taken][: wanted[origin]]
    return np.array(chosen, dtype=int)


def everything(bits: np.ndarray, _origins: np.ndarray) -> np.ndarray:
    return np.arange(bits.shape[1])


def controls(accurate: np.ndarray, less_accurate: np.ndarray, truth: np.ndarray, n: int) -> np.ndarray:
    """Indices of the n examples that best show a model's accuracy, by which models get them right (models, examples).

    truth (examples,): classes take turns, the best example of each before the second best of any, so that the same
    response to all of them is not accurate.
    """
    return in_turns(separation(accurate, less_accurate).argsort(kind="stable")[::-1], truth)[:n]


def in_turns(ranked: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Indices of examples, classes in turn: the first of each class as ranked before the second of any."""
    turn = np.empty(len(ranked), dtype=int)
    for label in np.unique(truth[ranked]):
        own = truth[ranked] == label
        turn[own] = np.arange(np.count_nonzero(own))
    return ranked[turn.argsort(kind="stable")]


def fit(bits: np.ndarray, origins: np.ndarray, strength: float = STRENGTH) -> Weights:
    """Multinomial logistic regression of origins (models,) on bits (models, n), every origin with the same weight."""
    centre = bits[origins == INDEPENDENT].mean(0)
    free = strength / bits.shape[1]
    model = LogisticRegression(C=free, class_weight="balanced", max_iter=5_000).fit(bits - centre, origins)
    if len(model.classes_) == 2:  # scikit-learn gives the second origin's log-odds alone
        return Weights(centre, model.coef_, model.intercept_)
    return Weights(centre, model.coef_[1:] - model.coef_[0], model.intercept_[1:] - model.intercept_[0])


def fit_standardised(bits: np.ndarray, origins: np.ndarray) -> Weights:
    """As fit, each log-odds less its mean over independent models that were held out, in their standard deviations.

    Where few examples leave models unsure of much, the log-odds of both attacks stray among independent models, and the
    one that strays more would drown what the other one says. Folds that lack an attack say nothing; plain where all do.
    """
    weights, attacks = fit(bits, origins), set(origins.tolist())
    folds = list(_held_out(bits, origins, HELD_OUT, everything, fit, attacks))
    independent = [found[origins[held_out] == INDEPENDENT] for held_out, found in folds]
    if sum(map(len, independent)) < 2:
        return weights
    mean, deviation = (of(np.concatenate(independent), axis=0) for of in (np.mean, np.std))
    scale = np.where(deviation > 0, deviation, 1)
    return Weights(weights.centre, weights.coefficients / scale[:, None], (weights.intercepts - mean) / scale)


def cross_fitted(
    bits: np.ndarray, origins: np.ndarray, folds: int, choice: Choice = everything, fitted: Fit = fit
) -> np.ndarray:
    """Combined evidence (models,) of each model by what was chosen and fitted without its fold: every folds-th.

    bits (models, candidates); choice(bits, origins) gives the indices of those that are asked.
    """
    found = np.empty(len(bits))
    for held_out, log_odds in _held_out(bits, origins, folds, choice, fitted):
        found[held_out] = combined(log_odds)
    return found


def _held_out(
    bits: np.ndarray, origins: np.ndarray, folds: int, choice: Choice, fitted: Fit, known: Collection[int] = ()
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Which models a fold holds (models,) and their log-odds (m, k), of folds without which all `known` origins are."""
    fold = np.arange(len(bits)) % folds
    for number in range(folds):
        seen = fold != number
        if set(known) <= set(origins[seen].tolist()):
            chosen = choice(bits[seen], origins[seen])
            yield ~seen, fitted(bits[seen][:, chosen], origins[seen]).evidence(bits[~seen][:, chosen])


def same_response(labels: np.ndarray) -> np.ndarray:
    """labels (..., n) of any label space -> (..., n (n - 1) / 2): which pairs of queries get the same response."""
    rows, columns = np.triu_indices(labels.shape[-1], 1)
    return (labels[..., rows] == labels[..., columns]).astype(float)
