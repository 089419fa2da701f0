"""CAE: conferrability and the loss of the ensemble against numpy."""

import numpy as np
import pytest
import torch
from torch import nn

from fingerprinting.fingerprints.queries.cae import Ensemble, cae, confer, conferrability, conferrable_classes
from tests.fingerprints.queries.perceptrons import BOUNDS, CONSTANTS, each, images, network, relative


def test_conferrability_by_hand():
    class Says(nn.Module):
        def __init__(self, labels):
            super().__init__()
            self.labels = torch.tensor(labels)

        def forward(self, inputs):
            return nn.functional.one_hot(self.labels, 3).double() * 9

    surrogates, independents = [Says([0, 1, 2]), Says([0, 1, 0])], [Says([1, 1, 0]), Says([1, 0, 0])]
    inputs, targets = torch.zeros(3, 1), torch.tensor([0, 1, 2])
    assert conferrability(surrogates, independents, inputs, targets).tolist() == [1.0, 0.5, 0.5]
    own = torch.tensor([1, 0, 0])
    assert conferrable_classes(surrogates, independents, inputs, own).tolist() == [0, 1, 2]
    assert (conferrable_classes(surrogates, independents, inputs, targets) != targets).all()


def ensemble(dropout: float = 0.0, sampled: int = 9) -> Ensemble:
    source = network(0)
    surrogates, independents = [relative(source, seed, 0.1) for seed in (7, 8)], [network(9), network(10)]
    return Ensemble(source, surrogates, independents, sampled, dropout, torch.Generator().manual_seed(0))


def test_the_ensembles_loss_against_numpy():
    made, inputs = ensemble(), images(4)
    targets = torch.tensor([0, 1, 2, 3])

    def of_target(model):
        logits = model(inputs).numpy()
        return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True))[range(4), targets]

    surrogate, independent = (
        np.mean([of_target(model) for model in models], 0) for models in (made.surrogates, made.independents)
    )
    expected = -np.log(surrogate * (1 - independent)) - np.log(of_target(made.source))
    np.testing.assert_allclose(made.losses(inputs, targets).numpy(), expected, rtol=1e-10)


def test_cae_draws_models_and_drops_logits_anew():
    inputs, targets = images(4), torch.tensor([0, 1, 2, 3])
    for made in (ensemble(dropout=0.3), ensemble(sampled=1)):
        values = {made.losses(inputs, targets).sum().item() for _ in range(8)}
        assert len(values) > 1
    assert len({ensemble().losses(inputs, targets).sum().item() for _ in range(8)}) == 1


def test_cae_batch_equals_one_at_a_time():
    made, inputs = ensemble(), images()
    targets = conferrable_classes(made.surrogates, made.independents, inputs, made.source(inputs).argmax(1))
    together = confer(made, inputs, targets, 15, 0.02, 0.1, BOUNDS)
    alone = each(lambda sample, target: confer(made, sample, target, 15, 0.02, 0.1, BOUNDS), inputs, targets)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-8)  # the mean over models is summed in any order


@pytest.mark.parametrize("epsilon", [0.02, 0.3])
def test_cae_stays_within_epsilon_and_the_range_and_grows_conferrable(epsilon):
    made, inputs = ensemble(), images().round(decimals=1)
    targets = conferrable_classes(made.surrogates, made.independents, inputs, made.source(inputs).argmax(1))
    moved = confer(made, inputs, targets, 30, epsilon / 5, epsilon, BOUNDS)
    assert moved.min() >= 0 and moved.max() <= 1
    assert 0.9 * epsilon < (moved - inputs).abs().max() <= epsilon + 1e-12
    before, after = (made.losses(place, targets) for place in (inputs, moved))
    assert (after < before).all()
    if epsilon == 0.3:
        merit = [conferrability(made.surrogates, made.independents, place, targets) for place in (inputs, moved)]
        assert merit[1].mean() > merit[0].mean() + 0.3


def test_cae_keeps_what_the_source_responses_as_meant_then_the_most_conferrable(owner):
    used = owner("cae")
    used.astray = 0.8
    models = [[used.opened(model) for model in used.references(role)] for role in ("pirated", "independent")]
    for steps, mixed in ((15, False), (4, True)):
        queries = cae(used, 40, **CONSTANTS["cae"] | dict(steps=steps))
        meant = used.source(queries.inputs).argmax(1) == queries.truth
        conferred = conferrability(*models, queries.inputs, queries.truth)
        assert meant.any() and meant.all() != mixed and (meant.int().diff() <= 0).all()
        assert (conferred[meant].diff() <= 0).all() and (conferred[~meant].diff() <= 0).all()
