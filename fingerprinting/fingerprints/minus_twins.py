"""Which inputs to ask, and what a suspect's labels say beside those of the source's twins; numpy on labels alone.

A twin repeats the source's training with another seed. What a suspect shares with the source and not with its twins
does not come from the recipe or the data. A twin that helped to choose a query is never subtracted on it. Where there
are matched pairs, models that differ in origin alone, they show which queries tell that origin.
"""

import numpy as np
from sklearn.metrics import rand_score

PRIOR = 4.0  # pairs that the twins' judgement of a query counts as
AS_ABLE = 0.95  # of the calibration models: a suspect may have as many responses of its own as these


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


def with_pairs(
    merit: np.ndarray,
    source: np.ndarray,
    twins: np.ndarray,
    choosing: np.ndarray,
    independent: np.ndarray,
    stolen: np.ndarray,
) -> np.ndarray:
    """(m,): by how much more a pair's stolen model scores on each candidate than its partner, with merit as the prior.

    independent, stolen (p, m): labels of the pairs' models. Scores are beside the choosing twins alone.
    """
    scores = [contributions(labels, source, twins, choosing) for labels in (stolen, independent)]
    return ((scores[0] - scores[1]).sum(0) + PRIOR * merit) / (len(stolen) + PRIOR)


def choose(group: np.ndarray, worth: np.ndarray, n: int, draw: np.random.Generator) -> np.ndarray:
    """Indices of the n candidates that are asked: by group (m,), lowest first, then by worth (m,), equal ones drawn."""
    return np.lexsort((draw.random(len(worth)), -worth, group))[:n]


def contributions(suspect: np.ndarray, source: np.ndarray, twins: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """(..., m): whether a suspect agrees with the source, less the share of the twins that it agrees with.

    suspect (..., m), source (m,), twins (k, m): labels. counted (k, m): which twins count on which input; without any
    the agreement stands alone.
    """
    shared = sum(((suspect == twin) & own for twin, own in zip(twins, counted, strict=True)), np.zeros(()))
    return (suspect == source) - shared / np.maximum(counted.sum(0), 1)


def own_responses(contributions: np.ndarray) -> np.ndarray:
    """(..., m) -> (...,): the share of inputs to which a suspect responds as neither the source nor a twin that counts.

    Together with those to which the source and these twins all respond alike, which tell nothing of any suspect.
    """
    return (contributions == 0).mean(-1)


def most_own_responses(own: np.ndarray) -> np.ndarray:
    """(m, ...) -> (...): the share of own responses that AS_ABLE of the m models do not exceed; of up to twenty all."""
    return np.quantile(own, AS_ABLE, axis=0, method="higher")


def as_able(own: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """(M, ...) bool: which models have no more own responses, shares (M, ...), than the ranked ones, a mask (M,)."""
    return own <= most_own_responses(own[ranked])


def score(suspect: np.ndarray, source: np.ndarray, twins: np.ndarray, subtracted: np.ndarray) -> np.ndarray:
    """(...): the mean of the contributions over queries: agreement with the source less that with its twins."""
    return contributions(suspect, source, twins, subtracted).mean(-1)


def pattern(suspect: np.ndarray, source: np.ndarray, twins: np.ndarray, subtracted: np.ndarray) -> float:
    """How much more the pattern of a suspect's labels shares with the source's than with its twins'; any task's labels.

    suspect (n,), source (n,), twins (k, n), subtracted (k, n) as in `score`. The pattern is which pairs of queries get
    the same label (SAC 2022), and two share what the Rand index says, of the queries that a twin did not choose.
    """
    found = [
        rand_score(suspect[asked], source[asked]) - rand_score(suspect[asked], twin[asked])
        for twin, asked in zip(twins, subtracted, strict=True)
        if asked.any()
    ]
    return float(np.mean(found)) if found else 0.0
