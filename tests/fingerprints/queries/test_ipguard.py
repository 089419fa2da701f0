"""IPGuard: the loss by hand, and a batch against one sample at a time."""

import pytest
import torch

from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints.queries.ipguard import TARGETS, boundary_loss, ipguard, to_boundary
from tests.fingerprints.queries.perceptrons import BOUNDS, CONSTANTS, each, images, network, top_two


def test_boundary_loss_by_hand():
    logits = torch.tensor([[3.0, 1.0, 2.0], [1.0, 3.0, 0.0], [2.0, 2.5, 4.0]])
    i, j = torch.zeros(3, dtype=torch.long), torch.ones(3, dtype=torch.long)
    # relu(3 - 1 + .5) + relu(2 - 3), relu(1 - 3 + .5) + relu(0 - 1), relu(2 - 2.5 + .5) + relu(4 - 2)
    assert boundary_loss(logits, i, j, 0.5).tolist() == [2.5, 0.0, 2.0]


def test_boundary_loss_of_two_classes_has_no_others():
    logits = torch.tensor([[2.0, 1.0]], requires_grad=True)
    loss = boundary_loss(logits, torch.tensor([0]), torch.tensor([1]), 0.5)
    assert loss.tolist() == [1.5]
    assert torch.autograd.grad(loss, logits)[0].tolist() == [[1.0, -1.0]]


def test_ipguard_stops_just_behind_the_boundary():
    model, inputs = network(0), images()
    i, j = top_two(model, inputs)
    moved = to_boundary(model, inputs, i, j, 200, 0.003, 0.2, BOUNDS)
    reached = boundary_loss(model(moved), i, j, 0.2) == 0
    assert reached.sum() >= 10
    assert torch.equal(model(moved).argmax(1)[reached], j[reached])
    values = model(moved).topk(2).values[reached]
    assert (values[:, 0] - values[:, 1] >= 0.2).all() and (values[:, 0] - values[:, 1] < 0.5).all()
    assert torch.equal(to_boundary(model, inputs, i, j, 400, 0.003, 0.2, BOUNDS)[reached], moved[reached])


def test_ipguard_batch_equals_one_at_a_time():
    model, inputs = network(0), images()
    i, j = top_two(model, inputs)
    for steps in (1, 20, 200):

        def alone(sample, top, runner_up, steps=steps):
            return to_boundary(model, sample, top, runner_up, steps, 0.01, 0.2, BOUNDS)

        together = to_boundary(model, inputs, i, j, steps, 0.01, 0.2, BOUNDS)
        assert not torch.equal(together, inputs)
        torch.testing.assert_close(together, each(alone, inputs, i, j), rtol=0, atol=1e-10)


def test_ipguard_goes_from_the_sources_class_to_its_runner_up(owner):
    used = owner("ipguard")
    queries = ipguard(used, 20, **CONSTANTS["ipguard"])
    chosen = used.drawn(20)
    i, j = used.source_logits[chosen].topk(2).indices.unbind(1)
    assert torch.equal(queries.truth, i)
    assert (used.source(queries.inputs).argmax(1) == j).double().mean() > 0.8


def test_the_three_targets_by_hand():
    logits = torch.tensor([[3.0, 1.0, 2.0, 0.0], [0.0, 1.0, 5.0, 2.0]]).repeat(200, 1)
    found = {name: target(logits, torch.Generator().manual_seed(0)) for name, target in TARGETS.items()}
    assert found["runner_up"].tolist() == [2, 3] * 200
    assert found["least_likely"].tolist() == [3, 0] * 200
    own = logits.argmax(1)
    assert (found["random"] != own).all()
    for label in (0, 2):
        counts = found["random"][own == label].bincount(minlength=4)
        assert counts[label] == 0 and counts.sum() == 200 and (counts[counts > 0] > 40).all()


@pytest.mark.parametrize("target", ["least_likely", "random"])
def test_ipguard_goes_to_the_target_that_is_asked_for(owner, target):
    used = owner("ipguard")
    queries = ipguard(used, 20, **CONSTANTS["ipguard"] | dict(target=target, steps=200))
    logits = used.source_logits[used.drawn(20)]
    aim = TARGETS[target](logits, used.generator("targets"))
    assert torch.equal(queries.truth, logits.argmax(1))
    assert (used.source(queries.inputs).argmax(1) == aim).double().mean() > 0.8


def test_another_target_is_refused(owner):
    with pytest.raises(UserError, match="IPGUARD_TARGET=nearest is unknown; take one of runner_up, least_likely, rand"):
        ipguard(owner("ipguard"), 20, **CONSTANTS["ipguard"] | dict(target="nearest"))
