"""The table of methods: which queries, which of a suspect's outputs, how they are read, how readings are compared."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from fingerprinting.fingerprints.distances import cosine, euclidean, hamming, mean_absolute, shortfall, total_absolute
from fingerprinting.fingerprints.representations import (
    code,
    correlation,
    cosines,
    decision_distances,
    match_rate,
    membership,
    own_class,
    responses,
    votes,
)
from fingerprinting.fingerprints.store import Fingerprint

# What a suspect may give; a method gets no more than the output kind that its row names.
OUTPUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "labels": lambda logits: logits.argmax(1),
    "probabilities": lambda logits: torch.softmax(logits, 1),
    "logits": lambda logits: logits,
}


@dataclass(frozen=True)
class Method:
    """name is that of the fingerprint file; output a key of OUTPUTS.

    judges: models of `any` task, of the `source` task alone (the reading needs its classes), or of the `target` alone.
    needs: a tensor among the fingerprint's extra, without which it cannot be read in this way.
    """

    name: str
    output: str
    representation: Callable[[torch.Tensor, Fingerprint], torch.Tensor]
    distance: Callable[[torch.Tensor, torch.Tensor], float]
    judges: str = "any"
    needs: str = ""

    def suits(self, on_target: bool) -> bool:
        return self.judges == "any" or (self.judges == "target") == on_target

    @property
    def key(self) -> str:
        return f"{self.name}/{self.output}/{self.representation.__name__}"

    @property
    def identity(self) -> tuple[str, str, str]:
        """What rows of records carry as method, output, representation."""
        return self.name, self.output, self.representation.__name__

    @property
    def columns(self) -> dict[str, str]:
        """The reading by its columns' names."""
        return dict(zip(("method", "output", "representation"), self.identity, strict=True))

    def score(self, suspect_logits: torch.Tensor, fingerprint: Fingerprint) -> float:
        """Distance of a suspect's answers (n, C') from the source's: the smaller, the more alike."""
        representations = [
            self.representation(OUTPUTS[self.output](logits), fingerprint)
            for logits in (suspect_logits, fingerprint.source_logits)
        ]
        return self.distance(*representations)


def agreement(name: str) -> Method:
    """How most peers read answers: the share of queries that the suspect answers with another label."""
    return Method(name, "labels", responses, hamming, judges="source")


METHODS = [
    method
    for name in ("primary", "evolved")
    for method in (
        Method(name, "labels", match_rate, euclidean),
        Method(name, "labels", correlation, mean_absolute),
        Method(name, "probabilities", correlation, mean_absolute),
        Method(name, "logits", correlation, mean_absolute),
    )
]
METHODS += [agreement("random"), agreement("akh")]
METHODS += [Method(name, output, correlation, mean_absolute) for name in ("sac_w", "sac_m") for output in OUTPUTS]
METHODS += [
    Method("deepcore", "probabilities", cosines, mean_absolute),
    Method("deepcore", "logits", cosines, mean_absolute),
    Method("deepcore", "logits", own_class, total_absolute, judges="source"),
]
METHODS += [agreement("ipguard"), agreement("cae"), agreement("adv_tra")]
METHODS += [Method("modeldiff", "probabilities", decision_distances, cosine)]
METHODS += [
    Method("fuap", "probabilities", code, cosine, judges="source"),
    agreement("metafinger"),
    Method("irisfp", "labels", votes, hamming, judges="source"),
    Method("dataset_inference", "labels", membership, shortfall, judges="source"),
]


def readable(prints: dict[str, Fingerprint]) -> list[Method]:
    """The methods that these fingerprints can be read with."""
    return [
        method
        for method in METHODS
        if method.name in prints and (not method.needs or method.needs in prints[method.name].extra)
    ]


def shown(methods: list[Method]) -> list[Method]:
    """Each fingerprint's first reading, for figures that cannot show them all: the one that asks least of a suspect."""
    first: dict[str, Method] = {}
    for method in methods:
        first.setdefault(method.name, method)
    return list(first.values())
