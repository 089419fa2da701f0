"""Adversarial perturbations: in the ball, in bounds, and against a computation by hand."""

import math

import pytest
import torch
import torch.nn.functional as F  # the field's standard name
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cv.domain import DOMAIN
from fingerprinting.core import storage
from fingerprinting.core.runtime import seed_everything
from fingerprinting.training import objectives
from fingerprinting.training.adversarial import perturbation
from tests.training.toys import toy_data, toy_model


def perturbed(model, inputs, labels, epsilon, steps, bounds):
    return inputs + perturbation(model, model, inputs, labels, epsilon, steps, bounds)


@given(st.floats(0, 0.5), st.integers(0, 5), st.integers(0, 1000))
def test_perturbations_stay_in_the_ball_and_in_bounds(epsilon, steps, seed):
    torch.manual_seed(seed)
    model, inputs = nn.Linear(5, 3), torch.rand(4, 5)
    moved = perturbed(model, inputs, torch.randint(0, 3, (4,)), epsilon, steps, (0, 1))
    assert (moved - inputs).abs().max() <= epsilon + 1e-6
    assert moved.min() >= 0 and moved.max() <= 1
    assert not moved.requires_grad


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_perturbations_raise_the_loss(steps):
    seed_everything("linear")
    model, inputs, labels = nn.Linear(20, 4), torch.rand(50, 20), torch.randint(0, 4, (50,))
    moved = perturbed(model, inputs, labels, 0.1, steps, (0, 1))
    clean, attacked = (F.cross_entropy(model(x), labels, reduction="none") for x in (inputs, moved))
    assert (attacked > clean).all()


@pytest.mark.parametrize("bounds", [(-10.0, 10.0), (0.0, 1.0)])
def test_one_step_on_a_linear_model_is_the_analytic_one(bounds):
    """With two classes the gradient's sign is that of the other class's weights minus the label's, wherever one stands.

    A step of 2.5 epsilon reaches the ball's corner from every starting point.
    """
    seed_everything("two classes")
    model, inputs, labels = nn.Linear(12, 2), torch.rand(30, 12), torch.randint(0, 2, (30,))
    away = model.weight[1 - labels] - model.weight[labels]
    moved = perturbed(model, inputs, labels, 0.1, 1, bounds)
    assert torch.allclose(moved, (inputs + 0.1 * away.sign()).clamp(*bounds), atol=1e-6)


def test_small_steps_start_at_a_random_point_of_the_ball():
    """Without a step the start itself is seen: uniform in the ball, another one at every call."""
    inputs, labels = torch.full((2000, 2), 0.5), torch.zeros(2000, dtype=torch.long)
    model = nn.Linear(2, 2)
    first, second = (perturbed(model, inputs, labels, 0.2, 0, (0, 1)) for _ in range(2))
    assert not torch.equal(first, second)
    assert (first - inputs).std() == pytest.approx(0.2 / math.sqrt(3), rel=0.05)


def test_perturbing_leaves_the_model_as_it_was():
    model = toy_model().train()
    model[3].eval()
    for number, weight in enumerate(model.parameters()):
        weight.grad = torch.full_like(weight, number)
    modes = [module.training for module in model.modules()]
    before = storage.digest(model.state_dict())
    data = toy_data(10)
    inputs = data.inputs.clone()
    perturbed(model, inputs, data.targets, 0.1, 3, (0, 1))
    assert [module.training for module in model.modules()] == modes
    assert storage.digest(model.state_dict()) == before
    assert all((weight.grad == number).all() for number, weight in enumerate(model.parameters()))
    assert all(weight.requires_grad for weight in model.parameters())
    assert torch.equal(inputs, data.inputs)


def test_the_adversarial_objective_is_the_mean_of_clean_and_attacked():
    model = toy_model().eval()
    data = toy_data(10)
    seed_everything("attack")
    attacked = perturbed(model, data.inputs, data.targets, 0.1, 2, (0, 1))
    expected = (F.cross_entropy(model(data.inputs), data.targets) + F.cross_entropy(model(attacked), data.targets)) / 2
    seed_everything("attack")
    objective = objectives.adversarial(DOMAIN.inputs.continuous, DOMAIN.inputs.input_range, 0.1, 2)
    found = objective(model, data.inputs, data.targets)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert found > F.cross_entropy(model(data.inputs), data.targets)
