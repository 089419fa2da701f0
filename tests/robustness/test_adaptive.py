"""What an adaptive attacker gains and loses: AUCs before and after, what it costs, and removal."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fingerprinting.methods import METHODS
from fingerprinting.models.kinds import KINDS
from fingerprinting.models.suspects import ATTACKS, MEANS, Suspect
from fingerprinting.robustness import adaptive
from fingerprinting.robustness.attacked_responses import Representations
from fingerprinting.robustness.evasion import QueryDetector
from fingerprinting.robustness.paired_bootstrap import Draws
from fingerprinting.study.records import Records
from fingerprinting.training import objectives
from tests.robustness.attacker import ATTACKER, detection, fingerprint, of_twins, suspect


def test_every_representation_of_primary_and_evolved_and_the_first_of_others():
    keys = [method.key for method in adaptive.chosen({"primary": fingerprint(), "sac_m": fingerprint()})]
    assert [key for key in keys if key.startswith("primary")] == [m.key for m in METHODS if m.name == "primary"]
    assert [key for key in keys if key.startswith("sac_m")] == ["sac_m/labels/correlation"]


def test_a_fingerprint_from_twins_is_read_minus_twins_and_a_full_one_by_its_weights():
    full = replace(fingerprint(), extra={"centre": torch.zeros(40)})
    for found, name in ((of_twins(), "agreement_minus_twins"), (full, "stealing_evidence")):
        assert [method.key for method in adaptive.chosen({"calibrated": found})] == [f"calibrated/labels/{name}"]


def test_means_of_each_size_and_number_of_queries_stay_until_the_source_changes(study):
    methods = adaptive.chosen({"primary": fingerprint(), "calibrated": of_twins()})

    def kept(size: str, source: str) -> list[dict]:
        metadata = {"settings": {"size": size}, "n_twins": 2, "n_pairs": 0, "source_sha256": source}
        rows = [
            adaptive._row(study, method, attack, {"attack": over, "negatives": negatives, "auc_after": 0.5})
            for method in methods
            for attack, over in (("rounded", "mean_same_task"), ("rounded", "prune"), ("removal", "removal"))
            for negatives in ("all", "irrelevant")
        ]
        prints = {"primary": fingerprint(), "calibrated": replace(of_twins(), metadata=metadata)}
        adaptive._keep_of_size(study, prints, methods, rows)
        return Records.of(study, "price_erasure").rows()

    rows = kept("twins", "a")
    assert {(row["method"], row["representation"], row["attack_on_queries"]) for row in rows} == {
        (*identity, attack)
        for identity in (("primary", "match_rate"), ("calibrated", "agreement_minus_twins"))
        for attack in ("rounded", "removal")
    }
    assert {(row["size"], row["queries"], row["negatives"]) for row in rows} == {("twins", 40, "all")}
    assert {row["size"] for row in kept("pairs", "a")} == {"twins", "pairs"}
    assert {(row["size"], row["source_sha256"]) for row in kept("pairs", "b")} == {("pairs", "b")}


def test_auc_before_and_after_by_hand():
    independent = {"irrelevant": np.array([0.4, 0.6]), "homologous": np.array([0.2])}
    before = independent | {stealing_attack: np.array([0.1, 0.1]) for stealing_attack in MEANS["mean_same_task"]}
    after = before | {"prune": np.array([0.3, 0.9])}
    rows = Draws("test").changes(before, after, {stealing_attack: stealing_attack for stealing_attack in ATTACKS})
    found = {(row["attack"], row["negatives"]): row for row in rows}
    assert found["prune", "all"]["auc_before"] == 1
    assert found["prune", "all"]["auc_after"] == pytest.approx(2 / 6)
    assert found["prune", "irrelevant"]["auc_after"] == pytest.approx(2 / 4)
    mean = found["mean_same_task", "all"]
    assert mean["auc_after"] == pytest.approx((6 + 2 / 6) / 7) and mean["auc_before"] == 1
    assert mean["auc_low"] <= mean["auc_after"] <= mean["auc_high"]
    assert {row["attack"] for row in rows} == {*MEANS["mean_same_task"], "mean_same_task"}


def test_what_an_adaptive_adversary_costs_and_that_refused_queries_are_not_read(study, monkeypatch):
    """A stolen model that is always right, differs from the source where it refuses, and refuses 10 of 50 inputs."""
    inputs, labels, refused = torch.rand(50, 1, 8, 8), torch.arange(50) % 4, torch.arange(40) < 10
    own, detected = fingerprint().source_logits, {"primary": detection(refused)}
    own[refused] = own[refused].roll(1, 1)
    monkeypatch.setattr(
        adaptive.suspects, "ask", lambda *given: own if len(given[2]) == 40 else 9.0 * F.one_hot(labels)
    )
    about = {
        "attacker": ATTACKER,
        "cost_inputs": (inputs, labels),
        "benign": torch.arange(50.0),
        "evasion_threshold": 39,
    }
    fitted = SimpleNamespace(query_detector=QueryDetector(None, {}), **about)
    representations = Representations(METHODS[:1], {"primary": fingerprint()}, detected, ATTACKER.evasion)
    costs = adaptive._ask(study, fitted, detected, representations, [suspect("prune", 0)])
    kept = {attack: [0] for attack in ("rounded", "top_1", "temperature")}  # the label, and so the accuracy
    assert costs == costs | kept | {"refused": [pytest.approx(0.2)]}
    assert list(representations.distances["refused"][METHODS[0].key].values()) == [0]


def test_rows_set_attacked_responses_beside_plain_ones(study):
    pool = [suspect(kind, 0) for kind in ("irrelevant", "prune", "fine_tune_all", "removal")]
    pool[-1] = Suspect(pool[-1].model, {"test_accuracy": 0.7})  # the others: 0.9
    key, names = METHODS[0].key, [model.model.name for model in pool]
    before, after = ({key: dict(zip(names, found, strict=True))} for found in ([2, 1, 1, 3], [2, 3, 1, 3]))
    representations = SimpleNamespace(methods=METHODS[:1], distances={"": before, "rounded": after, "refused": after})
    detected, costs = {"primary": detection(torch.arange(4) < 1)}, {"rounded": [0.1, 0.3], "refused": []}
    found = adaptive._rows(study, representations, detected, costs, pool)
    rows = {(row["attack_on_queries"], row["attack"]): row for row in found if row["negatives"] == "all"}
    assert rows["refused", "prune"]["answered"] == 0.75
    for place in (("rounded", "prune"), ("removal", "removal")):
        row = rows[place]
        assert (row["auc_before"], row["auc_after"], row["accuracy_cost"]) == (1, 0, pytest.approx(0.2))


def test_removal_by_hand():
    """One linear layer on two features; the head's input is the features themselves."""
    stolen, model = (nn.Sequential(nn.Identity(), nn.Linear(2, 3, bias=False)) for _ in range(2))
    with torch.no_grad():
        stolen[1].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
        model[1].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]))
    inputs, labels = torch.tensor([[2.0, 1.0], [1.0, 3.0]]), torch.tensor([0, 0])
    features, logits = objectives.features_and_logits(model, "1", inputs)
    assert torch.equal(features, inputs) and torch.equal(logits, model(inputs))
    plain = F.cross_entropy(model(inputs), labels)
    # Same features: cosine 1. Of the other two classes the one ranks (1, 0), the other (0, 1): cosine -1.
    assert objectives.removal(stolen, "1", 0.3, 0.0)(model, inputs, labels).item() == pytest.approx(plain.item() + 0.3)
    assert objectives.removal(stolen, "1", 0.0, 0.2)(model, inputs, labels).item() == pytest.approx(plain.item() - 0.2)


def test_removal_is_a_stealing_attack_of_its_own_that_no_mean_and_no_reference_counts():
    assert "removal" in ATTACKS and KINDS["removal"].role == "pirated" and "reference_removal" not in KINDS
    assert all("removal" not in attacks for attacks in MEANS.values())
