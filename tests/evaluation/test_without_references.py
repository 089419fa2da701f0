"""Where references.py was not run, what needs the owner's reference models is left out and the rest goes on."""

import re

import pytest

from fingerprinting.deepcore import identification
from fingerprinting.evaluation import match
from fingerprinting.fingerprints import generate, store
from fingerprinting.models import build, suspects
from fingerprinting.models.suspects import NEGATIVES
from fingerprinting.reports import pages, show
from fingerprinting.reports.figures import canvas
from fingerprinting.reports.sections import deepcore, error_rates, study_page
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from tests.deepcore.test_deepcore import CONSTANTS, ZOO, train

LEVELS = dict(alpha=0.2, beta=0.2, tail="conformal")
COMMAND = "python cv/references.py DATASET=digits TIER=smoke"
LEARNING = ("sac_w", "cae", "fuap", "metafinger", "irisfp", "anafp")  # methods that need reference models
NEEDED = f"needs pirated reference models; run {COMMAND}, COPIES above 0"
RUN = ("DATASET=digits", "TIER=smoke", "N=5")


@pytest.fixture(scope="module")
def small(folder) -> Study:
    """DeepCore's smallest zoo without reference models, with its core points and Primary, matched and drawn."""
    study = Study("cv", "digits", "smoke", device_name="cpu", batch_size=32, min_updates=20, workers=1)
    train(study, ZOO[:-1])  # the last step is references.py's
    generate.primary(study, n=5, labels="source", fewer=True)
    assert identification.deepcore(study, **CONSTANTS) is None
    show.deepcore(study)
    match.match(study, fingerprints_used=(), **LEVELS)
    show.matched(study)
    return study


def rows(study: Study, topic: str) -> list[dict]:
    return Records.of(study, topic).rows()


def test_every_scored_model_has_its_distance_and_every_attack_its_auc(small, outputs):
    assert "references" not in build.planned(small)
    scored = {suspect.model.name for suspect in suspects.gather(small)}
    assert scored <= {row["key"] for row in rows(small, "distances")}
    attacks = {row["attack"] for row in rows(small, "auc") if row["method"] == "primary"}
    assert {"mean_same_task", "fine_tune_all", "extract_labels"} <= attacks


def test_error_rates_stand_at_the_in_sample_threshold_alone(small, outputs):
    found = rows(small, "mir_fir")
    assert {row["threshold_from"] for row in found} == {"scored"}
    assert {(row["method"], row["negatives"]) for row in found} == {
        (method, group) for method in ("primary", "deepcore") for group in NEGATIVES
    }
    (said, _, *table) = error_rates.section(found)
    assert "The owner's threshold needs reference models, which references.py trains." in said
    heads = table[0].strip("| ").split(" | ")
    assert heads[2:] == [f"{rate}, in-sample threshold" for rate in ("MIR", "FIR", "FIR of homologous")]
    assert table[2].count("[") == 3 and said in study_page.page(small.folder)


def test_the_matcher_says_what_it_leaves_out(small, outputs, capsys):
    match.match(small, fingerprints_used=("primary", "deepcore"), **LEVELS)
    said = f"error rates stand at the in-sample one alone, and an overlap sweep is left out; {COMMAND} trains them"
    assert capsys.readouterr().out.count(said) == 1
    assert suspects.there(small, "sweep") and rows(small, "overlap") == []
    assert not pages.page_path(small.folder, "overlap").exists()


def test_deepcore_clusters_as_its_paper_does_alone(small, outputs):
    found = rows(small, "deepcore_clusters")
    assert {row["named_by"] for row in found} == {"scored"} and {row["negatives"] for row in found} == set(NEGATIVES)
    text = deepcore.page(small.folder)
    assert "by the paper's procedure" in text and "needs reference models, which references.py trains" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| k-means | all |")]
    assert re.fullmatch(r"\| k-means \| all \| \d+ / \d+ (\| [\d.]+ \[[\d.]+, [\d.]+\] ){2}\|", line)
    drawn = {path.stem.removeprefix("cv-digits-smoke-deepcore-") for path in canvas.folder().glob("*-deepcore-*.svg")}
    assert {"scores", "clusters", "radius"} <= drawn


@pytest.mark.parametrize("method", LEARNING)
def test_a_baseline_that_needs_references_is_refused(small, outputs, run_here, method):
    refused = run_here("baselines.py", *RUN, f"METHOD={method}")
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert f"{method} {NEEDED}" in refused.stderr and not store.path_of(small, method).exists()


def test_of_several_baselines_those_that_need_references_are_left_out(small, outputs, run_here):
    done = run_here("baselines.py", *RUN, "METHOD=all")
    assert done.returncode == 0, done.stderr
    assert re.findall(rf"^(\w+) is left out: \1 {re.escape(NEEDED)}$", done.stdout, re.MULTILINE) == list(LEARNING)
    assert all(store.path_of(small, method).exists() for method in ("random", "akh", "sac_m", "ipguard"))
