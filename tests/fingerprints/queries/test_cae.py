"""CAE: the published loss and conferrability against numpy, what is kept, and what the record says of it."""

import numpy as np
import pytest
import torch

from fingerprinting.fingerprints.queries.cae import FILTER, Ensemble, cae, confer
from tests.fingerprints.queries.perceptrons import BOUNDS, CONSTANTS, each, images, network, relative


def ensemble(dropout: float = 0.0) -> Ensemble:
    source = network(0)
    surrogates, independents = [relative(source, seed, 0.1) for seed in (7, 8)], [network(9), network(10)]
    return Ensemble(source, surrogates, independents, dropout, torch.Generator().manual_seed(0))


def probabilities(model, inputs) -> np.ndarray:
    logits = model(inputs).numpy()
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def mean_of(models, inputs) -> np.ndarray:
    return np.mean([probabilities(model, inputs) for model in models], 0)


def published(made: Ensemble, inputs, before: np.ndarray) -> np.ndarray:
    """Lukas et al.'s three terms, each of weight 1 as in the paper, one input after another."""
    own, surrogate, independent = (
        mean_of(models, inputs) for models in ([made.source], made.surrogates, made.independents)
    )
    found = []
    for at_start, f, surr, ref in zip(before, own, surrogate, independent, strict=True):
        conferred = max(surr[t] * (1 - ref[t]) for t in range(len(f)))
        leaves = sum(-at_start[t] * np.log(f[t]) for t in range(len(f)))
        agrees = sum(-f[t] * np.log(surr[t]) for t in range(len(f)))
        found.append(-np.log(conferred) - leaves + agrees)
    return np.array(found)


def test_the_loss_is_the_published_one():
    made, start = ensemble(), images(4)
    inputs = (start + 0.1).clamp(*BOUNDS)
    before = probabilities(made.source, start)
    found = made.losses(inputs, torch.from_numpy(before))
    np.testing.assert_allclose(found.numpy(), published(made, inputs, before), rtol=1e-10)


def test_conferrability_against_numpy():
    made, inputs = ensemble(dropout=0.9), images(4)
    expected = mean_of(made.surrogates, inputs) * (1 - mean_of(made.independents, inputs))
    np.testing.assert_allclose(made.conferrability(inputs).numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("dropout", [0.0, 0.3, 0.9, 1.0])
def test_models_are_left_out_by_chance_and_never_all(dropout):
    made, models = ensemble(dropout), list(range(40))
    drawn = [made._drawn(models) for _ in range(200)]
    assert all(drawn)
    share = np.mean([len(found) for found in drawn]) / 40
    assert share == pytest.approx(max(1 - dropout, 1 / 40), abs=0.03)
    assert all(found == sorted(found) for found in drawn)


def test_an_update_draws_which_models_it_asks():
    inputs = images(4)
    before = torch.from_numpy(probabilities(network(0), inputs))
    made = ensemble(dropout=0.5)
    assert len({made.losses(inputs, before).sum().item() for _ in range(12)}) > 1
    assert len({ensemble().losses(inputs, before).sum().item() for _ in range(8)}) == 1


def test_cae_batch_equals_one_at_a_time():
    made, inputs = ensemble(), images()
    together = confer(made, inputs, 15, 0.02, 0.1, BOUNDS)
    alone = each(lambda sample: confer(made, sample, 15, 0.02, 0.1, BOUNDS), inputs)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-8)  # the mean over models is summed in any order


@pytest.mark.parametrize("epsilon", [0.02, 0.3])
def test_cae_stays_within_epsilon_and_the_range_and_grows_conferrable(epsilon):
    made, inputs = ensemble(), images().round(decimals=1)
    moved = confer(made, inputs, 30, epsilon / 5, epsilon, BOUNDS)
    assert moved.min() >= 0 and moved.max() <= 1
    assert 0.9 * epsilon < (moved - inputs).abs().max() <= epsilon + 1e-12
    before = torch.from_numpy(probabilities(made.source, inputs))
    assert (made.losses(moved, before) < made.losses(inputs, before)).all()
    conferred = [made.conferrability(place).amax(1).mean() for place in (inputs, moved)]
    assert conferred[1] > conferred[0]


def test_cae_keeps_what_leaves_the_sources_class_then_the_most_conferrable(owner, capsys):
    used = owner("cae")
    used.astray = 0.8
    queries = cae(used, 40, **CONSTANTS["cae"])
    chosen = used.drawn(60)
    own = dict(zip(chosen.tolist(), used.source_logits[chosen].argmax(1).tolist(), strict=True))
    models = ([used.opened(model) for model in used.references(role)] for role in ("pirated", "independent"))
    conferred = Ensemble(used.source, *models, 0.0, torch.Generator()).conferrability(queries.inputs).amax(1)
    starts = [nearest(used, chosen, moved) for moved in queries.inputs]
    left = used.source(queries.inputs).argmax(1) != torch.tensor([own[start] for start in starts])
    assert left.any() and not left.all() and (left.int().diff() <= 0).all()
    assert (conferred[left].diff() <= 1e-6).all() and (conferred[~left].diff() <= 1e-6).all()
    assert queries.truth.tolist() == used.part.targets[starts].tolist()
    passed, notes = int((left & (conferred >= FILTER)).sum()), queries.notes
    assert notes["conferrability"] == pytest.approx(conferred.mean().item(), rel=1e-5)
    assert (notes["passed_filter"], notes["moved"], notes["adversarial"]) == (passed, 60, int(left.sum()))
    assert f"{passed} of 60 points pass the published filter of 0.95" in capsys.readouterr().out


def nearest(used, chosen: torch.Tensor, moved: torch.Tensor) -> int:
    away = (used.inputs(chosen) - moved).abs().flatten(1).amax(1)
    return chosen[away.argmin()].item()
