"""The whole pipeline at smoke tier on scikit-learn's digits: what it finds, and that it survives being killed."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from fingerprinting import tables
from fingerprinting.attacks import KINDS

REPOSITORY = Path(__file__).resolve().parent.parent
WORDS = ["TIER=smoke", "DATASET=digits", "DOMAIN=cv", "FEWER=True"]
KILLS = 20


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "ARTIFACTS_DIR": str(folder / "artifacts"), "RESULTS_DIR": str(folder / "results")}


def reproduce(folder: Path, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(REPOSITORY / "reproduce.py"), *WORDS, *words]
    return subprocess.run(command, env=environment(folder), cwd=folder, capture_output=True, text=True, timeout=600)


def weights(folder: Path) -> dict[str, dict]:
    paths = sorted((folder / "artifacts").rglob("models/*/*.safetensors"))
    return {str(path.relative_to(folder)): load_file(path) for path in paths}


def identical(one: dict[str, dict], other: dict[str, dict]) -> bool:
    return one.keys() == other.keys() and all(
        one[model].keys() == other[model].keys()
        and all(bool((one[model][name] == other[model][name]).all()) for name in one[model])
        for model in one
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    folder = tmp_path_factory.mktemp("pipeline")
    done = reproduce(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done


def rows(folder: Path, topic: str) -> list[dict]:
    path = folder / "results" / "records" / "cv" / "digits" / "smoke" / f"{topic}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_kind_is_trained_and_works(finished):
    models = rows(finished[0], "models")
    assert {model["kind"] for model in models} == set(KINDS)
    source = next(model for model in models if model["kind"] == "source")
    assert source["test_accuracy"] > 0.85
    for model in models:
        assert model["test_accuracy"] > 0.5, model["key"]
        assert model["fidelity"] is None if KINDS[model["kind"]].on_target else model["fidelity"] > 0.5
    assert sum(model["flagged"] for model in models if model["kind"].startswith("fine_tune")) == 0


def test_tampered_copies_are_nearer_than_independents(finished):
    """The floor on the result: logits correlation must see a fine-tuned copy; and not every number may be the same."""
    found = {
        (row["method"], row["output"], row["representation"], row["attack"], row["negatives"]): row["auc"]
        for row in rows(finished[0], "auc")
    }
    for method in ("primary", "evolved"):
        assert found[method, "logits", "correlation", "fine_tune_last", "all"] >= 0.9
        assert found[method, "logits", "correlation", "fine_tune_all", "all"] >= 0.9
        assert found[method, "labels", "match_rate", "fine_tune_last", "all"] >= 0.6
    assert len(set(found.values())) > 5


def test_tables_have_the_fixed_columns_and_no_invented_number(finished):
    with (finished[0] / "results" / "tables" / "auc.csv").open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == tables.AUC_COLUMNS.split(",")
    for row in table:
        assert 0 <= float(row["auc_low"]) <= float(row["auc"]) <= float(row["auc_high"]) <= 1
        assert int(row["n_pirated"]) > 0 and int(row["n_independent"]) > 0
    transfer = {row["negatives"] for row in table if row["attack"] == "transfer"}
    assert transfer == {"irrelevant", "homologous", "all"}


def test_figures_are_pictures(finished):
    names = {path.name for path in (finished[0] / "results" / "figures").iterdir()}
    assert names == {f"cv-digits-smoke-{name}.png" for name in ("samples", "strips", "roc", "fidelity")}
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in (finished[0] / "results" / "figures").iterdir())


def test_no_party_saw_what_is_not_its_own(finished):
    """From the records alone: thieves and irrelevant models used the attacker's part, only the owner's side its own."""
    models = {model["key"]: model for model in rows(finished[0], "models")}
    seeds = set()
    for key, model in models.items():
        options = model["settings"]["options"]
        if model["kind"] in ("irrelevant", "irrelevant_adversarial"):
            assert options["part"] == "attacker"
        if model["kind"] in ("homologous", "homologous_adversarial"):
            assert 0 <= options["overlap"] <= 1
        if model["role"] == "pirated":
            assert model["settings"]["parent"] == "cv/digits/smoke/source/conv3-0"
            assert "part" not in options and "overlap" not in options
        seeds.add(key)
    assert len(seeds) == len(models)


def test_a_second_run_skips_everything(finished):
    folder, first = finished
    before = {path: path.stat().st_mtime_ns for path in (folder / "artifacts").rglob("*.safetensors")}
    second = reproduce(folder)
    assert second.returncode == 0
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "artifacts").rglob("*.safetensors")}
    assert second.stdout.count("finished already") == 10
    assert "[2/12] cv/source.py" in first.stdout


@pytest.mark.slow
def test_one_worker_makes_the_same_models_as_two(finished, tmp_path):
    done = reproduce(tmp_path, "WORKERS=1")
    assert done.returncode == 0, done.stderr[-3000:]
    assert identical(weights(finished[0]), weights(tmp_path))
    assert rows(finished[0], "scores") == rows(tmp_path, "scores")


@pytest.mark.slow
def test_killed_at_random_moments_the_zoo_ends_the_same(finished, tmp_path):
    """kill -9 of the whole process group at 20 random moments, then one run to the end."""
    draw = random.Random(20)
    command = [sys.executable, str(REPOSITORY / "reproduce.py"), *WORDS]
    for _ in range(KILLS):
        process = subprocess.Popen(
            command,
            env=environment(tmp_path),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(draw.uniform(2.0, 9.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = reproduce(tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert identical(weights(finished[0]), weights(tmp_path))
