"""benchmarks/baseline_variants.py on a source of digits, with suspects that respond as told; and its table by hand."""

import runpy

import pytest
import torch

from fingerprinting import cli
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.models import source_model, suspects
from fingerprinting.models.suspects import Suspect
from fingerprinting.reports import baseline_variants
from fingerprinting.study.records import Records

SCRIPT = str(REPOSITORY / "benchmarks" / "baseline_variants.py")
WORDS = ["TIER=smoke", "DATASET=digits", "DEVICE=cpu", "WORKERS=1"]
ASTRAY = {"fine_tune_last": 0.0, "fine_tune_all": 0.1, "prune": 0.1, "adversarial": 0.5, "extract_labels": 0.7}
ASTRAY |= {"extract_probabilities": 0.7, "extract_adversarial": 0.9, "irrelevant": 0.8, "homologous": 0.6}
ASTRAY |= {"irrelevant_adversarial": 1.0, "homologous_adversarial": 0.9}


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """A study with a source, and suspects of every kind whose logits go astray by as much as ASTRAY says."""
    monkeypatch.setenv("ARTIFACTS_DIR", str(tmp_path / "artifacts"))
    monkeypatch.setenv("RESULTS_DIR", str(tmp_path / "results"))
    source = runpy.run_path(str(REPOSITORY / "cv" / "source.py"))
    study, constants = cli.resolve(source, "cv", WORDS)
    source_model.source(study, **constants)
    pool = [Suspect(study.model_id(kind, "conv3", copy), {}) for kind in ASTRAY for copy in range(2)]
    monkeypatch.setattr(suspects, "gather", lambda _: pool)

    def ask(_, suspect, inputs):
        draw = torch.Generator().manual_seed(pool.index(suspect))
        own = torch.randn(len(inputs), 10, generator=torch.Generator().manual_seed(len(inputs)))
        return own + ASTRAY[suspect.model.kind] * torch.randn(len(inputs), 10, generator=draw)

    monkeypatch.setattr(suspects, "ask", ask)
    return study


def run(study, *words: str) -> list[dict]:
    script = runpy.run_path(SCRIPT)
    _, constants = cli.resolve(script, "cv", [*WORDS, *words])
    script["measure"](study, **constants)
    return Records.of(study, "baseline_variants").rows()


def test_every_variant_leaves_a_record_of_each_way_to_read_it(measured):
    rows = run(measured, "METHOD=modeldiff,ipguard")
    modeldiff = {row["representation"] for row in rows if row["method"] == "modeldiff"}
    assert modeldiff == {"decision_distances", "distance_matrix"}
    ipguard = [row for row in rows if row["method"] == "ipguard"]
    assert len({row["variant"] for row in ipguard}) == len(ipguard) == 6
    assert "IPGUARD_TARGET=random IPGUARD_MARGIN=10.0" in {row["variant"] for row in ipguard}
    for row in rows:
        assert row["attack"] == "mean_same_task" and (row["n_pirated"], row["n_independent"]) == (14, 8)
        assert 0 <= row["auc_low"] <= row["auc"] <= row["auc_high"] <= 1
        assert row["queries"] == 20 and row["reference_models"] == 0 and len(row["source_sha256"]) == 64
    again = run(measured, "METHOD=ipguard", "N=10")
    assert {row["queries"] for row in again if row["method"] == "ipguard"} == {10}
    assert {row["queries"] for row in again if row["method"] == "modeldiff"} == {20}


def test_a_method_without_variants_is_refused(measured):
    with pytest.raises(UserError, match="METHOD=random has no variants; take some of ipguard, cae"):
        run(measured, "METHOD=random")


def test_the_table_has_a_line_for_each_variant_and_representation():
    about = dict(queries=100, reference_models=15, n_pirated=42, n_independent=36, auc_low=0.5, auc_high=0.9)
    cae, modeldiff = (
        dict(method=name, output=output, representation=representation)
        for name, output, representation in (
            ("cae", "labels", "responses"),
            ("modeldiff", "logits", "distance_matrix"),
        )
    )
    rows = [
        dict(key="a", variant="", attack="mean_same_task", auc=0.75, **about, **modeldiff),
        dict(key="b", variant="", attack="transfer", auc=1.0, **about, **modeldiff),
        dict(key="c", variant="CAE_STEPS=30", attack="mean_same_task", auc=0.625, **about, **cae),
    ]
    Records.at("cv/own/cpu", "baseline_variants").put(rows)
    Records.at("cv/own/cpu-split_1", "baseline_variants").put(rows[2:] + [rows[0] | dict(queries=80)])
    lines = baseline_variants.table(["cv/own/cpu", "cv/none/cpu", "cv/own/cpu-split_1"]).splitlines()
    assert "stolen / independent models of the mean: 42 / 36, 42 / 36" in lines[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:]]
    low = "[0.500, 0.900]"
    assert cells == [
        ["cae", "`CAE_STEPS=30`", "responses, labels", "100", "15", f"0.625 {low}", "", f"0.625 {low}", ""],
        ["modeldiff", "default", "distance matrix, logits", "100, 80", "15"]
        + [f"0.750 {low}", f"1.000 {low}", f"0.750 {low}", ""],
    ]
