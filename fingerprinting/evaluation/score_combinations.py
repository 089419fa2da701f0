"""Ways to score answers, the calibrated fingerprint's own two first and then those that it is compared with.

Each gives scores of judged models (m,) from fitted ones and what they answer to the chosen queries.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from fingerprinting.calibrated import evidence
from fingerprinting.models.kinds import EXTRACTED, HONEST, TAMPERED
from fingerprinting.models.suspects import Suspect, origin

CONTROLS = 25  # of the queries, in the variant that spends some on a suspect's ability
SMOOTHING = 1.0  # added to every count of outcomes


@dataclass(frozen=True)
class Answers:
    """What models answer to the candidates, by outcome (models, candidates): 0 the source's, 1 the truth, 2 other."""

    models: list[Suspect]
    outcomes: np.ndarray

    @property
    def bits(self) -> np.ndarray:
        return (self.outcomes == 0).astype(float)

    @property
    def origins(self) -> np.ndarray:
        return np.array([origin(model) for model in self.models])

    def where(self, kept: Callable[[Suspect], bool]) -> "Answers":
        chosen = [index for index, model in enumerate(self.models) if kept(model)]
        return Answers([self.models[index] for index in chosen], self.outcomes[chosen])

    def asked(self, queries: np.ndarray) -> "Answers":
        return Answers(self.models, self.outcomes[:, queries])


def two_log_odds(fitted: Answers, judged: Answers, strength: float = evidence.STRENGTH) -> np.ndarray:
    return evidence.combined(evidence.fit(fitted.bits, fitted.origins, strength).evidence(judged.bits))


def standardised_log_odds(fitted: Answers, judged: Answers) -> np.ndarray:
    return evidence.combined(evidence.fit_standardised(fitted.bits, fitted.origins).evidence(judged.bits))


def one_of_two(theft: int, fitted: Answers, judged: Answers) -> np.ndarray:
    """The log-odds of one theft alone; 0, which says nothing, where no fitted model was stolen in that way."""
    known = [origin for origin in (EXTRACTED, TAMPERED) if (fitted.origins == origin).any()]
    if theft not in known:
        return np.zeros(len(judged.models))
    return evidence.fit(fitted.bits, fitted.origins).evidence(judged.bits)[:, known.index(theft)]


def one_log_odds(fitted: Answers, judged: Answers) -> np.ndarray:
    """Extraction and tampering as one theft."""
    stolen = np.where(fitted.origins == HONEST, HONEST, EXTRACTED)
    return evidence.combined(evidence.fit(fitted.bits, stolen).evidence(judged.bits))


def likelihood_ratios(fitted: Answers, judged: Answers) -> np.ndarray:
    """Independent queries of three outcomes: sums of log-likelihood ratios, extraction and tampering apart."""

    def log_shares(kept: np.ndarray) -> np.ndarray:
        counts = np.stack([(fitted.outcomes[kept] == outcome).sum(0) for outcome in range(3)]) + SMOOTHING
        return np.log(counts / counts.sum(0))

    honest = log_shares(fitted.origins == HONEST)
    places = np.arange(judged.outcomes.shape[1])
    sums = [
        (log_shares(fitted.origins == theft) - honest)[judged.outcomes, places].sum(1)
        for theft in (EXTRACTED, TAMPERED)
        if (fitted.origins == theft).any()
    ]
    return evidence.combined(np.stack(sums, -1))


def null_deviations(fitted: Answers, judged: Answers) -> np.ndarray:
    """Sum over queries of how far agreement is from the honest models' mean, in their standard deviations."""
    honest = fitted.bits[fitted.origins == HONEST]
    signs = np.sign(evidence.separation(fitted.bits[fitted.origins != HONEST], honest))
    deviation = np.sqrt(honest.var(0) + evidence.SPREAD)
    return (signs * (judged.bits - honest.mean(0)) / deviation).sum(1)


def plain_agreement(_fitted: Answers, judged: Answers) -> np.ndarray:
    return judged.bits.mean(1)


def with_controls(fitted: Answers, judged: Answers) -> np.ndarray:
    """The last CONTROLS queries were drawn at random: agreement on them is the suspect's ability, one more feature."""

    def features(answers: Answers) -> np.ndarray:
        ability = answers.bits[:, -CONTROLS:].mean(1, keepdims=True) * np.sqrt(CONTROLS)
        return np.concatenate([answers.bits[:, :-CONTROLS], ability], 1)

    return evidence.combined(evidence.fit(features(fitted), fitted.origins).evidence(features(judged)))


SCORES: dict[str, Callable[[Answers, Answers], np.ndarray]] = {
    "two log-odds": two_log_odds,
    "two log-odds, standardised": standardised_log_odds,
    "two log-odds, a tenth as free": partial(two_log_odds, strength=evidence.STRENGTH / 10),
    "two log-odds, ten times as free": partial(two_log_odds, strength=evidence.STRENGTH * 10),
    "extraction's log-odds": partial(one_of_two, EXTRACTED),
    "tampering's log-odds": partial(one_of_two, TAMPERED),
    "one log-odds": one_log_odds,
    "likelihood ratios": likelihood_ratios,
    "deviations from honest": null_deviations,
    "plain agreement": plain_agreement,
    "ability controlled": with_controls,
}
