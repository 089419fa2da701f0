"""From a model and data to verdicts on a stolen copy and an independent model, in all three kinds of data."""

import csv
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fingerprinting.core import places
from fingerprinting.models import trained
from fingerprinting.protecting import networks
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict
from tests.pages import Page
from tests.protecting.conftest import images, recordings, write_texts

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
SMOKE = ("TIER=smoke", "WORKERS=1", "DEVICE=cpu", "BUDGET=75")


def protected(run_here, *words: str):
    ended = run_here("protect.py", *words, *SMOKE)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "python judge.py DOMAIN=protected TIER=smoke QUERIES=protected/queries" in ended.stdout
    return ended


def shares(ended) -> list[int]:
    """How far the bar was, each time that it was drawn."""
    return [int(found) for found in re.findall(r"(\d+)%\|", ended.stderr)]


def study_of(folder) -> Study:
    dataset = json.loads((folder / "protected" / "protect.json").read_text())["dataset"]
    return Study(str(folder / "protected"), dataset, "smoke", device_name="cpu", workers=1)


def verdict(run_here, folder, suspect) -> dict:
    queries = torch.from_numpy(np.load(folder / "protected" / "queries" / "queries.npy"))
    labels = predict(suspect, queries, CPU).argmax(1).tolist()
    (folder / "responses.txt").write_text("".join(f"{label}\n" for label in labels))
    words = ("DOMAIN=protected", "TIER=smoke", "QUERIES=protected/queries", "RESPONSES=responses.txt")
    ended = run_here("judge.py", *words)
    assert ended.returncode == 0, ended.stderr
    return json.loads((folder / "protected" / "queries" / "verdict.json").read_text())


def fine_tuned(study: Study) -> torch.nn.Module:
    """A copy of the source, trained on a little on the attacker's part."""
    copy, part = trained.open_model(study, study.source_id).train(), study.parts["attacker"]
    step = torch.optim.SGD(copy.parameters(), 1e-3)
    for inputs, labels in part.batches(32, CPU):
        step.zero_grad()
        torch.nn.functional.cross_entropy(copy(inputs), labels).backward()
        step.step()
    return copy.eval()


def test_images_with_a_network_weights_and_a_recipe_of_ones_own(mine, run_here):
    held = images()
    np.savez(mine / "data.npz", **held)
    train = networks.function(str(mine), "mine:train", "TRAIN")
    build = networks.function(str(mine), "mine:build", "MODEL")
    inputs, labels = torch.from_numpy(held["x"]).permute(0, 3, 1, 2) / 255, torch.from_numpy(held["y"])
    save_file(train(build(3, (3, 8, 8)), inputs[:90], labels[:90], 1).state_dict(), mine / "net.safetensors")
    words = ("DATA=data.npz", "MODEL=mine:build", "WEIGHTS=net.safetensors", "TRAIN=mine:train")
    ended = protected(run_here, *words)
    assert "network mine:build: 627 weights, head 4, prunable 0, 1" in ended.stdout
    assert (
        "give ALL_MINE=True" in ended.stdout and "plan: 2 twins, 12 calibration models, 1 matched pair" in ended.stdout
    )
    study = study_of(mine)
    parts = (mine / "protected" / "parts.csv").read_text().splitlines()
    assert sum(line.endswith(",owner") for line in parts) == len(study.parts["owner"])
    stolen = verdict(run_here, mine, fine_tuned(study))
    assert stolen["outcome"] == "stolen"
    attacker = study.parts["attacker"]
    other = train(build(3, (3, 8, 8)), attacker.inputs / 255, attacker.targets, 2)
    # Few calibration models let chance pass a verdict on it now and then: seeds are of the folder's place.
    assert verdict(run_here, mine, other.eval())["evidence"] < stolen["evidence"]
    assert shares(ended)[0] == 0 and sorted(shares(ended)) == shares(ended) and shares(ended)[-1] == 100
    assert "calibration 3/12 " in ended.stderr and "calibration:" not in ended.stderr  # no bar of the step's own
    times = {path: path.stat().st_mtime_ns for path in places.artifacts_dir().rglob("models/**/*.safetensors")}
    again = protected(run_here, *words)
    assert "16 models, 0 still to train" in again.stdout
    assert len(set(shares(again))) == 3  # nothing, then all that is finished, then the queries
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def parts_of(folder, name: str) -> torch.Tensor:
    """Places in the data of the examples of a part, as parts.csv has them."""
    lines = (folder / "protected" / "parts.csv").read_text().splitlines()
    return torch.tensor([place for place, line in enumerate(lines) if line.rpartition(",")[2] == name])


