"""AnaFP: the boundary, and both bounds of the stretch factor against loops over one example and model at a time."""

import pytest
import torch

from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints.queries import anafp
from tests.fingerprints.queries.linear import BOUNDS, EVERYWHERE, images, linear_model

FACTORS = torch.tensor([1.5, 2.0, 3.0])
CONSTANTS = dict(candidates=2.0, steps=20, learning_rate=0.02, weight=1.0, grid=4, largest=3.0, robust=0.5, unique=0.5)


def stretched(start: torch.Tensor, way: torch.Tensor) -> torch.Tensor:
    return start + FACTORS.view(-1, 1, 1, 1, 1) * way


def margin_by_hand(logits: torch.Tensor, label: int) -> float:
    return float(logits[label] - max(logits[other] for other in range(len(logits)) if other != label))


def test_points_on_the_boundary_are_in_another_class_and_a_step_back_is_not():
    model, start = linear_model(scale=1.0), images(20)
    found = anafp.to_boundary(model, start, EVERYWHERE, 200, 0.02, 5.0, BOUNDS)
    left = model(start).argmax(1)
    over = model(found).argmax(1) != left
    assert over.sum() > 15
    back = start + 0.99 * (found - start)
    assert torch.equal(model(back).argmax(1)[over], left[over])
    top = model(found).topk(2).values
    assert (top[:, 0] - top[:, 1])[over].max() < 1e-3
    assert found.min() >= 0 and found.max() <= 1


def test_in_a_linear_model_the_boundary_is_about_as_near_as_it_can_be():
    model, start = linear_model(scale=1.0), 0.5 + 0.1 * (images(20) - 0.5)
    length = (anafp.to_boundary(model, start, EVERYWHERE, 300, 0.01, 5.0, (-9.0, 9.0)) - start).flatten(1).norm(dim=1)
    logits, weight = model(start), model[1].weight
    for row, found in zip(logits, length, strict=True):
        top = int(row.argmax())
        exact = min(float((row[top] - row[k]) / (weight[top] - weight[k]).norm()) for k in range(3) if k != top)
        assert exact - 1e-4 <= float(found) < 1.2 * exact + 1e-3


def test_the_lower_bound_against_a_loop():
    source, stolen = linear_model(scale=1.0), [linear_model(seed=seed, scale=1.0) for seed in (1, 2, 3)]
    start = images(8)
    way = anafp.to_boundary(source, start, EVERYWHERE, 200, 0.02, 5.0, BOUNDS) - start
    found = anafp.lower_bounds(source, stolen, start + way, stretched(start, way), FACTORS, way, 0.5)
    for row, factor in enumerate(FACTORS.tolist()):
        for number in range(len(start)):
            point = start[number] + factor * way[number]
            said, begun = source(point[None])[0], source((start + way)[number][None])[0]
            label, length = int(said.argmax()), float(way[number].norm())
            off = sorted(float((model(point[None])[0] - said).abs().max()) for model in stolen)[
                1
            ]  # the median of three
            slope = (margin_by_hand(said, label) - margin_by_hand(begun, label)) / ((factor - 1) * length)
            assert float(found[row, number]) == pytest.approx(1 + 2 * off / (slope * length), rel=1e-3)


def test_at_the_lower_bound_the_margin_is_twice_what_a_stolen_model_is_off():
    """The bound's meaning: beyond it, no model that is off by so much has another label."""
    source, start = linear_model(scale=1.0), images(8)
    way = anafp.to_boundary(source, start, EVERYWHERE, 200, 0.02, 5.0, BOUNDS) - start
    stolen = linear_model(scale=1.0)
    stolen[1].bias.data += torch.tensor([0.02, -0.02, 0.0])
    points = stretched(start, way)
    lower = anafp.lower_bounds(source, [stolen], start + way, points, FACTORS, way, 1.0)
    beyond = lower < FACTORS[:, None]
    assert beyond.any()
    same = source(points.flatten(0, 1)).argmax(1) == stolen(points.flatten(0, 1)).argmax(1)
    assert same.view(beyond.shape)[beyond].all()


def test_the_upper_bound_against_a_loop_and_below_it_an_independent_model_stays():
    source, others = linear_model(scale=1.0), [linear_model(seed=seed, scale=1.0) for seed in (4, 5, 6)]
    start = images(8)
    way = anafp.to_boundary(source, start, EVERYWHERE, 200, 0.02, 5.0, BOUNDS) - start
    points = stretched(start, way)
    found = anafp.upper_bounds(source, others, start, points, FACTORS, way, 0.5)
    one_by_one = []
    for number in range(len(start)):
        label, length = int(source(start[number][None])[0].argmax()), float(way[number].norm())
        bounds = []
        for model in others:
            begun = margin_by_hand(model(start[number][None])[0], label)
            slopes = [
                abs(margin_by_hand(model(points[row, number][None])[0], label) - begun) / (factor * length)
                for row, factor in enumerate(FACTORS.tolist())
            ]
            bounds.append(max(begun, 0) / (max(slopes) * length))
            for row, factor in enumerate(FACTORS.tolist()):
                if factor < bounds[-1]:
                    assert int(model(points[row, number][None])[0].argmax()) == label
        one_by_one.append(sorted(bounds)[1])
    assert found.tolist() == pytest.approx(one_by_one, rel=1e-3)


def test_queries_are_in_range_and_all_reference_models_were_asked(owner):
    own = owner("anafp")
    queries = anafp.anafp(own, 10, **CONSTANTS)
    assert queries.inputs.shape == (10, 1, 8, 8) and queries.inputs.min() >= 0 and queries.inputs.max() <= 1
    assert {model.role for model in (found.kind for found in own.used.values())} == {"pirated", "independent"}
    assert 0 <= queries.notes["between_bounds"] <= 10 and 1 < queries.notes["stretch"] <= 3


def test_quantiles_outside_0_to_1_are_refused(owner):
    with pytest.raises(UserError, match=r"ANAFP_ROBUST=2\.0 and ANAFP_UNIQUE=0\.5 are quantiles; give 0 to 1"):
        anafp.anafp(owner("anafp"), 10, **CONSTANTS | {"robust": 2.0})
