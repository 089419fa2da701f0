"""An owner's own domain: what its file may get wrong is said in a sentence, and with none of it a suspect is judged."""

import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cv.models import mlp
from fingerprinting import cli
from fingerprinting.core import places
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Dataset, Examples
from fingerprinting.models import build, trained
from fingerprinting.models.kinds import Job
from fingerprinting.study.domain import Architecture
from fingerprinting.study.study import ModelId, Study
from fingerprinting.study.weights import filled

# Reviews of one to five stars, drawn as small pictures; there is no other task to move a model to.
STARS = """
from dataclasses import replace

import torch
from cv.domain import DOMAIN as VISION
from fingerprinting.data.datasets import held_out
from fingerprinting.study.domain import Data

from beside import SCALE


def load(name):
    draw = torch.Generator().manual_seed(0)
    stars = torch.randint(5, (900,), generator=draw)
    looks = torch.rand(5, 1, 8, 8, generator=draw)
    return held_out(name, tuple("12345"), looks[stars] / 5 + SCALE * torch.rand(900, 1, 8, 8, generator=draw), stars)


DOMAIN = replace(
    VISION,
    name="mine",
    data=Data(
        load=load,
        prepare=lambda name: None,
        datasets=dict(smoke="stars"),
        targets=dict(stars=""),
        pool_size=dict(smoke=2_500),
    ),
    networks=replace(
        VISION.networks,
        architectures=dict(VISION.networks.architectures),
        students=dict(smoke=("mlp", "separable")),
    ),
    inputs=replace(VISION.inputs, show=None),
    constants=dict(VISION.constants, MIN_UPDATES=30),
)
"""
OF_NO_OTHER_DOMAIN = {"primary.py": ["FEWER=True"], "calibrated.py": ["STEP_SIZE=0.03", "EPSILON=0.15"]}
STEPS_OF_AN_OWNER = ("source", "references", "low_data_references", "calibration")


