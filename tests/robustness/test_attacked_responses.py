"""Modified responses: refused queries count for nobody, and the source is taken as if its own were modified too."""

from dataclasses import replace

import pytest
import torch

from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.methods import METHODS
from fingerprinting.robustness import adaptive, evasion
from fingerprinting.robustness.attacked_responses import REFUSED, Representations
from fingerprinting.robustness.evasion import PERTURBATIONS
from tests.robustness.attacker import ATTACKER, detection, fingerprint, of_twins, suspect


def test_refused_queries_count_for_nobody():
    """A stolen model that answers 30 of 40 queries as the source does is at distance 0, though it refused 10."""
    flagged = torch.arange(40) < 10
    methods = [method for method in METHODS if method.name == "primary"]
    representations = Representations(
        methods, {"primary": fingerprint()}, {"primary": detection(flagged)}, ATTACKER.evasion
    )
    logits = fingerprint().source_logits
    logits[:10] = logits[:10].roll(1, 1)  # what it would have said there is not looked at
    representations.put("", suspect("prune", 0), "primary", logits)
    representations.put(REFUSED, suspect("prune", 0), "primary", logits[~flagged])
    for method in methods:
        name = suspect("prune", 0).model.name
        assert (
            representations.distances[REFUSED][method.key][name] == 0 < representations.distances[""][method.key][name]
        )


def test_refused_queries_count_for_no_twin_either():
    """Of the queries that a copy responds to one twin agrees on all: 1 - (1 + 0) / 2; of all of them on half."""
    flagged = torch.arange(40) % 2 == 1
    methods = adaptive.chosen({"calibrated": of_twins()})
    representations = Representations(
        methods, {"calibrated": of_twins()}, {"calibrated": detection(flagged)}, ATTACKER.evasion
    )
    logits, name = of_twins().source_logits, suspect("prune", 0).model.name
    for attack, given in (("", logits), (REFUSED, logits[~flagged])):
        representations.put(attack, suspect("prune", 0), "calibrated", given)
    (method,), kept = methods, representations.compared[REFUSED]["calibrated"]
    assert method.representation(logits.argmax(1), of_twins()) == 0.75
    assert method.representation(logits[~flagged].argmax(1), kept) == 0.5
    assert representations.distances[REFUSED][method.key][name] == representations.distances[""][method.key][name] == 0


def test_where_all_are_refused_nothing_is_claimed():
    found = detection(torch.ones(40, dtype=torch.bool))
    assert Representations([], {"primary": fingerprint()}, {"primary": found}, ATTACKER.evasion).compared[REFUSED] == {}


def test_where_queries_are_read_in_pairs_a_refusal_is_not_read():
    def pairs(outputs: torch.Tensor, _: Fingerprint) -> torch.Tensor:
        return outputs.view(-1, 2, 4).double().diff(dim=1)

    (method,) = [method for method in METHODS if method.key == "primary/logits/correlation"]
    found = detection(torch.arange(40) < 3)
    paired = replace(method, representation=pairs)
    representations = Representations([paired], {"primary": fingerprint()}, {"primary": found}, ATTACKER.evasion)
    representations.put(REFUSED, suspect("prune", 0), "primary", fingerprint().source_logits[3:])
    representations.put("", suspect("prune", 0), "primary", fingerprint().source_logits)
    assert REFUSED not in representations.distances and representations.distances[""][paired.key]


@pytest.mark.parametrize("attack", evasion.SEEN)
def test_where_responses_are_visibly_cut_down_the_source_is_read_as_if_its_were_too(attack):
    methods = [method for method in METHODS if method.name == "primary"]
    representations = Representations(
        methods, {"primary": fingerprint()}, {"primary": detection(torch.zeros(40) > 0)}, ATTACKER.evasion
    )
    cut = PERTURBATIONS[attack](fingerprint().source_logits, ATTACKER.evasion, None)
    representations.put(attack, suspect("prune", 0), "primary", cut)
    assert all(scores == {suspect("prune", 0).model.name: 0} for scores in representations.distances[attack].values())
    assert len(representations.distances[attack]) == len(methods)
