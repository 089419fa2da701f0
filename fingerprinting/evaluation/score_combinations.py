"""Ways to score responses, the calibrated fingerprint's own two first and then those that it is compared with.

Each gives scores of judged models (m,) from fitted ones and their responses to the chosen queries.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from fingerprinting.calibrated import evidence
from fingerprinting.models.kinds import EXTRACTED, INDEPENDENT, MODIFIED
from fingerprinting.models.suspects import Suspect, origin

CONTROLS = 25  # of the queries, in the variant that spends some on a suspect's control accuracy
SMOOTHING = 1.0  # added to every count of outcomes


@dataclass(frozen=True)
class Responses:
    """Models' responses to the candidates, by outcome (models, candidates): 0 the source's, 1 the truth, 2 other."""

    models: list[Suspect]
    outcomes: np.ndarray

    @property
    def bits(self) -> np.ndarray:
        return (self.outcomes == 0).astype(float)

    @property
    def origins(self) -> np.ndarray:
        return np.array([origin(model) for model in self.models])

    def where(self, kept: Callable[[Suspect], bool]) -> "Responses":
        chosen = [index for index, model in enumerate(self.models) if kept(model)]
        return Responses([self.models[index] for index in chosen], self.outcomes[chosen])

    def asked(self, queries: np.ndarray) -> "Responses":
        return Responses(self.models, self.outcomes[:, queries])


def two_log_odds(fitted: Responses, judged: Responses, strength: float = evidence.STRENGTH) -> np.ndarray:
    return evidence.combined(evidence.fit(fitted.bits, fitted.origins, strength).evidence(judged.bits))


def standardised_log_odds(fitted: Responses, judged: Responses) -> np.ndarray:
    return evidence.combined(evidence.fit_standardised(fitted.bits, fitted.origins).evidence(judged.bits))


def one_of_two(attack: int, fitted: Responses, judged: Responses) -> np.ndarray:
    """The log-odds of one attack alone; 0, which says nothing, where no fitted model was stolen in that way."""
    known = [origin for origin in (EXTRACTED, MODIFIED) if (fitted.origins == origin).any()]
    if attack not in known:
        return np.zeros(len(judged.models))
    return evidence.fit(fitted.bits, fitted.origins).evidence(judged.bits)[:, known.index(attack)]


def one_log_odds(fitted: Responses, judged: Responses) -> np.ndarray:
    """Extraction and modification as one attack."""
    stolen = np.where(fitted.origins == INDEPENDENT, INDEPENDENT, EXTRACTED)
    return evidence.combined(evidence.fit(fitted.bits, stolen).evidence(judged.bits))


def likelihood_ratios(fitted: Responses, judged: Responses) -> np.ndarray:
    """Independent queries of three outcomes: sums of log-likelihood ratios, extraction and modification apart."""

    def log_shares(kept: np.ndarray) -> np.ndarray:
        counts = np.stack([(fitted.outcomes[kept] == outcome).sum(0) for outcome in range(3)]) + SMOOTHING
        return np.log(counts / counts.sum(0))

    independent = log_shares(fitted.origins == INDEPENDENT)
    places = np.arange(judged.outcomes.shape[1])
    sums = [
        (log_shares(fitted.origins == attack) - independent)[judged.outcomes, places].sum(1)
        for attack in (EXTRACTED, MODIFIED)
        if (fitted.origins == attack).any()
    ]
    return evidence.combined(np.stack(sums, -1))


def null_deviations(fitted: Responses, judged: Responses) -> np.ndarray:
    """Sum over queries of how far agreement is from the independent models' mean, in their standard deviations."""
    independent = fitted.bits[fitted.origins == INDEPENDENT]
    signs = np.sign(evidence.separation(fitted.bits[fitted.origins != INDEPENDENT], independent))
    deviation = np.sqrt(independent.var(0) + evidence.SPREAD)
    return (signs * (judged.bits - independent.mean(0)) / deviation).sum(1)


def plain_agreement(_fitted: Responses, judged: Responses) -> np.ndarray:
    return judged.bits.mean(1)


def with_controls(fitted: Responses, judged: Responses) -> np.ndarray:
    """The last CONTROLS queries were drawn at random: agreement on them is the suspect's ability, one more feature."""

    def features(responses: Responses) -> np.ndarray:
        control_accuracy = responses.bits[:, -CONTROLS:].mean(1, keepdims=True) * np.sqrt(CONTROLS)
        return np.concatenate([responses.bits[:, :-CONTROLS], control_accuracy], 1)

    return evidence.combined(evidence.fit(features(fitted), fitted.origins).evidence(features(judged)))


SCORES: dict[str, Callable[[Responses, Responses], np.ndarray]] = {
    "two log-odds": two_log_odds,
    "two log-odds, standardised": standardised_log_odds,
    "two log-odds, a tenth as free": partial(two_log_odds, strength=evidence.STRENGTH / 10),
    "two log-odds, ten times as free": partial(two_log_odds, strength=evidence.STRENGTH * 10),
    "extraction's log-odds": partial(one_of_two, EXTRACTED),
    "modification's log-odds": partial(one_of_two, MODIFIED),
    "one log-odds": one_log_odds,
    "likelihood ratios": likelihood_ratios,
    "deviations from independent": null_deviations,
    "plain agreement": plain_agreement,
    "control accuracy added": with_controls,
}
