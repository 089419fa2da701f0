"""A source that can only be asked is asked once about all that is needed, and looked up from then on."""

import json

import numpy as np
import pytest
import torch

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.models import trained
from fingerprinting.protecting import asked
from fingerprinting.protecting.asked import Asked
from fingerprinting.study.study import Study
from tests.asking.server import MANY, OIP, Server, serving
from tests.protecting.conftest import images

ASK = """
import pathlib

import numpy as np

held = np.load("data.npz")
looks = np.stack([held["x"][:60][held["y"][:60] == label].mean(0).transpose(2, 0, 1) / 255 for label in range(3)])


def ask(inputs):
    with pathlib.Path("asked.txt").open("a") as file:
        file.write(f"{len(inputs)}\\n")
    return [int(((looks - one) ** 2).sum((1, 2, 3)).argmin()) for one in inputs]


def sulky(inputs):
    return ["no" for _ in inputs]
"""
SMOKE = ("TIER=smoke", "WORKERS=1", "DEVICE=cpu", "BUDGET=75")


def learned(inputs: torch.Tensor, labels: torch.Tensor) -> Asked:
    module = Asked(3)
    module.learn(inputs, labels)
    return module


def test_labels_are_looked_up_by_the_inputs_themselves(tmp_path):
    inputs, labels = torch.rand(20, 3, 8, 8), torch.arange(20) % 3
    module = learned(inputs[:12], labels[:12])
    module.learn(inputs[12:], labels[12:])
    order = torch.randperm(20)
    assert torch.equal(module(inputs[order]).argmax(1), labels[order])
    storage.save_tensors(tmp_path / "source.safetensors", module.state_dict(), {})
    again = Asked(3)
    again.load_state_dict(storage.load_tensors(tmp_path / "source.safetensors")[0])
    assert torch.equal(again(inputs), module(inputs))
    with pytest.raises(UserError, match="the source was not asked about all of these inputs; run the same protect.py"):
        module(inputs + 0.1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["SOURCE=asks.py:ask"], "SOURCE=asks.py:ask can be asked and not trained; give MODEL=module:function too"),
        (
            ["SOURCE=asks.py:ask", "MODEL=mine:build", "WEIGHTS=net.safetensors"],
            "SOURCE= is the trained model, and WEIGHTS= are those of one; give one of the two",
        ),
        (["SOURCE=nobody", "MODEL=mine:build"], "nobody is no suspect that is known; give one like"),
        (["SOURCE=asks.py:sulky", "MODEL=mine:build"], "gave no class to 243 of 243 examples, but 'no'; let it say"),
    ],
)
def test_a_source_that_cannot_be_asked_is_refused(mine, run_here, words, said):
    (mine / "asks.py").write_text(ASK)
    np.savez(mine / "data.npz", **images())
    ended = run_here("protect.py", "DATA=data.npz", *words, *SMOKE)
    assert ended.returncode == 2 and said in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "oip"])
def test_a_source_behind_an_address_is_protected_and_recognised(mine, run_here, form):
    held = images()
    np.savez(mine / "data.npz", **held)
    looks = np.stack([held["x"][:60][held["y"][:60] == label].mean(0).transpose(2, 0, 1) / 255 for label in range(3)])

    def model(inputs: list) -> list[int]:
        return [int(((looks - one) ** 2).sum((1, 2, 3)).argmin()) for one in np.array(inputs, dtype=float)]

    failing = Server(model, lambda number: "503" if number % 5 == 2 else "", shape=[-1, 3, 8, 8])
    with serving(failing) as server:
        described = {
            "uri": server.address + MANY,
            "request": {"inputs": "{inputs}"},
            "response": "$.predictions[*].label",
        }
        (mine / "my_api.json").write_text(json.dumps(described))
        address = "my_api.json" if form == "json" else f"oip+{server.address}{OIP}"
        words = ("DATA=data.npz", f"SOURCE={address}", "MODEL=mine:build", "TRAIN=mine:train")
        ended = run_here("protect.py", *words, *SMOKE)
        assert ended.returncode == 0, ended.stderr[-2000:]
        assert asked.SCOPE in ended.stdout
        sent = server.requests
        again = run_here("protect.py", *words, *SMOKE)
        assert again.returncode == 0 and "0 still to train" in again.stdout, again.stderr[-2000:]
        assert server.requests <= sent + (form == "oip")  # whose metadata may be read again
        queries = ("DOMAIN=protected", "TIER=smoke", "QUERIES=protected/queries")
        ended = run_here("judge.py", *queries, f"SUSPECT={address}")
        assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads((mine / "protected" / "queries" / "verdict.json").read_text())
    assert found["evidence"] > 0 and found["scope"] == asked.SCOPE and "unanswered" not in found


@pytest.mark.slow
def test_a_source_that_can_only_be_asked_is_protected_against_extraction(mine, run_here):
    (mine / "asks.py").write_text(ASK)
    held = images()
    np.savez(mine / "data.npz", **held)
    words = ("DATA=data.npz", "SOURCE=asks.py:ask", "MODEL=mine:build", "TRAIN=mine:train")
    ended = run_here("protect.py", *words, *SMOKE)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert asked.SCOPE in ended.stdout
    sent = (mine / "asked.txt").read_text()
    again = run_here("protect.py", *words, *SMOKE)
    assert again.returncode == 0 and "0 still to train" in again.stdout
    assert (mine / "asked.txt").read_text() == sent
    study = Study(str(mine / "protected"), "data", "smoke", device_name="cpu", workers=1)
    assert trained.metadata_of(study, study.source_id)["architecture"] == asked.ASKED
    queries = ("DOMAIN=protected", "TIER=smoke", "QUERIES=protected/queries")
    ended = run_here("judge.py", *queries, "SUSPECT=asks.py:ask")
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads((mine / "protected" / "queries" / "verdict.json").read_text())
    assert found["evidence"] > 0 and found["scope"] == asked.SCOPE
