"""What a plan says of steps that are not run."""

import pytest
import torch
from torch import nn

from fingerprinting.core import places
from fingerprinting.core.errors import UserError
from fingerprinting.models import build, independent, plan, stolen
from fingerprinting.models.kinds import Job
from fingerprinting.models.plan import Cost
from fingerprinting.study.domain import Architecture
from fingerprinting.study.planned import PlannedStudy
from fingerprinting.training.recipe import Recipe


@pytest.fixture
def planned() -> PlannedStudy:
    return PlannedStudy("cv", "digits", "smoke", batch_size=32)


def test_a_networks_operations_memory_and_weights_are_those_by_hand():
    def build(classes, shape):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, classes))

    found = plan._counted(Architecture(build), 10, (1, 8, 8), torch.float32)
    forward = 2 * (64 * 5 + 5 * 10)
    assert found.asked == forward
    # Backward: each layer's weights, and the second one's inputs; nobody asks for the gradient of the first one's.
    assert found.trained == forward + 2 * (64 * 5 + 5 * 10) + 2 * 5 * 10
    assert found.weights == 4 * (64 * 5 + 5 + 5 * 10 + 10)
    activations = 4 * (64 + 5 + 10)  # inputs, what the rectifier gives, and the log-probabilities
    assert activations <= found.kept <= activations + 32  # and labels


def test_parts_are_as_large_as_those_of_the_data(planned, study):
    """But for rounding: how many examples a class has is not known before."""
    for name, part in study.parts.items():
        assert len(planned.parts[name]) == pytest.approx(len(part), abs=5)
    assert planned.shape == study.shape and len(planned.classes) == len(study.classes)


def test_a_job_costs_its_updates(planned):
    net, owner = plan.network(planned, "conv3"), len(planned.parts["owner"])
    recipe = Recipe(epochs=3, learning_rate=0.1, batch_size=32, weight_decay=0.0, min_updates=0, augment=False)
    planned.steps["some"] = [
        Job(planned.model_id("irrelevant", "conv3", 0), recipe, {"part": "owner"}),
        Job(planned.model_id("irrelevant_adversarial", "conv3", 0), recipe, {"part": "owner", "pgd_steps": 2}),
    ]
    images = 3 * (owner // 32) * 32
    dev = 3 * len(planned.parts["dev"]) * net.asked
    assert plan.of_step(planned, "some") == Cost(
        models=2,
        epochs=3,
        images=2 * images,
        operations=images * net.trained * (1 + 3) + 2 * dev,
        memory=4 * net.weights + 32 * net.kept,
        disk=2 * net.weights,
    )


def test_steps_plan_the_models_that_they_would_train_and_train_none(planned, monkeypatch):
    recipe = dict(epochs=1, learning_rate=0.1, epsilon=0.1, pgd_steps=1)
    independent.irrelevant(planned, copies=2, adversarial_copies=1, **recipe)
    stolen.extract(planned, copies=1, same_copies=0, temperature=2.0, **recipe)
    assert {step: len(jobs) for step, jobs in planned.steps.items()} == {"irrelevant": 7, "extract": 6}
    assert build.planned(planned)["irrelevant"] == [job.model for job in planned.steps["irrelevant"]]
    assert plan.of_asking(planned, 100).images == 1300
    assert not places.artifacts_dir().exists()


def test_sizes_that_are_not_known_are_said():
    with pytest.raises(UserError, match="the size of scp1 is known when it is read, so nothing is planned on it"):
        PlannedStudy("bci", "scp1", "smoke").parts  # noqa: B018


def test_reproduce_plans_without_data_and_runs_nothing(run_here, tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "none"))
    done = run_here("reproduce.py", "TIER=smoke", "DOMAIN=cv", "DATASET=digits", "PLAN=True", "RATE=1e9")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[2:]}
    assert lines["cv/source.py"][0] == "1" and lines["cv/twins.py"][0].isdigit() and int(lines["cv/transfer.py"][0]) > 0
    assert lines["baselines.py"] == ["not", "counted"]
    assert not (tmp_path / "artifacts").exists() and not (tmp_path / "results").exists()