def test_twins_that_were_trained_elsewhere(mine, run_here):
    held = images()
    np.savez(mine / "data.npz", **held)
    words = ("DATA=data.npz", "MODEL=mine:build")
    assert run_here("protect.py", *words, "SPLIT_ONLY=True", *SMOKE).returncode == 0
    owner = parts_of(mine, "owner")
    train = networks.function(str(mine), "mine:train", "TRAIN")
    build = networks.function(str(mine), "mine:build", "MODEL")
    inputs, labels = torch.from_numpy(held["x"]).permute(0, 3, 1, 2) / 255, torch.from_numpy(held["y"])

    def trained_elsewhere(seed: int, path) -> None:
        torch.manual_seed(seed)
        save_file(train(build(3, (3, 8, 8)), inputs[owner], labels[owner], seed).state_dict(), path)

    trained_elsewhere(0, mine / "net.safetensors")
    (mine / "twins").mkdir()
    for seed in (1, 2, 3):
        trained_elsewhere(seed, mine / "twins" / f"{seed}.safetensors")
    ended = protected(run_here, *words, "WEIGHTS=net.safetensors", "TWINS=twins/", "TIME=2h")
    assert "plan: 3 twins, 12 calibration models, 1 matched pair, 17 models, 14 still to train" in ended.stdout
    study = study_of(mine)
    twins = [study.model_id("twin", networks.OWN, copy) for copy in range(3)]
    assert all(trained.metadata_of(study, twin)["examples"] == 0 for twin in twins)  # adopted, not trained
    stolen = verdict(run_here, mine, fine_tuned(study))
    independent = verdict(run_here, mine, trained.open_model(study, study.model_id("calibration_homologous", "mlp", 0)))
    assert stolen["evidence"] > 0.1 > independent["evidence"]
    trained_elsewhere(4, mine / "twins" / "4.safetensors")
    again = protected(run_here, *words, "WEIGHTS=net.safetensors", "TWINS=twins/", "TIME=2h")
    assert "plan: 4 twins, 12 calibration models, 1 matched pair, 18 models, 0 still to train" in again.stdout


def test_pictures_in_folders_of_which_one_has_a_comma_in_its_name(mine, run_here):
    names, held = ("blue", "green", "red, old"), images()
    for place, (x, y) in enumerate(zip(held["x"], held["y"], strict=True)):
        (mine / "photos" / names[y]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(mine / "photos" / names[y] / f"{place}.png")
    ended = protected(run_here, "DATA=photos/", "MODEL=mine:build", "CLASSES=('red, old', 'blue', 'green')")
    assert "3 classes: 'red, old' 120, blue 120, green 120" in ended.stdout
    queries = mine / "protected" / "queries"
    assert len(list((queries / "images").glob("*.png"))) == 75
    with (mine / "protected" / "parts.csv").open(newline="") as file:
        assert {row[0].split("/")[0] for row in csv.reader(file)} == set(names)
    source = trained.open_model(study_of(mine), study_of(mine).source_id)
    labels = predict(source, torch.from_numpy(np.load(queries / "queries.npy")), CPU).argmax(1).tolist()
    said = ["red, old" if label == 0 else names[label - 1].upper() for label in labels]
    words = ("judge.py", "DOMAIN=protected", "TIER=smoke", "QUERIES=protected/queries")
    for name, lines in (("typed.txt", said), ("typed.csv", ["label", *said])):
        (mine / name).write_text("".join(f"{line}\n" for line in lines))
        ended = run_here(*words, f"RESPONSES={name}")
        assert ended.returncode == 0, ended.stderr
        found = json.loads((queries / "verdict.json").read_text())
        assert found["control_accuracy"] > 0.5 and found["evidence"] > 0
        assert f"Verdict: {found['outcome']}" in Page((queries / "report.html").read_text()).text


def test_texts_with_a_plain_network_of_ones_own(mine, run_here):
    write_texts(mine / "reviews.csv")
    words = ("DATA=reviews.csv", "TEXT=review", "LABEL=stars", "MODEL=mine:Words", "LEARNING_RATE=0.02")
    ended = protected(run_here, *words, "PRUNABLE=embedding")
    assert "prunable embedding" in ended.stdout
    said = ended.stdout.index("every verdict will be inconclusive: of two classes all wrong responses are the same")
    assert said < ended.stdout.index("twins: ")
    assert (mine / "protected" / "queries" / "queries.txt").is_file()
    found = verdict(run_here, mine, fine_tuned(study_of(mine)))
    assert found["evidence"] > 0 and found["n_other_data"] == found["n_calibration"] > 2


def test_eeg_without_a_model(mine, run_here):
    np.savez(mine / "trials.npz", **recordings())
    ended = protected(run_here, "DATA=trials.npz", "RATE=128", "ALL_MINE=True", "TIME=2h")
    assert "no part plays the attacker" in ended.stdout
    study = study_of(mine)
    assert len(study.parts["attacker"]) == 0
    found = verdict(run_here, mine, trained.open_model(study, study.source_id))
    assert found["evidence"] > 0 and found["n_other_data"] == found["n_calibration"] > 2


def test_resnet18_of_torchvision_is_built_and_looked_at(mine, run_here):
    np.savez(mine / "data.npz", x=images(60, 1)["x"][..., 0], y=images(60)["y"])
    ended = run_here(
        "protect.py", "DATA=data.npz", "MODEL=torchvision:resnet18", "TIME=0s", *SMOKE, "TRAIN=mine:no_model"
    )
    assert ended.returncode == 2 and "train(model, inputs, labels, seed) returned a str, not the model" in ended.stderr
    assert (
        "network torchvision:resnet18: 11,178,051 weights, head fc, prunable layer4.1.conv2, layer4.1.bn2"
        in ended.stdout
    )
    assert "it takes colour: grey images are given to it as three equal channels" in ended.stdout
