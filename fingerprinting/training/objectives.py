"""Batch losses: what a model is trained towards. Each takes (model, inputs, targets) and returns a scalar."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.core.errors import UserError
from fingerprinting.training.adversarial import perturbation
from fingerprinting.training.trainer import Objective


def cross_entropy(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """labels (N,): class indices, true or the source's."""
    return F.cross_entropy(model(inputs), labels)


def distillation(temperature: float) -> Objective:
    """KL(source || student) at a temperature, times its square (Hinton et al. 2015); targets (N, C) probabilities.

    The source's logits are not needed: p^(1/T), normalised, is the softmax of logits / T.
    """
    if temperature <= 0:
        raise UserError(
            f"TEMPERATURE={temperature} cannot soften responses; give more than 0, 1 leaves them as they are"
        )
    return partial(_distillation, temperature)


def _distillation(
    temperature: float, model: nn.Module, inputs: torch.Tensor, probabilities: torch.Tensor
) -> torch.Tensor:
    teacher = torch.log_softmax(probabilities.clamp_min(1e-12).log() / temperature, dim=1)
    student = torch.log_softmax(model(inputs) / temperature, dim=1)
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def removal(stolen: nn.Module, head: str, feature_weight: float, ranking_weight: float) -> Objective:
    """Keeps the labels and leaves the stolen model otherwise (the aim of RemovalNet, Yao et al. 2023).

    Cross-entropy, plus the mean cosines between both models' features before the head, and between their logits of the
    classes other than the label, each centred: how the stolen model ranks what it does not answer.
    """
    stolen.eval().requires_grad_(False)
    return partial(_removal, stolen, head, feature_weight, ranking_weight)


def _removal(
    stolen: nn.Module,
    head: str,
    feature_weight: float,
    ranking_weight: float,
    model: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
) -> torch.Tensor:
    features, logits = features_and_logits(model, head, inputs)
    stolen_features, stolen_logits = features_and_logits(stolen, head, inputs)
    alike = F.cosine_similarity(features, stolen_features).mean()
    ranked_alike = F.cosine_similarity(_others(logits, labels), _others(stolen_logits, labels)).mean()
    return F.cross_entropy(logits, labels) + feature_weight * alike + ranking_weight * ranked_alike


def features_and_logits(model: nn.Module, head: str, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What goes into the layer called `head` (N, features), and the model's logits (N, C)."""
    seen: list[torch.Tensor] = []
    hook = model.get_submodule(head).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        logits = model(inputs)
    finally:
        hook.remove()
    return seen[0], logits


def _others(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logits (N, C - 1) of the classes that are not the label, each row centred: all 0 where there are two classes."""
    kept = torch.ones_like(logits, dtype=torch.bool).scatter(1, labels[:, None], False)
    others = logits[kept].view(len(logits), -1)
    return others - others.mean(1, keepdim=True)


def adversarial(continuous: Callable, bounds: tuple[float, float] | None, epsilon: float, steps: int) -> Objective:
    """Mean cross-entropy of clean inputs and of their PGD perturbations (Madry et al. 2018, with the clean half).

    continuous(model, inputs) -> (start, forward): where a perturbation is added, kept inside `bounds`, and the logits
    from there.
    """
    return partial(_adversarial, continuous, bounds, epsilon, steps)


def _adversarial(
    continuous: Callable,
    bounds: tuple[float, float] | None,
    epsilon: float,
    steps: int,
    model: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
) -> torch.Tensor:
    start, forward = continuous(model, inputs)
    added = perturbation(model, forward, start, labels, epsilon, steps, bounds)
    return F.cross_entropy(forward(torch.cat([start, start + added])), torch.cat([labels, labels]))
