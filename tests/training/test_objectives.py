"""Losses against numpy and by hand; what each way of stealing asks of them."""

import numpy as np
import pytest
import torch
from torch import nn

from fingerprinting.core.runtime import seed_everything
from fingerprinting.models import kinds, trained
from fingerprinting.training import objectives
from fingerprinting.training.trainer import predict
from tests.training.toys import CPU


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_distillation_is_the_divergence_at_a_temperature(temperature):
    draw = np.random.default_rng(0)
    teacher, student = draw.normal(0, 2, (7, 4)), draw.normal(0, 2, (7, 4))
    soft_teacher, soft_student = softmax(teacher / temperature), softmax(student / temperature)
    expected = temperature**2 * (soft_teacher * np.log(soft_teacher / soft_student)).sum(1).mean()
    objective = objectives.distillation(temperature)
    found = objective(nn.Identity(), torch.from_numpy(student), torch.from_numpy(softmax(teacher)))
    assert found.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_a_student_that_equals_its_teacher_has_no_gradient(temperature):
    teacher = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    student = (teacher + 3.0).requires_grad_()  # logits are known up to a constant
    loss = objectives.distillation(temperature)(nn.Identity(), student, teacher.softmax(1))
    (gradient,) = torch.autograd.grad(loss, student)
    assert abs(loss.item()) < 1e-12 and gradient.abs().max() < 1e-12
    other = teacher.roll(1, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(
        objectives.distillation(temperature)(nn.Identity(), other, teacher.softmax(1)), other
    )
    assert gradient.abs().max() > 1e-3


def test_distillation_bears_probabilities_of_zero_and_one():
    student = torch.zeros(2, 3, requires_grad=True)
    loss = objectives.distillation(2.0)(nn.Identity(), student, torch.eye(3)[:2])
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(student.grad).all()


def gradient_of(task: kinds.Training) -> torch.Tensor:
    inputs, targets = next(task.part.batches(32, CPU))
    loss = task.objective(task.model.eval(), inputs, targets)
    return torch.cat([piece.flatten() for piece in torch.autograd.grad(loss, list(task.model.parameters()))])


def test_label_and_probability_extraction_go_different_ways(stealing_case):
    study, job = stealing_case
    source = trained.open_model(study, study.source_id)
    responses = predict(source, study.parts["attacker"].inputs, CPU)
    found = {}
    for kind, options in (("extract_labels", {}), ("extract_probabilities", {"temperature": 2.0})):
        seed_everything("student")
        task = kinds.KINDS[kind].prepare(study, job(kind, "mlp", **options))
        assert torch.equal(task.part.inputs, study.parts["attacker"].inputs)
        assert torch.equal(task.part.targets, responses.argmax(1) if kind == "extract_labels" else responses.softmax(1))
        found[kind] = gradient_of(task)
    labels, probabilities = found.values()
    assert torch.cosine_similarity(labels, probabilities, dim=0) < 0.99
