"""The table of fingerprints: a row says whose queries they are, what makes them, and how responses to them are read."""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from fingerprinting.fingerprints.distances import hamming, shortfall
from fingerprinting.fingerprints.representations import (
    code,
    correlation,
    cosines,
    decision_distances,
    distance_matrix,
    local_weights,
    own_class,
    responses,
    robustness,
)
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.study.renamed import as_first_called

# What a suspect may give; a method gets no more than the output kind that its row names.
OUTPUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "labels": lambda logits: logits.argmax(1),
    "probabilities": lambda logits: torch.softmax(logits, 1),
    "logits": lambda logits: logits,
}


# Representations that are the same whosever fingerprint the queries are: they look at none of its labels.
OF_ALL = (
    *(responses, robustness, own_class, cosines, correlation, decision_distances, distance_matrix, code),
    local_weights,
)
Identity = tuple[str, str, str]  # a fingerprint, the output that it needs, and how that is read
MINUS_TWINS = "_minus_twins"  # ends the name of a representation that is read beside the twins' responses


@dataclass(frozen=True)
class Method:
    """One way to read a fingerprint. name is that of its file; output a key of OUTPUTS.

    judges: models of `any` task, of the `source` task alone (it needs those classes), or of the `target` alone.
    needs: a tensor among the fingerprint's extra, without which it cannot be read in this way.
    minus_twins: the distance to the source less the mean distance to its twins.
    """

    name: str
    output: str
    representation: Callable[[torch.Tensor, Fingerprint], torch.Tensor]
    distance: Callable[[torch.Tensor, torch.Tensor], float]
    judges: str = "any"
    needs: str = ""
    minus_twins: bool = False

    def suits(self, on_target: bool) -> bool:
        return self.judges == "any" or (self.judges == "target") == on_target

    @property
    def representation_name(self) -> str:
        return self.representation.__name__ + MINUS_TWINS * self.minus_twins

    @property
    def key(self) -> str:
        return f"{self.name}/{self.output}/{self.representation_name}"

    @property
    def seed_name(self) -> str:
        """What seeds are drawn from: the key as it first was, so that intervals stay."""
        return f"{self.name}/{self.output}/{as_first_called(self.representation_name)}"

    @property
    def identity(self) -> Identity:
        """What rows of records carry as method, output, representation."""
        return self.name, self.output, self.representation_name

    @property
    def columns(self) -> dict[str, str]:
        """The representation by its columns' names."""
        return dict(zip(("method", "output", "representation"), self.identity, strict=True))

    def score(
        self, suspect_logits: torch.Tensor, fingerprint: Fingerprint, twins: Sequence[torch.Tensor] = ()
    ) -> float:
        """Distance of a suspect's responses (n, C') from the source's: the smaller, the more alike.

        twins: the logits (n, C) of each, for a method that is read minus them.
        """
        return self.reading(fingerprint, twins)(suspect_logits)

    def reading(self, fingerprint: Fingerprint, twins: Sequence[torch.Tensor] = ()) -> Callable[[torch.Tensor], float]:
        """The score of any suspect; what all of them are compared with is represented once."""
        whose = [fingerprint, *(fingerprint.of(logits) for logits in twins if self.minus_twins)]
        sides = [(one, self._represented(one.source_logits, one)) for one in whose]

        def score(suspect_logits: torch.Tensor) -> float:
            if self.representation in OF_ALL:
                alike = self._represented(suspect_logits, fingerprint)
                own, *others = [self.distance(alike, side) for _, side in sides]
            else:
                own, *others = [self.distance(self._represented(suspect_logits, one), side) for one, side in sides]
            return own - sum(others) / len(others) if self.minus_twins else own

        return score

    def _represented(self, logits: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
        return self.representation(OUTPUTS[self.output](logits), fingerprint)

    @property
    def compares(self) -> bool:
        """Whether it is about how alike two models' responses are, so that a twin can take the source's place."""
        return self.distance is not shortfall


def identity_of(row: dict) -> Identity:
    """Of the method that a row of records is about."""
    return row["method"], row["output"], row["representation"]


def agreement(name: str) -> Method:
    """How most baselines read responses: the share of queries to which the suspect responds with another label."""
    return Method(name, "labels", responses, hamming, judges="source")


@dataclass(frozen=True)
class Row:
    """All there is to say about a fingerprint, but for what makes its queries.

    representations: the ways in which it is read, in the order of all tables; figures show the first.
    queries: make(owner, n, **constants), or None where a root script of its name makes the fingerprint.
    cheap: made in seconds.
    constants: those of `queries` by the names that the command line knows, IPGUARD_STEPS for `steps`; a value may be a
    table by tier or domain.
    least: what a constant of `queries` must be at least, for queries that can be read.
    """

    name: str
    representations: tuple[Method, ...]
    queries: Callable | None
    cheap: bool
    constants: dict[str, object]
    least: dict[str, float]


# The order of all tables. Each fingerprint's module adds its row; import fingerprinting.methods for all of them.
ORDER = (
    *("primary", "evolved", "random", "akh", "outvoted", "sac_w", "sac_m", "deepcore", "ipguard", "cae", "adv_tra"),
    *("modeldiff", "fit_print", "deepjudge", "zest", "fuap", "metafinger", "irisfp", "anafp", "dataset_inference"),
    "calibrated",
)
ROWS: dict[str, Row] = {}
METHODS: list[Method] = []  # every way in which a fingerprint is read


def add(
    *representations: Method,
    queries: Callable | None = None,
    cheap: bool = False,
    least: dict[str, float] | None = None,
) -> None:
    """A fingerprint's row, from the module that makes its queries, in which its constants stand."""
    (name,) = {method.name for method in representations}
    if name not in ORDER or name in ROWS:
        raise ValueError(f"a fingerprint is added once, and its name {name!r} stands in registry.ORDER, once")
    ROWS[name] = Row(name, representations, queries, cheap, _constants(name, queries) if queries else {}, least or {})
    ordered = {known: ROWS[known] for known in ORDER if known in ROWS}
    ROWS.clear()
    ROWS.update(ordered)
    METHODS[:] = [method for row in ROWS.values() for method in row.representations]


def _constants(name: str, queries: Callable) -> dict[str, object]:
    """What `queries` takes besides owner and n, as its module has it under the fingerprint's name."""
    prefix = f"{name.upper()}_"
    found = {key: value for key, value in vars(sys.modules[queries.__module__]).items() if key.startswith(prefix)}
    taken = {prefix + key.upper() for key in list(inspect.signature(queries).parameters)[2:]}
    if differing := sorted(taken ^ set(found)):
        raise TypeError(f"{queries.__module__} and what {name} takes differ in {', '.join(differing)}")
    return found


def readable(prints: dict[str, Fingerprint]) -> list[Method]:
    """The methods that these fingerprints can be read with."""
    return [
        method
        for method in METHODS
        if method.name in prints and (not method.needs or method.needs in prints[method.name].extra)
    ]


def and_minus_twins(methods: list[Method]) -> list[Method]:
    """Each method as it was published, followed by itself minus twins where that makes sense."""
    return [
        one for method in methods for one in (method, *([replace(method, minus_twins=True)] if method.compares else []))
    ]


def shown(methods: list[Method]) -> list[Method]:
    """Each fingerprint's first representation, which asks least of a suspect, for figures that cannot show all."""
    first: dict[str, Method] = {}
    for method in methods:
        first.setdefault(method.name, method)
    return list(first.values())
