"""How well distances separate pirated from independent models, and how sure that is with so few models."""

from functools import lru_cache

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import roc_curve

DRAWS = 2_000  # bootstrap draws
LEVEL = 0.95


def curve(pirated: np.ndarray, independent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates when models below a rising distance are flagged."""
    truth = np.concatenate([np.ones(len(pirated)), np.zeros(len(independent))])
    false, true, _ = roc_curve(truth, -np.concatenate([pirated, independent]), drop_intermediate=False)
    return false, true


def auc(pirated: np.ndarray, independent: np.ndarray) -> float:
    """Share of (pirated, independent) pairs in which the pirated model is nearer to the source; ties count half."""
    if not all(len(distances) and np.isfinite(distances).all() for distances in (pirated, independent)):
        raise ValueError("an AUC is of distances that are numbers, of both kinds of models")
    order = np.sort(independent)
    passed = (np.searchsorted(order, pirated, "left") + np.searchsorted(order, pirated, "right")) / 2
    return float(1 - passed.mean() / len(order))


def tpr_at_fpr(pirated: np.ndarray, independent: np.ndarray, fpr: float) -> float:
    """Share of pirated models caught by the widest threshold that flags at most `fpr` of the independents."""
    shares = np.arange(1, len(independent) + 1) / len(independent)
    spared = np.append(np.sort(independent), np.inf)[np.searchsorted(shares, fpr, "right")]
    return float((pirated < spared).mean())


def resampled(count: int, draws: int, generator: np.random.Generator) -> np.ndarray:
    """(draws, count): how often each of `count` models stands in each bootstrap draw."""
    return generator.multinomial(count, np.full(count, 1 / count), size=draws)


def auc_draws(
    pirated: np.ndarray, independent: np.ndarray, pirated_counts: np.ndarray, independent_counts: np.ndarray
) -> np.ndarray:
    """(draws,): the AUC of every bootstrap draw, from how often it holds each model."""
    nearer = (pirated[:, None] < independent) + 0.5 * (pirated[:, None] == independent)
    won = ((pirated_counts.astype(float) @ nearer) * independent_counts).sum(1)
    return won / (len(pirated) * len(independent))


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Percentile interval; over models, so it says what other models of the same kinds would give."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def auc_interval(pirated: np.ndarray, independent: np.ndarray, generator: np.random.Generator) -> tuple[float, float]:
    """The AUC's bootstrap interval over both sides' models."""
    counts = (resampled(len(side), DRAWS, generator) for side in (pirated, independent))
    return interval(auc_draws(pirated, independent, *counts))


def threshold(pirated: np.ndarray, independent: np.ndarray) -> float:
    """The distance up to which a model is flagged that makes the sum of both error rates least on these models.

    In the middle between the last model flagged and the first one spared; of equally good ones the lowest.
    """
    values = np.unique(np.concatenate([pirated, independent]))
    cuts = np.concatenate([[values[0] - 1], (values[:-1] + values[1:]) / 2, [values[-1] + 1]])
    missed = (pirated[:, None] > cuts).mean(0)
    flagged = (independent[:, None] <= cuts).mean(0)
    return float(cuts[np.argmin(missed + flagged)])


def share(hits: np.ndarray) -> tuple[float, float, float]:
    """A share of yes/no outcomes (n,), and its exact binomial (Clopper-Pearson) interval."""
    return float(hits.mean()), *_binomial_interval(int(hits.sum()), len(hits))


@lru_cache  # tables ask for few different ones, hundreds of times
def _binomial_interval(hits: int, count: int) -> tuple[float, float]:
    found = binomtest(hits, count).proportion_ci(LEVEL)
    return float(found.low), float(found.high)
