"""MetaFinger: its objective against scipy and finite differences, its anchors and inputs."""

import numpy as np
import torch
from scipy.special import rel_entr, softmax
from torch import nn

from fingerprinting.fingerprints.queries import metafinger
from tests.fingerprints.queries.linear import BOUNDS, EVERYWHERE, generator, images, linear_model


def logits_of(*shape: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(*shape, generator=generator(seed), dtype=torch.double)


def test_metafingers_objective_equals_scipys_relative_entropy():
    anchor, positive, negative = logits_of(6, 4), logits_of(3, 6, 4, seed=1), logits_of(2, 6, 4, seed=2)

    def kl(of: torch.Tensor) -> np.ndarray:
        return rel_entr(softmax(of.numpy(), -1), softmax(anchor.numpy(), -1)).sum(-1).mean(0)

    found = metafinger.objective(anchor, positive, negative, 0.7)
    np.testing.assert_allclose(found.numpy(), kl(positive) - 0.7 * kl(negative), atol=1e-12)


def test_metafingers_gradient_equals_finite_differences():
    anchor, positive, negative = (
        logits_of(*shape, seed=9).requires_grad_(True) for shape in ((2, 3), (2, 2, 3), (1, 2, 3))
    )
    assert torch.autograd.gradcheck(lambda *logits: metafinger.objective(*logits, 1.0), (anchor, positive, negative))


def toy_pool() -> tuple[nn.Module, list[nn.Module], list[nn.Module]]:
    """A source, copies of it with slightly other weights, and others."""
    source, pirated = linear_model(), []
    for seed in range(3):
        copy = linear_model()
        copy[1].weight += 0.3 * torch.randn(3, 16, generator=generator(50 + seed))
        pirated.append(copy)
    return source, pirated, [linear_model(seed=100 + seed) for seed in range(3)]


def test_metafingers_inputs_make_its_objective_fall_and_stay_in_range():
    source, pirated, independent = toy_pool()
    start = images(30)
    found = metafinger.optimised(
        pirated, pirated, independent, start, EVERYWHERE, BOUNDS, 90, 0.03, 1.0, 2, 0.05, generator()
    )

    def value(inputs: torch.Tensor) -> float:
        responses = [torch.stack([model(inputs) for model in models]) for models in (pirated, independent)]
        return metafinger.objective(source(inputs), *responses, 1.0).mean().item()

    assert value(found) < value(start) - 1
    assert found.min() >= 0 and found.max() <= 1
    agreed = [
        torch.stack([model(found).argmax(1) == source(found).argmax(1) for model in models]).double().mean().item()
        for models in (pirated, independent)
    ]
    assert agreed[0] > 0.9 and agreed[1] < 0.4


def test_every_stolen_model_is_the_anchor_once_before_one_is_again(monkeypatch):
    _, pirated, independent = toy_pool()
    anchors, objective = [], metafinger.objective

    def watched(anchor, positive, negative, alpha):
        seen = watched.inputs[-1]
        anchors.append([index for index, model in enumerate(pirated) if torch.equal(model(seen), anchor)][0])
        return objective(anchor, positive, negative, alpha)

    watched.inputs = []
    for model in pirated:
        model.register_forward_pre_hook(lambda _, given: watched.inputs.append(given[0]))
    monkeypatch.setattr(metafinger, "objective", watched)
    metafinger.optimised(
        pirated, pirated, independent, images(4), EVERYWHERE, BOUNDS, 12, 0.03, 1.0, 2, 0.05, generator()
    )
    turns = [anchors[start : start + 3] for start in range(0, 12, 3)]
    assert [sorted(turn) for turn in turns] == [[0, 1, 2]] * 4
    assert len({tuple(turn) for turn in turns}) > 1


def test_metafinger_never_validates_on_what_it_trained_on():
    models = list(range(10))
    assert sorted(metafinger.training_of(models) + metafinger.validating(models)) == models
    assert set(metafinger.training_of(models)) == {0, 1, 3, 4, 6, 7, 9}
