"""judge.py asks a suspect that is a file: the verdict is the one in process, and a crash loses nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fingerprinting.asking import journal
from fingerprinting.core.errors import UserError
from fingerprinting.judging import judge as judging
from fingerprinting.judging.queries import INPUTS, VERDICT
from fingerprinting.study.domain import load_domain
from fingerprinting.study.study import Study
from tests.asking.files.opening import enemy, forward
from tests.judging.protection import CONTROLS, LEVELS, QUERIES


def judged(study: Study, folder: Path, **asking) -> dict:
    judging.judge(study, **{"queries": str(folder), "responses": "", "other_task": False, **LEVELS, **asking})
    return json.loads((folder / VERDICT).read_text()) if asking else {}


def test_the_verdict_is_that_in_process(protected, tmp_path):
    torch.manual_seed(0)
    network = load_domain("cv").networks.architectures["conv3"].build(10, (1, 8, 8)).eval()
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    asked = judged(protected, tmp_path / "asked", suspect=str(tmp_path / "net.safetensors"), model="conv3")
    judged(protected, tmp_path / "read")
    with torch.inference_mode():
        labels = network(torch.from_numpy(np.load(tmp_path / "read" / INPUTS))).argmax(1).tolist()
    (tmp_path / "responses.txt").write_text("".join(f"{label}\n" for label in labels))
    read = judged(protected, tmp_path / "read", responses=str(tmp_path / "responses.txt"))
    said = read.pop("findings"), asked.pop("findings")
    assert {name: asked[name] for name in read} == read and set(said[0]) < set(said[1])  # the file gave logits
    assert asked["suspect"]["name"].startswith("net.safetensors (sha256 ")


def test_a_crash_in_mid_run_loses_nothing(protected, tmp_path, monkeypatch):
    crashing = """
        self.asked = getattr(self, 'asked', 0) + 1
        if self.asked == 3:
            os.abort()
        return torch.eye(10)[:1].repeat(len(inputs), 1)
    """
    path, folder = enemy(tmp_path, monkeypatch, forward(crashing)), tmp_path / "queries"
    how = {"suspect": str(path), "model": "enemy:build", "batch": 4}
    with pytest.raises(UserError, match=r"crashed \(SIGABRT\); run the same command to ask the queries that are left"):
        judged(protected, folder, **how)
    kept = (folder / journal.NAME).read_text()
    assert len(journal.read(folder / journal.NAME).responses) == 8 and not (folder / VERDICT).exists()
    judged(protected, folder, **how)
    assert (folder / journal.NAME).read_text().startswith(kept)
    assert len(journal.read(folder / journal.NAME).responses) == QUERIES + CONTROLS
