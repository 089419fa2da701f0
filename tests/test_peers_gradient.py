"""Peers that move inputs by the source's gradients: objectives by hand, batches against single samples, bounds."""

import numpy as np
import pytest
import torch
from torch import nn

from fingerprinting.fingerprints import owner as owners
from fingerprinting.fingerprints.distances import cosine
from fingerprinting.fingerprints.owner import Owner, UnsuitedError, frozen
from fingerprinting.fingerprints.queries.adv_tra import adv_tra, crossing_scale, tours, trajectories, walk
from fingerprinting.fingerprints.queries.cae import Ensemble, cae, confer, conferrability, conferrable_classes
from fingerprinting.fingerprints.queries.ipguard import boundary_loss, ipguard, to_boundary
from fingerprinting.fingerprints.queries.modeldiff import diverged, modeldiff, score
from fingerprinting.fingerprints.representations import decision_distances
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.methods import METHODS, ROWS
from fingerprinting.models.suspects import Suspect
from fingerprinting.study.study import Study

SHAPE = (1, 8, 8)
BOUNDS = (0.0, 1.0)
CONSTANTS = {
    "ipguard": dict(steps=60, learning_rate=0.02, margin=0.3),
    "cae": dict(candidates=1.5, steps=15, learning_rate=0.02, epsilon=0.15, dropout=0.3, sampled=2),
    "adv_tra": dict(candidates=2, classes=4, length=4, step=0.02, decay=0.9, rounds=20),
    "modeldiff": dict(steps=10, epsilon=0.1),
}


def network(seed: int, classes: int = 5) -> nn.Module:
    draw = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, classes)).double()
    for weights in model.parameters():
        nn.init.normal_(weights, 0, 0.6, generator=draw)
    return frozen(model)


def relative(model: nn.Module, seed: int, distance: float) -> nn.Module:
    """A copy of a network whose weights went astray a little."""
    other = network(0, model[3].out_features)
    with torch.no_grad():
        for own, given, noise in zip(
            other.parameters(), model.parameters(), network(seed, model[3].out_features).parameters(), strict=True
        ):
            own.copy_(given + distance * noise)
    return other


def images(count: int = 12) -> torch.Tensor:
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.double)


