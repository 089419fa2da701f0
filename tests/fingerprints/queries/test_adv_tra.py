"""ADV-TRA: tours through the classes and the steps of a trajectory."""

import pytest
import torch
from torch import nn

from fingerprinting.fingerprints import owner as owners
from fingerprinting.fingerprints.owner import UnsuitedError
from fingerprinting.fingerprints.queries.adv_tra import adv_tra, crossing_scale, tours, trajectories, walk
from fingerprinting.fingerprints.representations import trajectories_kept
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.methods import METHODS
from tests.fingerprints.queries.perceptrons import BOUNDS, CONSTANTS, SHAPE, images, network, top_two


@pytest.mark.parametrize("length", [4, 5, 6])
def test_adv_tra_takes_as_many_steps_to_a_class_as_asked(owner, length):
    queries = adv_tra(owner("adv_tra"), 40, **CONSTANTS["adv_tra"] | dict(length=length))
    assert len(queries.inputs) == len(queries.truth)
    assert len(queries.inputs) % (3 * length + 1) == 0


def test_tours_pass_every_class_once_and_never_the_own():
    labels = torch.arange(200) % 5
    found = tours(labels, 5, 3, torch.Generator().manual_seed(0))
    assert found.shape == (200, 3)
    for label, tour in zip(labels.tolist(), found.tolist(), strict=True):
        assert len({label, *tour}) == 4
    assert len({tuple(tour) for tour in found.tolist()}) > 20
    assert tours(torch.tensor([0, 1]), 2, 1, torch.Generator()).tolist() == [[1], [0]]


def trajectory_of(model: nn.Module, inputs: torch.Tensor, tour: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return trajectories(model, inputs, tour, 6, 0.02, 0.9, 25, BOUNDS)


def test_a_trajectory_passes_its_classes_and_crosses_in_the_middle_of_each_way():
    model, inputs = network(0), images()
    tour = tours(model(inputs).argmax(1), 5, 2, torch.Generator().manual_seed(0))
    points, stable = trajectory_of(model, inputs, tour)
    assert points.shape == (12, 13, *SHAPE) and torch.equal(points[:, 0], inputs)
    assert points.min() >= 0 and points.max() <= 1
    assert stable.sum() >= 8
    labels = model(points.flatten(0, 1)).argmax(1).view(12, 13)[stable]
    for hop, target in enumerate(tour[stable].T):
        way = labels[:, 6 * hop + 1 : 6 * hop + 7] == target[:, None]
        assert not way[:, :2].any() and way[:, 2].all()


def test_steps_shrink_towards_a_boundary_and_grow_behind_it():
    model, inputs = network(0), images() * 0.2 + 0.4
    tour = tours(model(inputs).argmax(1), 5, 1, torch.Generator().manual_seed(0))
    points, _ = trajectory_of(model, inputs, tour)
    sizes = points.diff(dim=1).abs().flatten(2).amax(2)
    ratios = sizes / sizes[:, :1]
    expected = torch.tensor([1, 0.9, 0.81, 0.81, 0.9, 1], dtype=torch.double)
    inside = ((points > 0) & (points < 1)).flatten(1).all(1)
    assert inside.any()
    torch.testing.assert_close(ratios[inside], expected.expand(int(inside.sum()), -1))


def test_adv_tra_batch_equals_one_at_a_time():
    model, inputs = network(0), images()
    tour = tours(model(inputs).argmax(1), 5, 2, torch.Generator().manual_seed(0))
    points, stable = trajectory_of(model, inputs, tour)
    alone = [trajectory_of(model, inputs[row : row + 1], tour[row : row + 1]) for row in range(12)]
    torch.testing.assert_close(points, torch.cat([found for found, _ in alone]), rtol=0, atol=1e-10)
    assert torch.equal(stable, torch.cat([found for _, found in alone]))


def test_a_scale_that_suits_at_once_is_kept():
    model, inputs = network(0), images()
    targets = top_two(model, inputs)[1]
    pattern = torch.tensor([1.0, 0.9], dtype=torch.double)
    scale, found = crossing_scale(model, inputs, targets, pattern, 0.02, 25, BOUNDS)
    for row in found.nonzero().flatten().tolist():
        one = inputs[row : row + 1], targets[row : row + 1]
        again, kept = crossing_scale(model, *one, pattern, scale[row].item(), 1, BOUNDS)
        assert kept.all() and again.item() == scale[row].item()
        before, behind = walk(model, *one, scale[row] * pattern[None], BOUNDS)
        assert model(before).argmax(1) != one[1] and model(behind).argmax(1) == one[1]


def test_adv_tra_holds_whole_trajectories_of_the_budget(owner):
    used = owner("adv_tra")
    queries = adv_tra(used, 27, **CONSTANTS["adv_tra"])
    assert len(queries.inputs) == 26  # two of 1 + 3 * 4 points
    labels = queries.truth.view(2, 13)
    assert [len(set(row)) for row in labels.tolist()] == [4, 4]
    answered = used.source(queries.inputs).argmax(1).view(2, 13)
    assert torch.equal(answered[:, [0, 2, 6, 10]], labels[:, [0, 2, 6, 10]])


def test_a_source_that_responses_one_class_only_has_no_trajectories(owner):
    used = owner("adv_tra")
    with torch.no_grad():
        used.source[3].bias[0] = 1e6
    used.source_logits = used.source(owners.physical(used.part.inputs))
    with pytest.raises(UnsuitedError, match="no trajectory"):
        adv_tra(used, 20, **CONSTANTS["adv_tra"])


def released_rate(labels: list[list[int]], recorded: list[list[int]]) -> float:
    """The share of trajectories that the released code takes for the source's: by their share of mutated labels."""
    detected = 0
    for found, own in zip(labels, recorded, strict=True):
        mutated = sum(one != other for one, other in zip(found, own, strict=True)) / len(own)
        detected += mutated < 0.5
    return detected / len(recorded)


def test_the_released_decision_counts_the_trajectories_that_are_mostly_kept(owner):
    used = owner("adv_tra")
    queries = adv_tra(used, 80, **CONSTANTS["adv_tra"])
    fingerprint = used.fingerprint(queries)
    points = int(queries.extra["trajectory_points"])
    assert points == 13 and len(fingerprint) % points == 0
    (method,) = (method for method in METHODS if method.representation is trajectories_kept)
    draw = torch.Generator().manual_seed(0)
    recorded, seen = fingerprint.labels.view(-1, points).tolist(), set()
    for share in (0.2, 0.5, 0.7):
        logits = fingerprint.source_logits.clone()
        other = torch.rand(len(logits), generator=draw) < share
        logits[other] = logits[other].roll(1, 1)
        rate = released_rate(logits.argmax(1).view(-1, points).tolist(), recorded)
        assert method.score(logits, fingerprint) == pytest.approx(1 - rate)
        seen.add(rate)
    assert len(seen) > 1
    assert method.score(fingerprint.source_logits, fingerprint) == 0 and method.needs in queries.extra


def test_half_of_the_labels_mutated_is_too_much():
    recorded = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
    logits, extra = torch.eye(4)[recorded], {"trajectory_points": torch.tensor(4)}
    fingerprint = Fingerprint(torch.zeros(8, 1), recorded, recorded, torch.full((8,), -1), logits, {}, extra)
    kept = trajectories_kept(torch.tensor([0, 1, 0, 0, 0, 1, 2, 0]), fingerprint)
    assert kept.tolist() == [False, True]
