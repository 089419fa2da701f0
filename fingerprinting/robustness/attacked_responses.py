"""Suspects' responses to attacked queries, beside those that the source is taken to give."""

from collections import defaultdict
from dataclasses import replace

import torch

from fingerprinting.calibrated import contents
from fingerprinting.calibrated.representation import agreement_minus_twins
from fingerprinting.fingerprints.registry import OUTPUTS, Method
from fingerprinting.fingerprints.representations import correlation, match_rate, responses, robustness
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.models.suspects import Suspect
from fingerprinting.robustness.attacker import Evasion
from fingerprinting.robustness.evasion import PERTURBATIONS, SEEN
from fingerprinting.robustness.query_detector import Detection

# Representations that make sense of any of a fingerprint's queries; others read them in pairs, views or walks.
PER_QUERY = (responses, robustness, match_rate, correlation, agreement_minus_twins)
REFUSED = "refused"  # flagged queries get no response


class Representations:
    """Distances of suspects' responses, by attack on queries, method and model; the source is read once for each.

    compared: attack -> fingerprint name -> the queries and the source's responses that suspects are compared on.
    """

    def __init__(
        self, methods: list[Method], prints: dict[str, Fingerprint], detected: dict[str, Detection], evasion: Evasion
    ) -> None:
        self.methods, self.prints = methods, prints
        self.compared = {REFUSED: {n: kept for n, found in prints.items() if (kept := _answered(found, detected[n]))}}
        for attack in SEEN:
            self.compared[attack] = {
                name: replace(found, source_logits=PERTURBATIONS[attack](found.source_logits, evasion, None))
                for name, found in prints.items()
            }
        self.distances: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        self.sources: dict[tuple[str, str], torch.Tensor] = {}

    def put(self, attack: str, suspect: Suspect, name: str, logits: torch.Tensor) -> None:
        """Read a suspect's responses (n, C') to the fingerprint `name`, or to those queries that were not refused."""
        fingerprint = self.compared.get(attack, self.prints)[name]
        for method in self.methods:
            per_query = attack != REFUSED or method.representation in PER_QUERY
            if method.name == name and per_query and method.suits(suspect.kind.on_target):
                if (method.key, attack) not in self.sources:
                    self.sources[method.key, attack] = _reading(method, fingerprint.source_logits, fingerprint)
                own, source = _reading(method, logits, fingerprint), self.sources[method.key, attack]
                self.distances[attack][method.key][suspect.model.name] = method.distance(own, source)


def _answered(fingerprint: Fingerprint, found: Detection) -> Fingerprint | None:
    """The queries that an attacker does not refuse; None where none is left."""
    kept = ~found.flagged
    if not kept.any():
        return None
    return contents.of_queries(fingerprint, kept)


def _reading(method: Method, logits: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    return method.representation(OUTPUTS[method.output](logits), fingerprint)
