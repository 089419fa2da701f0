"""Batch losses: what a model is trained towards. Each takes (model, inputs, targets) and returns a scalar."""

from functools import partial

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.adversarial import perturbation
from fingerprinting.domain import Domain
from fingerprinting.runtime import UserError
from fingerprinting.training import Objective


def cross_entropy(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """labels (N,): class indices, true or the source's."""
    return F.cross_entropy(model(inputs), labels)


def distillation(temperature: float) -> Objective:
    """KL(source || student) at a temperature, times its square (Hinton et al. 2015); targets (N, C) probabilities.

    The source's logits are not needed: p^(1/T), normalised, is the softmax of logits / T.
    """
    if temperature <= 0:
        raise UserError(f"TEMPERATURE={temperature} cannot soften answers; give more than 0, 1 leaves them as they are")
    return partial(_distillation, temperature)


def _distillation(
    temperature: float, model: nn.Module, inputs: torch.Tensor, probabilities: torch.Tensor
) -> torch.Tensor:
    teacher = torch.log_softmax(probabilities.clamp_min(1e-12).log() / temperature, dim=1)
    student = torch.log_softmax(model(inputs) / temperature, dim=1)
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def adversarial(domain: Domain, epsilon: float, steps: int) -> Objective:
    """Mean cross-entropy of clean inputs and of their PGD perturbations (Madry et al. 2018, with the clean half)."""
    return partial(_adversarial, domain, epsilon, steps)


def _adversarial(
    domain: Domain, epsilon: float, steps: int, model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    start, forward = domain.continuous(model, inputs)
    added = perturbation(model, forward, start, labels, epsilon, steps, domain.input_range)
    return F.cross_entropy(forward(torch.cat([start, start + added])), torch.cat([labels, labels]))
