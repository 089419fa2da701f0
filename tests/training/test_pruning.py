"""Pruning: which units are least active, and that they stay silent while the others learn."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn

from fingerprinting.core.runtime import seed_everything
from fingerprinting.data.datasets import Examples
from fingerprinting.models import stealing, trained
from fingerprinting.training import objectives, pruning
from fingerprinting.training.trainer import fit
from tests.training.toys import CPU, recipe, toy_data, toy_model, trained_on


def images(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 2, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def small_net(bias: bool = False) -> nn.Module:
    """A convolution with batch norm, whose statistics are those of some images: every unit has both signs."""
    seed_everything("small net")
    model = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1, bias=bias), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 36, 3)
    )
    with torch.no_grad():
        convolved = model[0](images(20) / 255)
        model[1].running_mean.copy_(convolved.mean((0, 2, 3)))
        model[1].running_var.copy_(convolved.var((0, 2, 3)))
        model[1].weight.copy_(0.5 + torch.rand(5))
        model[1].bias.copy_(torch.rand(5) - 0.5)
    return model


def numpy_features(model: nn.Module, stored: torch.Tensor) -> np.ndarray:
    """(N, units, height, width) after convolution, batch norm and rectifier, from the definitions."""
    padded = np.pad(stored.numpy() / 255, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(2, 3))
    convolved = np.einsum("nchwij,ucij->nuhw", windows, model[0].weight.detach().double().numpy())
    mean, variance, weight, bias = (
        value.detach().double().numpy()[:, None, None]
        for value in (model[1].running_mean, model[1].running_var, model[1].weight, model[1].bias)
    )
    return np.maximum((convolved - mean) / np.sqrt(variance + model[1].eps) * weight + bias, 0)


@pytest.mark.parametrize("count", [1, 6, 300])
def test_activity_is_the_mean_rectified_output(count):
    """300 examples are a full and an incomplete batch, which must weigh by their examples."""
    model, stored = small_net(), images(count)
    features = numpy_features(model, stored)
    assert 0.1 < (features == 0).mean() < 0.9, "the rectifier matters"
    found = pruning.activity(model, "1", stored, CPU)
    assert np.allclose(found.numpy(), features.mean((0, 2, 3)), rtol=1e-5, atol=1e-7)
    assert not model[1]._forward_hooks


def test_activity_of_a_linear_layer_is_per_unit():
    model, stored = toy_model().eval(), toy_data(20).inputs
    outputs = model[1](model[0](stored))
    for rectified, expected in ((True, outputs.clamp_min(0)), (False, outputs.abs())):
        found = pruning.activity(model, "1", stored, CPU, rectified)
        assert torch.allclose(found.float(), expected.mean(0), atol=1e-6)


@given(st.lists(st.floats(0, 10, width=32), min_size=1, max_size=70), st.floats(0, 1))
def test_least_active_equals_a_full_sort(activities, ratio):
    found = pruning.least_active(torch.tensor(activities), ratio)
    count = min(round(ratio * len(activities)), len(activities) - 1)
    assert found.tolist() == np.argsort(np.array(activities), kind="stable")[:count].tolist()
    assert len(found) < len(activities)


@pytest.mark.parametrize(("ratio", "left"), [(0.0, 8), (0.25, 6), (0.5, 4), (0.99, 1), (1.0, 1)])
def test_at_least_one_unit_stays(ratio, left):
    assert 8 - len(pruning.least_active(torch.arange(8.0), ratio)) == left


@pytest.mark.parametrize("bias", [False, True])
def test_zeroed_units_say_exactly_nothing_also_after_updates(bias):
    model, units = small_net(bias), torch.tensor([0, 3])
    zero = pruning.zeroing(("0", "1"), units)
    zero(model)

    def features() -> torch.Tensor:
        with torch.no_grad():
            return model[:3].eval()(images(20) / 255)

    def others_say_something() -> bool:
        return bool((features()[:, [1, 2, 4]].flatten(2).amax((0, 2)) > 0).all())

    assert (features()[:, units] == 0).all() and others_say_something()
    train = Examples(images(64), torch.arange(64) % 3)
    fit(model, train, train, objectives.cross_entropy, recipe(3), "pruned", CPU, after_step=zero)
    assert (features()[:, units] == 0).all() and others_say_something()
    assert not torch.equal(model[0].weight, small_net(bias)[0].weight)


@pytest.mark.parametrize("ratio", [0.3, 0.6])
def test_a_pruned_source_has_lost_its_least_active_units(stealing_case, ratio):
    study, job = stealing_case
    source, attacker = trained.open_model(study, study.source_id), study.parts["attacker"]
    task = stealing.prune(study, job("prune", ratio=ratio, activity_examples=len(attacker)))
    pruned = trained_on(study, task)

    def activity(model: nn.Module) -> np.ndarray:
        body = nn.Sequential(model[0], model[1][:9]).eval()
        with torch.no_grad():
            return body(attacker.inputs / 255).mean((0, 2, 3)).numpy()

    expected = np.argsort(activity(source), kind="stable")[: round(ratio * 64)]
    assert (activity(pruned)[expected] == 0).all()
    for path in ("1.6", "1.7"):
        zeroed = pruned.get_submodule(path).weight.detach().flatten(1 if path == "1.6" else 0)
        zeroed = (zeroed == 0).all(1) if zeroed.dim() > 1 else zeroed == 0
        assert sorted(np.flatnonzero(zeroed)) == sorted(expected)


def test_activity_is_measured_on_all_classes_of_a_part_that_lies_class_by_class(stealing_case, monkeypatch):
    study, job = stealing_case
    attacker = study.parts["attacker"]
    ordered = attacker.take(attacker.targets.argsort(stable=True))
    monkeypatch.setattr(stealing, "part_of", lambda _study, _job: ordered)
    shown, measure = [], pruning.activity

    def noting(model, path, inputs, device, rectified) -> torch.Tensor:
        shown.append(inputs)
        return measure(model, path, inputs, device, rectified)

    monkeypatch.setattr(pruning, "activity", noting)
    stealing.prune(study, job("prune", ratio=0.3, activity_examples=100))
    label = {
        image.numpy().tobytes(): int(target) for image, target in zip(ordered.inputs, ordered.targets, strict=True)
    }
    found = [label[image.numpy().tobytes()] for image in shown[0]]
    assert len(found) == 100 and set(found) == set(range(10))
