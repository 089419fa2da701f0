"""FUAP: the universal perturbation, its anchors and the contrastive loss, against loops."""

import numpy as np
import pytest
import torch

from fingerprinting.fingerprints.distances import cosine
from fingerprinting.fingerprints.owner import Owner
from fingerprinting.fingerprints.queries import fuap
from fingerprinting.fingerprints.representations import perceptron
from tests.fingerprints.queries.linear import BOUNDS, EVERYWHERE, generator, images, linear_model


@pytest.mark.parametrize("xi", [0.05, 0.15])
def test_the_universal_perturbation_stays_in_its_ball_and_fools_more_than_random_noise(xi):
    model, inputs = linear_model(), images(200)
    found = fuap.universal(model, inputs, EVERYWHERE, BOUNDS, xi, 1.0, 20, 2)
    labels = model(inputs).argmax(1)

    def fooled(perturbation: torch.Tensor) -> float:
        return (model((inputs + perturbation).clamp(*BOUNDS)).argmax(1) != labels).double().mean().item()

    assert found.shape == (1, 1, 4, 4)
    assert 0 < found.abs().max() <= xi + 1e-7
    random = [fooled(xi * torch.randn(1, 1, 4, 4, generator=generator(seed)).sign()) for seed in range(20)]
    assert fooled(found) > max(random)


def test_the_universal_perturbation_leaves_alone_what_may_not_move():
    movable = EVERYWHERE.expand(1, 1, 4, 4).clone()
    movable[..., 2:] = False
    found = fuap.universal(linear_model(), images(), movable, BOUNDS, 0.1, 1.0, 10, 2)
    assert (found[..., 2:] == 0).all() and (found[..., :2] != 0).any()


def test_a_deepfool_step_of_a_linear_model_goes_just_over_the_nearest_boundary():
    model, inputs = linear_model(classes=4), images()
    step, labels = fuap.deepfool_step(model, inputs, None, 3)
    weight, logits = model[1].weight.double().numpy(), model(inputs).double().numpy()
    for index, label in enumerate(logits.argmax(1)):
        away = [
            (logits[index, label] - logits[index, other]) / np.linalg.norm(weight[other] - weight[label])
            for other in range(4)
            if other != label
        ]
        assert labels[index] == label
        assert step[index].norm().item() == pytest.approx((1 + fuap.OVERSHOOT) * min(away), rel=1e-3)
    assert (model(inputs + step).argmax(1) != labels).all()
    assert (model(inputs + 0.97 * step).argmax(1) == labels).all()


def test_a_channel_without_a_signal_is_not_movable():
    class Recordings:
        part = type("Part", (), {"inputs": torch.zeros(5, 3, 7)})

    Recordings.part.inputs[2, 1, 4] = -0.5
    assert Owner.recorded.func(Recordings).flatten().tolist() == [False, True, False]


def test_anchors_are_the_members_nearest_to_their_clusters_centre():
    centres = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 9.0]])
    offsets = torch.tensor([[0.0, 0.1], [1.0, 0.0], [-1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
    outputs = (centres[:, None] + offsets).flatten(0, 1)
    cluster, anchors = fuap.clustered(outputs, 3, generator())
    assert sorted(anchors.tolist()) == [0, 5, 10]
    assert all(len(cluster[start : start + 5].unique()) == 1 for start in (0, 5, 10))


def test_equal_outputs_make_fewer_clusters_not_empty_ones():
    _, anchors = fuap.clustered(torch.eye(2).repeat(10, 1), 5, generator())
    assert len(anchors) == 2


def contrastive_by_loops(codes: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    codes = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    total = 0.0
    for i in range(len(codes)):
        others = [a for a in range(len(codes)) if a != i]
        normal = sum(np.exp(codes[i] @ codes[a] / temperature) for a in others)
        positive = [p for p in others if labels[p] == labels[i]]
        total -= np.mean([np.log(np.exp(codes[i] @ codes[p] / temperature) / normal) for p in positive])
    return total / len(codes)


@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_the_contrastive_loss_equals_a_loop(temperature):
    codes = torch.randn(9, 4, generator=generator(), dtype=torch.double)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 1, 0, 1]).bool()
    found = fuap.supervised_contrastive(codes, labels, temperature)
    assert found.item() == pytest.approx(contrastive_by_loops(codes.numpy(), labels.numpy(), temperature))


def test_the_encoder_learns_to_tell_the_roles_apart():
    stolen = torch.arange(20) < 10
    representations = torch.randn(20, 12, generator=generator()) + 1.5 * stolen[:, None]
    start = fuap.initial_perceptron((12, 8, 3), generator(1))
    trained = fuap.trained_encoder(representations, stolen, start, 0.1, 100, 1e-2)
    before, after = (fuap.supervised_contrastive(perceptron(representations, w), stolen, 0.1) for w in (start, trained))
    assert after < 0.8 * before
    reference = perceptron(representations[0], trained)
    far = [cosine(perceptron(representation, trained), reference) for representation in representations]
    assert max(far[:10]) < min(far[10:])


def test_the_cosine_distance_by_hand():
    assert cosine(torch.tensor([3.0, 0.0]), torch.tensor([1.0, 0.0])) == 0
    assert cosine(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0])) == pytest.approx(1 - 2**-0.5)
    assert cosine(torch.tensor([-2.0, 0.0]), torch.tensor([1.0, 0.0])) == pytest.approx(2)


def test_one_step_of_the_universal_perturbation_is_a_step():
    model, inputs = linear_model(), images(200)
    found = fuap.universal(model, inputs, EVERYWHERE, BOUNDS, 0.1, 1.0, 1, 2)
    step, _ = fuap.deepfool_step(model, inputs, None, 2)
    torch.testing.assert_close(found, step.sum(0, keepdim=True).clamp(-0.1, 0.1))
