"""What docs/extending.md adds is applied to a copy of the repository, and runs there as the document says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fingerprinting.core.places import REPOSITORY

DOCUMENT = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
CHANGES = dict(re.findall(r"<!-- (\w+) -->\n\n```diff\n(.*?)```\n", DOCUMENT, re.DOTALL))
# What each may add at most: lines, and files besides its scripts in the domains.
MOST = {
    "fingerprint": (20, 2),
    "attack": (35, 3),
    "images": (25, 2),
    "texts": (25, 2),
    "epochs": (25, 2),
    "architecture": (8, 1),
    "domain": (50, 1),
}
# Runs scripts one after the other in one process; a script's name, then its words.
RUNNER = """
import runpy, sys
for line in sys.stdin.read().splitlines():
    sys.argv = line.split()
    print("==", line, flush=True)
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
ZOO = ("source", "irrelevant", "homologous", "fine_tune", "prune", "adversarial", "transfer", "extract", "references")


@pytest.fixture
def copy(tmp_path) -> Path:
    folder = tmp_path / "copy"
    unneeded = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "results", "benchmarks", "tests")

    def ignored(place: str, names: list[str]) -> set[str]:
        prepared = {name for name in names if (Path(place) / name).is_dir()} if Path(place).name == "data" else set()
        return unneeded(place, names) | (prepared if Path(place).parent == REPOSITORY else set())

    shutil.copytree(REPOSITORY, folder, ignore=ignored)
    return folder


def apply(copy: Path, name: str) -> None:
    subprocess.run(["git", "apply", "-"], input=CHANGES[name], text=True, cwd=copy, check=True)


def run(copy: Path, *scripts: str) -> str:
    places = {"PYTHONPATH": str(copy), "DATA_DIR": str(copy / "data"), "ARTIFACTS_DIR": str(copy / "artifacts")}
    environment = {**os.environ, **places, "RESULTS_DIR": str(copy / "results"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input="\n".join(scripts),
        capture_output=True,
        text=True,
        cwd=copy,
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("name", MOST)
def test_a_change_is_as_small_as_it_should_be(name):
    lines, files = MOST[name]
    added: dict[str, int] = {}
    for line in CHANGES[name].splitlines():
        if line.startswith("+++ b/"):
            file = line.removeprefix("+++ b/")
        elif line.startswith("+"):
            added[file] = added.get(file, 0) + 1
    counted = {file: count for file, count in added.items() if not re.fullmatch(r"(cv|nlp|bci)/knockoff\.py", file)}
    assert sum(counted.values()) <= lines and len(counted) <= files


def test_every_change_is_tested_and_the_document_says_how_large_it_may_be():
    assert set(CHANGES) == set(MOST)
    sizes = {name: lines for name, (lines, _) in MOST.items()}
    said = (
        "at most {fingerprint} lines in 2 files, a stealing attack {attack} lines in 3 files and a script in each "
        "domain, an architecture {architecture} lines, a data set {images} lines, a domain {domain} lines in 1 file"
    )
    assert said.format(**sizes) in " ".join(DOCUMENT.split())


@pytest.mark.slow
def test_a_fingerprint_an_attack_and_an_architecture_are_scored_and_move_no_number(copy):
    where = "DATASET=digits TIER=smoke WORKERS=1"
    primary, matched = f"primary.py {where} FEWER=True", f"model_finger_match.py {where}"
    run(copy, *(f"cv/{step}.py {where}" for step in ZOO), primary, matched)
    table = copy / "results" / "tables" / "auc-smoke.csv"
    before = table.read_text().splitlines()
    for name in ("fingerprint", "attack", "architecture"):
        apply(copy, name)
    domain = copy / "cv" / "domain.py"
    domain.write_text(domain.read_text().replace('smoke=("mlp", "separable")', 'smoke=("wide",)'))
    run(copy, f"cv/knockoff.py {where}", f"baselines.py {where} METHOD=flat", matched)
    after = table.read_text().splitlines()
    assert set(before) < set(after)
    added = [line.split(",")[3:7] for line in after if line not in before]
    assert any(line[0] == "primary" and line[3] == "knockoff" for line in added)
    assert any(line[0] == "flat" and line[3] == "mean_same_task" for line in added)
    assert not any(line[3].startswith("mean") for line in added if line[0] == "primary")


@pytest.mark.slow
def test_a_folder_of_images_by_class_is_learnt(copy):
    draw = np.random.default_rng(0)
    for number, name in enumerate(("cat", "dog")):
        folder = copy / "data" / "photos" / name
        folder.mkdir(parents=True)
        for place in range(60):
            pixels = draw.integers(100 * number, 100 * number + 120, (20 + place % 3, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{place}.png")
    apply(copy, "images")
    assert learnt(run(copy, "cv/source.py DATASET=photos TIER=smoke WORKERS=1")) > 0.9


@pytest.mark.slow
def test_texts_of_a_csv_file_are_learnt(copy):
    lines = [f'"第{place}本书很好，我喜欢",good' if place % 2 else f"第{place}本书太差,bad" for place in range(160)]
    (copy / "data" / "opinions.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    apply(copy, "texts")
    assert learnt(run(copy, "nlp/source.py DATASET=opinions TIER=smoke WORKERS=1")) > 0.9


@pytest.mark.slow
def test_epochs_of_mne_are_learnt(copy):
    mne = pytest.importorskip("mne")
    draw, labels = np.random.default_rng(0), np.arange(120) % 2
    moments = np.arange(256) / 256
    waves = np.stack([np.sin(2 * np.pi * (8 + 12 * label) * moments + draw.uniform(0, 6)) for label in labels])
    signals = 1e-5 * (waves[:, None] + 0.3 * draw.standard_normal((120, 3, 256)))  # volt
    events = np.stack([np.arange(120), np.zeros(120, int), labels + 1], 1)
    about = mne.create_info(["C3", "Cz", "C4"], 256, "eeg")
    epochs = mne.EpochsArray(signals, about, events, event_id={"left": 1, "right": 2}, verbose="error")
    epochs.save(copy / "data" / "trials-epo.fif", verbose="error")
    apply(copy, "epochs")
    assert learnt(run(copy, "bci/source.py DATASET=epochs TIER=smoke WORKERS=1")) > 0.7


@pytest.mark.slow
def test_a_domain_goes_from_its_data_to_a_matched_fingerprint(copy):
    apply(copy, "domain")
    where = "DOMAIN=tab/domain.py TIER=smoke WORKERS=1"
    said = run(
        copy,
        *(f"cv/{step}.py {where}" for step in ZOO),
        f"primary.py {where} FEWER=True",
        f"baselines.py {where} METHOD=random",
        f"model_finger_match.py {where}",
    )
    assert learnt(said) > 0.85
    assert "primary,labels,match_rate" in (copy / "results" / "tables" / "auc-smoke.csv").read_text()


def learnt(said: str) -> float:
    """The source's test accuracy, as its step's last line has it."""
    return float(re.search(r"source: 1 model, test accuracy ([\d.]+)", said)[1])
