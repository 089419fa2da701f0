"""Verdicts before all queries are asked: a few looks at what was said so far, each at a false positive rate of its own.

The looks' rates sum to alpha, so that all of them together flag at most that share of independent models, by group
sequential tests (Lan & DeMets 1983, "Discrete sequential boundaries for clinical trials"). Most of alpha is spent on
the last look: who asks all queries loses little, and copies show themselves at once.
"""

from collections.abc import Iterator

import numpy as np
import torch

from fingerprinting.asking.respondent import UNANSWERED
from fingerprinting.calibrated import p_values
from fingerprinting.calibrated.contents import CalibratedFingerprint, of_queries
from fingerprinting.fingerprints.store import Fingerprint

FIRST = 25  # queries before the first look; each further look doubles them
EARLY = 0.1  # of alpha, for all looks but the last one, the same for each


def looks(n: int) -> tuple[int, ...]:
    """After how many queries of n there is a look; the last one is after all of them."""
    return (*_doubled(n), n)


def _doubled(n: int) -> Iterator[int]:
    count = FIRST
    while count < n:
        yield count
        count *= 2


def shares(count: int) -> list[float]:
    """The share of alpha that each of count looks spends."""
    return [*(EARLY / (count - 1) for _ in range(count - 1)), 1 - EARLY] if count > 1 else [1.0]


def adjusted(p: np.ndarray, count: int) -> np.ndarray:
    """(..., k) -> (..., k): p-values of the first k of count looks as what a verdict compares with alpha at each.

    The least so far over its share: at most alpha at some look is flagged, and stays so.
    """
    return np.minimum.accumulate(np.minimum(p / np.array(shares(count)[: p.shape[-1]]), 1), axis=-1)


def p_value(fingerprint: Fingerprint, labels: torch.Tensor, alpha: float, tail: str) -> float:
    """How often independent models show as much evidence as labels (m,), of the first m queries, at some look.

    fingerprint: of twins. m: one of its looks. Queries that are UNANSWERED are left out of each.
    """
    when, p = looks(len(fingerprint)), []
    for count, share in zip(when, shares(len(when)), strict=True):
        if count <= len(labels):
            kept = torch.arange(len(fingerprint)) < count
            kept[: len(labels)] &= labels != UNANSWERED
            if not kept.any():
                p.append(1.0)
                continue
            so_far = of_queries(fingerprint, kept)
            known = CalibratedFingerprint.of(so_far).source
            said = labels[kept[: len(labels)]].numpy()
            (evidence,) = known.traces(said, so_far.labels.numpy(), other_task=False)
            p.append(p_values.p_value(evidence, known.groups, alpha * share, tail))
    return float(adjusted(np.array(p), len(when))[-1])


def first(fingerprint: Fingerprint, count: int) -> Fingerprint:
    """The same where no more queries than that are asked."""
    return of_queries(fingerprint, torch.arange(len(fingerprint)) < count)
