"""Verdicts on models of protected images, texts and EEG, asked through every interface: each is the one in process."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fingerprinting.asking import encodings, python_function
from fingerprinting.calibrated import verdicts
from fingerprinting.calibrated.contents import CalibratedFingerprint
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import judge as judging
from fingerprinting.judging.queries import VERDICT
from fingerprinting.judging.suspect import encoding_changes
from fingerprinting.models import trained
from fingerprinting.protecting.networks import OWN
from fingerprinting.study.study import ModelId, Study
from fingerprinting.training.trainer import predict
from tests.asking.server import MANY, OIP, Server, serving
from tests.judging.protection import opened
from tests.protecting.conftest import images, mine, recordings, write_texts  # noqa: F401 (a fixture)

pytestmark = pytest.mark.slow
SMOKE = ("TIER=smoke", "WORKERS=1", "DEVICE=cpu", "BUDGET=75")
LEVELS = dict(alpha=0.2, beta=0.2, tail="student")
CPU = torch.device("cpu")
DATATYPES = {"float32": "FP32", "int32": "INT32", "int64": "INT64"}
INTERFACES = ("function", "json", "oip", "file", "by hand")


def protected(run_here, *words: str) -> Study:
    """The study that protect.py made here."""
    ended = run_here("protect.py", *words, *SMOKE)
    assert ended.returncode == 0, ended.stderr[-2000:]
    dataset = json.loads(Path("protected/protect.json").read_text())["dataset"]
    return Study("protected", dataset, "smoke", device_name="cpu", workers=1)


def models(study: Study) -> list[ModelId]:
    """The source, which is its own closest copy, a student of its labels, and independent models."""
    student = study.model_id("pair_stolen", study.students[0], 0, "of_owner+reference-share_1")
    independent = [study.model_id("calibration_homologous", name, 0) for name in study.architectures[:2]]
    return [study.source_id, student, *independent]


def in_process(study: Study, made: Fingerprint, network: nn.Module) -> dict:
    inputs = made.inputs, CalibratedFingerprint.of(made).controls.inputs
    return verdicts.measured(made, *(predict(network, one, CPU).argmax(1) for one in inputs), *LEVELS.values())


def weights(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: one.contiguous() for name, one in network.state_dict().items()}


def judged(study: Study, folder: Path, **asking) -> dict:
    judging.judge(study, **{"queries": str(folder), "responses": "", "other_task": False, **LEVELS, **asking})
    return json.loads((folder / VERDICT).read_text()) if asking else {}


@contextlib.contextmanager
def asked(study: Study, model: ModelId, network: nn.Module, interface: str, folder: Path) -> Iterator[dict[str, str]]:
    """Constants of judge.py by which that model is asked."""
    made = opened(study)
    dtype, shape = made.inputs.numpy().dtype, list(made.inputs.shape[1:])

    def labels(inputs) -> list[int]:
        return predict(network, torch.from_numpy(np.asarray(inputs, dtype=dtype)), CPU).argmax(1).tolist()

    folder.mkdir(parents=True)
    if interface == "function":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(python_function, "loaded", lambda _address: labels)
            yield {"suspect": "suspect:ask"}
    elif interface in ("json", "oip"):
        with serving(Server(labels, shape=[-1, *shape], datatype=DATATYPES[str(dtype)])) as server:
            about = {"uri": server.address + MANY, "request": {"inputs": "{inputs}"}}
            path = folder / "my_api.json"
            path.write_text(json.dumps({**about, "response": "$.predictions[*].label"}))
            yield {"suspect": str(path) if interface == "json" else f"oip+{server.address}{OIP}"}
    elif interface == "file":
        save_file(weights(network), folder / "net.safetensors")
        yield {"suspect": str(folder / "net.safetensors"), "model": model.architecture}
    else:
        judged(study, folder)
        path = folder / "responses.txt"
        path.write_text("".join(f"{label}\n" for label in labels(np.load(folder / "queries.npy"))))
        yield {"responses": str(path)}


def check(study: Study, folder: Path, **changed: int) -> None:
    """changed: encodings other than arrays -> how many of the source's labels they change."""
    made, outcomes = opened(study), []
    for number, model in enumerate(models(study)):
        network = trained.open_model(study, model)
        expected = in_process(study, made, network)
        for interface in INTERFACES:
            place = folder / f"{number} {interface}"
            with asked(study, model, network, interface, place) as how:
                encoded = {} if interface in ("by hand", "file") else {"encoding": "array"}
                found = judged(study, place, **how, **encoded)
            assert {name: found[name] for name in expected} == expected, (model.name, interface)
            assert interface == "by hand" or found["suspect"]["source_labels_changed"] == 0
        outcomes.append(expected["evidence"])
    assert outcomes[0] == max(outcomes) > min(outcomes)
    for name, count in changed.items():
        with asked(study, study.source_id, trained.open_model(study, study.source_id), "by hand", folder / name):
            assert encoding_changes(study, made, name) == count


def labels_changed(study: Study, name: str) -> int:
    """How many of the source's labels are others behind an encoding, query by query."""
    made, source = opened(study), trained.open_model(study, study.source_id)
    inputs, domain = made.inputs.numpy(), study.domain.inputs
    arrived = [encodings.of_png(encodings.png(one)) for one in inputs] if name == "png" else inputs
    if name == "text":
        arrived = domain.encode([domain.describe(one) for one in made.inputs]).numpy()
    labels = predict(source, torch.from_numpy(np.stack(arrived)), CPU).argmax(1)
    return int((labels != made.labels).sum())


def test_of_images(mine, run_here, tmp_path):  # noqa: F811
    np.savez("data.npz", **images())
    study = protected(run_here, "DATA=data.npz", "MODEL=mine:build")
    check(study, tmp_path / "asked", png=labels_changed(study, "png"))


def test_of_texts(mine, run_here, tmp_path):  # noqa: F811
    write_texts(Path("reviews.csv"))
    words = ("DATA=reviews.csv", "TEXT=review", "LABEL=stars", "MODEL=mine:Words", "LEARNING_RATE=0.02")
    study = protected(run_here, *words, "PRUNABLE=embedding")
    check(study, tmp_path / "asked", text=labels_changed(study, "text"))


def test_of_eeg(mine, run_here, tmp_path):  # noqa: F811
    np.savez("trials.npz", **recordings())
    learned = ("EPOCHS=60", "LEARNING_RATE=0.02")  # in fewer passes, some processors' rounding leaves it at chance
    study = protected(run_here, "DATA=trials.npz", "RATE=128", "MODEL=mine:signals", *learned)
    check(study, tmp_path / "asked")


def test_weights_beside_what_builds_their_network(mine, run_here, tmp_path):  # noqa: F811
    """judge.py SUSPECT=x.safetensors MODEL=module:function, as its user types it."""
    np.savez("data.npz", **images())
    study = protected(run_here, "DATA=data.npz", "MODEL=mine:build")
    network = trained.open_model(study, study.model_id("twin", OWN, 0))
    save_file(weights(network), "x.safetensors")
    words = ("DOMAIN=protected", "TIER=smoke", "QUERIES=protected/queries", "ALPHA=0.2", "BETA=0.2")
    ended = run_here("judge.py", *words, "SUSPECT=x.safetensors", "MODEL=mine:build")
    assert ended.returncode == 0, ended.stderr
    found, expected = (
        json.loads(Path("protected/queries/verdict.json").read_text()),
        in_process(study, opened(study), network),
    )
    assert {name: found[name] for name in expected} == expected
    assert found["suspect"]["name"].startswith("x.safetensors (sha256 ")
