"""Which inputs to ask, and what a suspect's labels say beside those of the source's twins; numpy on labels alone.

A twin repeats the source's training with another seed. What a suspect shares with the source and not with its twins
does not come from the recipe or the data. A twin that helped to choose a query is never subtracted on it.
"""

import numpy as np


def choosers(twins: int, candidates: int, draw: np.random.Generator) -> np.ndarray:
    """(twins, candidates) bool: which twins help to choose each candidate, half of them, others for each; of one none.

    The rest are subtracted where that candidate is asked.
    """
    ranks = draw.random((twins, candidates)).argsort(0).argsort(0)
    return ranks < twins // 2


def merit(source: np.ndarray, margin: np.ndarray, twins: np.ndarray, choosing: np.ndarray) -> np.ndarray:
    """(m,): the share of its choosing twins that respond otherwise than the source, times the source's margin.

    source (m,), twins (k, m): labels. margin (m,): the source's probability of its label less that of the next one; a
    mistake that it is hardly sure of is one that no copy need repeat. Where no twin chooses all are worth the same:
    what a source is surest of among its mistakes is then often what any model gets wrong.
    """
    count = choosing.sum(0)
    return ((twins != source) & choosing).sum(0) / np.maximum(count, 1) * margin


def choose(group: np.ndarray, merit: np.ndarray, n: int, draw: np.random.Generator) -> np.ndarray:
    """Indices of the n candidates that are asked: by group (m,), lowest first, then merit (m,), then at random."""
    return np.lexsort((draw.random(len(group)), -merit, group))[:n]


def score(suspect: np.ndarray, source: np.ndarray, twins: np.ndarray, subtracted: np.ndarray) -> np.ndarray:
    """(...): agreement with the source less the mean agreement with the twins, averaged over queries.

    suspect (..., n), source (n,), twins (k, n): labels. subtracted (k, n): which twins count on which query; without
    any the agreement stands alone.
    """
    agreement = (suspect == source).astype(float)
    count = subtracted.sum(0)
    shared = sum(((suspect == twin) & own for twin, own in zip(twins, subtracted, strict=True)), np.zeros(()))
    return (agreement - shared / np.maximum(count, 1)).mean(-1)