def top_two(model: nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return model(inputs).topk(2, dim=1).indices.unbind(1)


def each(make, *parts: torch.Tensor) -> torch.Tensor:
    """What `make` makes of each sample alone, joined."""
    return torch.cat([make(*(part[row : row + 1] for part in parts)) for row in range(len(parts[0]))])


class Own(Owner):
    """An owner of the study's data whose source and reference models are small networks, in single precision."""

    astray = 0.1  # how far the thefts' weights are from the source's

    def __init__(self, study: Study, name: str) -> None:
        super().__init__(study, name)
        self.source = network(0, 10).float()
        self.source_logits = self.source(owners.physical(self.part.inputs))

    def opened(self, reference):
        pirated = reference.kind.role == "pirated"
        return (relative(network(0, 10), 50, self.astray) if pirated else network(99, 10)).float()


@pytest.fixture
def owner(study, monkeypatch):
    """make(name): an owner with two thefts and two independents of its own, who must not look at what is scored."""
    kinds = ("reference_prune", "reference_fine_tune_all", "reference_irrelevant", "reference_homologous")
    about = {"seconds": 2.0, "settings": {"recipe": {"learning_rate": 1e-2}, "options": {}}}
    found = [Suspect(study.model_id(kind, "conv3", 0), about) for kind in kinds]
    monkeypatch.setattr(owners.suspects, "references", lambda _: found)
    monkeypatch.setattr(owners.suspects, "gather", lambda _: pytest.fail("scored models were looked at"))
    return lambda name: Own(study, name)


@pytest.mark.parametrize("name", CONSTANTS)
def test_queries_are_inside_the_range_and_the_same_again(owner, name):
    first, second = (ROWS[name].queries(owner(name), 20, **CONSTANTS[name]) for _ in range(2))
    assert torch.equal(first.inputs, second.inputs) and torch.equal(first.truth, second.truth)
    assert first.inputs.min() >= 0 and first.inputs.max() <= 1
    assert len(first.inputs) == len(first.truth) <= 20
    started = {row.numpy().tobytes() for row in owners.physical(owner(name).part.inputs)}
    assert sum(row.numpy().tobytes() not in started for row in first.inputs) >= 10


@pytest.mark.parametrize("length", [4, 5, 6])
def test_adv_tra_takes_as_many_steps_to_a_class_as_asked(owner, length):
    queries = adv_tra(owner("adv_tra"), 40, **CONSTANTS["adv_tra"] | dict(length=length))
    assert len(queries.inputs) == len(queries.truth)
    assert len(queries.inputs) % (3 * length + 1) == 0


@pytest.mark.parametrize("name", CONSTANTS)
def test_text_suits_none_of_them(name):
    with pytest.raises(UnsuitedError, match="moves inputs as numbers"):
        ROWS[name].queries(Owner(Study("nlp", "thucnews", "smoke"), name), 10, **CONSTANTS[name])


@pytest.mark.parametrize("name", CONSTANTS)
def test_reference_models_are_counted_where_they_are_used(owner, name):
    used = owner(name)
    ROWS[name].queries(used, 10, **CONSTANTS[name])
    assert [model.metadata["seconds"] for model in used.used.values()] == ([2.0] * 4 if name == "cae" else [])
    assert all("/reference_" in model for model in used.used)


@pytest.mark.parametrize("name", CONSTANTS)
def test_each_has_one_row_in_the_table_of_methods(name):
    rows = [method for method in METHODS if method.name == name]
    assert [method.output for method in rows] == (["probabilities"] if name == "modeldiff" else ["labels"])


# IPGuard


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


# CAE


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


def test_cae_keeps_what_the_source_answers_as_meant_then_the_most_conferrable(owner):
    used = owner("cae")
    used.astray = 0.8
    models = [[used.opened(model) for model in used.references(role)] for role in ("pirated", "independent")]
    for steps, mixed in ((15, False), (4, True)):
        queries = cae(used, 40, **CONSTANTS["cae"] | dict(steps=steps))
        meant = used.source(queries.inputs).argmax(1) == queries.truth
        conferred = conferrability(*models, queries.inputs, queries.truth)
        assert meant.any() and meant.all() != mixed and (meant.int().diff() <= 0).all()
        assert (conferred[meant].diff() <= 0).all() and (conferred[~meant].diff() <= 0).all()


# ADV-TRA


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


def test_a_source_that_answers_one_class_only_has_no_trajectories(owner):
    used = owner("adv_tra")
    with torch.no_grad():
        used.source[3].bias[0] = 1e6
    used.source_logits = used.source(owners.physical(used.part.inputs))
    with pytest.raises(UnsuitedError, match="no trajectory"):
        adv_tra(used, 20, **CONSTANTS["adv_tra"])


# ModelDiff


def distances_by_hand(logits: np.ndarray) -> np.ndarray:
    outputs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    half = len(outputs) // 2
    return np.array(
        [
            1 - one @ other / np.sqrt(one @ one * (other @ other))
            for one, other in zip(outputs[:half], outputs[half:], strict=True)
        ]
    )


def test_modeldiffs_distance_against_numpy_also_between_tasks():
    source, suspect = network(0)(images()), network(1, classes=3)(images())
    fingerprint = Fingerprint(images(), source.argmax(1), source.argmax(1), torch.full((12,), -1), source, {})
    first, second = (distances_by_hand(logits.numpy()) for logits in (suspect, source))
    np.testing.assert_allclose(decision_distances(source.softmax(1), fingerprint).numpy(), second, atol=1e-12)
    (method,) = (method for method in METHODS if method.name == "modeldiff")
    expected = 1 - first @ second / np.sqrt(first @ first * (second @ second))
    assert method.score(suspect, fingerprint) == pytest.approx(expected)
    assert method.score(source, fingerprint) == 0
    assert method.distance is cosine and method.judges == "any"


def test_modeldiffs_score_by_hand():
    before = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    after = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    # pairs are sqrt(2), 0 and 0 apart; partners are sqrt(2), 0 and sqrt(2) apart
    assert score(before, after).item() == pytest.approx(2**0.5 / 3 * 2 * 2**0.5 / 3)
    assert score(before[:1], after[:1]).item() == pytest.approx(2**0.5)


@pytest.mark.parametrize("epsilon", [0.02, 0.2])
def test_modeldiffs_partners_stay_near_and_raise_the_score(epsilon):
    model, inputs = network(0), images()
    nudge = torch.rand(inputs.shape, generator=torch.Generator().manual_seed(2), dtype=torch.double) * 2 - 1
    moved = diverged(model, inputs, nudge, 20, epsilon, BOUNDS)
    assert moved.min() >= 0 and moved.max() <= 1
    assert 0.9 * epsilon < (moved - inputs).abs().max() <= epsilon + 1e-12
    before = model(inputs).softmax(1)
    start = (inputs + epsilon * nudge).clamp(*BOUNDS)
    assert score(before, model(moved).softmax(1)) > 1.5 * score(before, model(start).softmax(1))


def test_a_pair_that_is_alone_still_diverges():
    model, inputs = network(0), images(1)
    nudge = torch.full_like(inputs, 0.1)
    moved = diverged(model, inputs, nudge, 20, 0.2, BOUNDS)
    before = model(inputs).softmax(1)
    assert score(before, model(moved).softmax(1)) > score(before, model(inputs + 0.02).softmax(1))


def test_modeldiffs_first_half_are_examples_and_the_second_their_partners(owner):
    used = owner("modeldiff")
    queries = modeldiff(used, 21, **CONSTANTS["modeldiff"])
    first, second = queries.inputs.chunk(2)
    assert torch.equal(first, used.inputs(used.drawn(10)))
    step = (second - first).abs().flatten(1).amax(1)
    assert (step > 0.05).all() and step.max() <= 0.1 + 1e-6