@pytest.fixture
def own(tmp_path, monkeypatch) -> str:
    """The file's address; another file beside it, which it imports."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "beside", raising=False)
    (tmp_path / "beside.py").write_text("SCALE = 0.8\n")
    path = tmp_path / "my_domain.py"
    path.write_text(STARS)
    return str(path)


def study_of(address: str) -> Study:
    return Study(address, "stars", "smoke", device_name="cpu", batch_size=32, min_updates=30, workers=1)


@pytest.mark.slow
def test_a_suspect_is_judged_without_another_task(own, run_here, tmp_path):
    about = (f"DOMAIN={own}", "TIER=smoke", "WORKERS=1")
    scripts = [f"cv/{step}.py" for step in STEPS_OF_AN_OWNER]
    scripts += ["primary.py", "evolved.py", "calibrated.py", "judge.py"]
    for script in scripts:
        ended = run_here(script, *about, *OF_NO_OTHER_DOMAIN.get(script, ()))
        assert (ended.returncode, ended.stderr.count("Traceback")) == (0, 0), f"{script}: {ended.stderr[-2000:]}"
        if script in ("cv/references.py", "cv/calibration.py"):
            assert "stars has no transfer target" in ended.stdout
    study = study_of(own)
    queries = torch.from_numpy(np.load(tmp_path / "queries" / "queries.npy"))
    source = trained.open_model(study, study.source_id).eval()
    with torch.no_grad():
        responses = source(queries).argmax(1)
    (tmp_path / "responses.txt").write_text("".join(f"{1 + label}\n" for label in responses.tolist()))
    ended = run_here("judge.py", *about, "RESPONSES=responses.txt")
    assert ended.returncode == 0, ended.stderr
    assert json.loads((tmp_path / "queries" / "verdict.json").read_text())["outcome"] == "stolen"


def test_models_are_not_moved_where_there_is_no_other_task(own, capsys):
    study = study_of(own)
    jobs = [Job(study.model_id("irrelevant_transfer", "mlp", 0), study.recipe(1, 0.01))]
    build.train(study, "transfer", jobs)
    assert build.planned(study) == {"transfer": []}
    assert "stars has no transfer target, so no model of transfer is transferred to one" in capsys.readouterr().out


def linear(classes: int, shape: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(torch.Size(shape).numel(), classes))


def three_classes(_classes: int, shape: tuple[int, ...]) -> nn.Module:
    return linear(3, shape)


@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        (
            Architecture(mlp, head="classifier"),
            "'classifier' is no linear layer of 'own'; head= must be",
        ),
        (Architecture(mlp, head="2", prunable=("body",)), "'body' is no part of 'own'; prunable= must hold paths"),
        (Architecture(linear), "'own' has neither a convolution nor a hidden linear layer that could be pruned;"),
        (Architecture(three_classes, head="1"), "'own' makes .2, 3. of 2 inputs; logits .2, 5. are wanted"),
    ],
    ids=["head", "prunable", "unpruned", "classes"],
)
def test_an_architecture_is_looked_at_before_anything_is_trained(own, architecture, said):
    study = study_of(own)
    study.domain.networks.architectures["own"] = architecture
    jobs = [Job(study.model_id("reference_prune", "own", 0), study.recipe(1, 0.01))]
    with pytest.raises(UserError, match=said):
        build.train(study, "references", jobs)
    assert not list(places.artifacts_dir().rglob("*.safetensors"))


SOME = Examples(torch.rand(6, 1, 8, 8), torch.arange(6) % 2)


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        (Examples(SOME.inputs.numpy(), SOME.targets), "toy holds no tensors"),
        (Examples(SOME.inputs[:5], SOME.targets), "toy has 5 inputs and 6 labels in one part"),
        (Examples(SOME.inputs, SOME.targets.int()), "toy has labels of torch.int32; its loader must give one int64"),
        (Examples(SOME.inputs, SOME.targets.float()), "toy has labels of torch.float32"),
        (Examples(SOME.inputs.double(), SOME.targets), "toy has inputs of torch.float64; its loader must give float32"),
        (Examples(SOME.inputs / 0, SOME.targets), "toy has non-finite inputs"),
        (Examples(SOME.inputs[..., :7], SOME.targets), "toy has inputs of several shapes"),
        (Examples(SOME.inputs, SOME.targets + 1), "toy has labels from 1 to 2 for 2 classes"),
    ],
)
def test_data_that_no_model_can_be_trained_on_are_refused(pool, said):
    Dataset("toy", ("no", "yes"), SOME, SOME)
    with pytest.raises(UserError, match=said):
        Dataset("toy", ("no", "yes"), pool, SOME)


@pytest.mark.parametrize("classes", [(0, 1), ("same", "same")])
def test_classes_are_texts_and_different_ones(classes):
    with pytest.raises(UserError, match="its loader must give each a text of its own"):
        Dataset("toy", classes, SOME, SOME)


def test_inputs_outside_the_range_in_which_queries_stay_are_refused(own, tmp_path):
    (tmp_path / "beside.py").write_text("SCALE = 2.5\n")
    with pytest.raises(
        UserError, match=r"stars has inputs from .* to [23][.\d]+, outside input_range=\(0.0, 1.0\) of mine"
    ):
        study_of(own).parts  # noqa: B018


@pytest.mark.parametrize("name", ["", "a/b"])
def test_a_name_that_is_no_folder_is_refused(own, name):
    with pytest.raises(UserError, match=f"{name!r} cannot be the name of a folder"):
        Study(own, name, "smoke")


def test_a_data_set_may_be_called_as_a_kind_of_model():
    model = ModelId("mine", "source", "smoke", "source", "mlp", 0)
    assert model.path.parts[-5:] == ("source", "smoke", "models", "source", "mlp-0.safetensors")


def test_a_tier_without_a_data_set_is_named(own):
    with pytest.raises(UserError, match="mine names no datasets for tier cpu; add it to datasets="):
        cli.resolve({"DOMAIN": own}, "", ["TIER=cpu"])


def test_weights_that_are_no_numbers_leave_the_source_where_it_is(tmp_path):
    model = nn.Linear(2, 2)
    save_file({"weight": torch.full((2, 2), torch.nan), "bias": torch.zeros(2)}, tmp_path / "nan.safetensors")
    with pytest.raises(UserError, match="nan.safetensors holds NaN or infinity in weight"):
        filled(model, tmp_path / "nan.safetensors")
    assert model.weight.isfinite().all()
