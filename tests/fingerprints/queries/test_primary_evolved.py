"""Primary and Evolved against independent references: a full sort, and one sample at a time by hand-written Adam.

Also the limits: no example in two components, sharing out and filling from dev where the source is too rarely wrong,
samples inside the input range, nothing remembered but what is kept.
"""

import math
import runpy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cv.domain import DOMAIN
from fingerprinting import cli
from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.data.datasets import Examples
from fingerprinting.fingerprints import generate, store
from fingerprinting.fingerprints.queries import evolved
from fingerprinting.fingerprints.queries.evolved import Evolution
from fingerprinting.fingerprints.queries.primary import COMPONENTS, select
from fingerprinting.fingerprints.representations import match_rate
from fingerprinting.study import checkpoints, loading
from fingerprinting.study.records import Records
from fingerprinting.training.trainer import PREDICTION_BATCH, predict

CPU = torch.device("cpu")
WRONG = ("confident_wrong", "uncertain_wrong")
PUBLISHED = dict(steps=10, learning_rate=1e-3, mu=1e-5, omega=2.0)
TEXT_ONLY = dict(substitutions=0, candidates=0)
BOUNDS = (0.0, 1.0)


def evolve(model: nn.Module, inputs: torch.Tensor, confident: torch.Tensor, **constants) -> torch.Tensor:
    return evolved.evolve(model, inputs, confident, Evolution(**constants, **TEXT_ONLY), BOUNDS)


def pool_of(size: int, seed: int, classes: int = 4) -> Examples:
    """Inputs that are their own logits (the model is the identity), with labels drawn at random."""
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(size, classes, generator=draw, dtype=torch.float64) * 3
    return Examples(logits, torch.randint(0, classes, (size,), generator=draw))


def with_wrong(pool: Examples, wrong: int) -> Examples:
    """The pool relabelled so that exactly its first `wrong` examples are answered wrongly."""
    responses = pool.inputs.argmax(1)
    responses[:wrong] = (responses[:wrong] + 1) % pool.inputs.shape[1]
    return pool.relabelled(responses)


def sorted_selection(pool: Examples, n: int) -> dict[str, list[int]]:
    """The four components by sorting everything; fewer than 2n are shared out, the lower half by loss to `low`."""
    logits, labels = pool.inputs.numpy(), pool.targets.numpy()
    losses = [math.log(np.exp(row - row[label]).sum()) for row, label in zip(logits, labels, strict=True)]
    chosen = {}
    for right in (True, False):
        group = [index for index in np.argsort(losses).tolist() if (logits[index].argmax() == labels[index]) == right]
        lowest = min(n, len(group) // 2)
        highest = min(n, len(group) - lowest)
        for name, (wants_right, low) in COMPONENTS.items():
            if wants_right == right:
                chosen[name] = group[:lowest] if low else group[len(group) - highest :][::-1]
    return chosen


sizes = (
    st.integers(0, 40)
    | st.integers(PREDICTION_BATCH - 2, PREDICTION_BATCH + 2)
    | st.sampled_from([2 * PREDICTION_BATCH + 7, 16 * PREDICTION_BATCH, 17 * PREDICTION_BATCH + 1])
)


@given(st.integers(1, 30), sizes, st.integers(0, 10_000))
def test_select_equals_a_full_sort(n, size, seed):
    pool = pool_of(size, seed)
    selected = select(nn.Identity(), pool, n, CPU)
    assert {name: found.indices.tolist() for name, found in selected.items()} == sorted_selection(pool, n)
    everything = torch.cat([found.indices for found in selected.values()])
    assert len(everything.unique()) == len(everything)
    for found in selected.values():
        assert torch.equal(found.logits, pool.inputs[found.indices])
        log_shares = torch.log_softmax(pool.inputs[found.indices], 1)
        expected = -log_shares.gather(1, pool.targets[found.indices][:, None])[:, 0]
        torch.testing.assert_close(found.losses, expected)


@pytest.mark.parametrize("n", [1, 8, 9])
@pytest.mark.parametrize("wrong", ["none", "one", "n", "2n - 1", "2n"])
def test_too_few_wrong_are_shared_out_without_repeats(n, wrong):
    count = {"none": 0, "one": 1, "n": n, "2n - 1": 2 * n - 1, "2n": 2 * n}[wrong]
    selected = select(nn.Identity(), with_wrong(pool_of(PREDICTION_BATCH + 50, seed=n), count), n, CPU)
    certain, unsure = (selected[name] for name in WRONG)
    assert sorted(torch.cat([certain.indices, unsure.indices]).tolist()) == list(range(count))
    assert abs(len(certain) - len(unsure)) <= 1
    assert (certain.losses.diff() < 0).all() and (unsure.losses.diff() > 0).all()
    if len(unsure):
        assert unsure.losses.max() < certain.losses.min()
    assert len(selected["confident_correct"]) == len(selected["uncertain_correct"]) == n


def test_equal_losses_are_not_taken_for_a_shortage():
    """A source that fits its data well has a loss of exactly 0 on many examples."""
    logits = torch.tensor([[60.0, 0.0, 0.0]]).repeat(100, 1)
    selected = select(nn.Identity(), Examples(logits, torch.zeros(100, dtype=torch.long)), 20, CPU)
    chosen = torch.cat([selected["confident_correct"].indices, selected["uncertain_correct"].indices])
    assert len(chosen) == len(chosen.unique()) == 40


class Largest(TorchDispatchMode):
    """Knows the largest tensor that any operation made."""

    elements = 0

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        result = operation(*arguments, **(keywords or {}))
        made = [thing for thing in tree_leaves(result) if isinstance(thing, torch.Tensor)]
        self.elements = max([self.elements, *(tensor.numel() for tensor in made)])
        return result


def test_memory_does_not_grow_with_the_pool():
    """Twice the pool, and no operation makes anything larger; what is kept is no view of what is not."""
    largest = []
    for batches in (20, 40):
        pool = pool_of(batches * PREDICTION_BATCH, seed=0)
        with Largest() as mode:
            selected = select(nn.Identity(), pool, 5, CPU)
        largest.append(mode.elements)
        assert all(found.logits.untyped_storage().nbytes() < 1000 for found in selected.values())
    assert largest[0] == largest[1] < pool.inputs.numel()


@pytest.fixture
def source_with_wrong(study, monkeypatch):
    """make(owner=k, dev=m): a study whose source errs on exactly k owner and m dev examples (the truth is bent)."""

    def make(owner: int, dev: int):
        torch.manual_seed(0)
        model = checkpoints.build(study.domain, "conv3", 10, study.shape)
        with torch.no_grad():
            model[2].weight *= 20
        metadata = {"domain": "cv", "architecture": "conv3", "classes": 10, "shape": list(study.shape)}
        checkpoints.save(study.source_id.path, model, metadata)
        parts = dict(study.parts)
        for name, wrong in (("owner", owner), ("dev", dev)):
            labels = predict(model, parts[name].inputs, CPU).argmax(1)
            labels[:wrong] = (labels[:wrong] + 1) % 10
            parts[name] = parts[name].relabelled(labels)
        monkeypatch.setattr(loading, "parts", lambda *_: parts)
        return study

    return make


def primary_print(study, n: int = 8, labels: str = "source", fewer: bool = False):
    generate.primary(study, n=n, labels=labels, fewer=fewer)
    metadata = storage.read_metadata(study.source_id.path)
    return store.load(study, "primary", metadata["sha256"])


def distinct_inputs(fingerprint) -> int:
    return len({row.numpy().tobytes() for row in fingerprint.inputs})


def test_enough_wrong_samples_need_no_dev_data(source_with_wrong):
    fingerprint = primary_print(source_with_wrong(owner=16, dev=20))
    assert fingerprint.sizes == dict.fromkeys(COMPONENTS, 8)
    assert fingerprint.metadata["filled_from_dev"] == {}


def test_dev_data_fill_a_shortage_and_the_record_says_so(source_with_wrong, capsys):
    study = source_with_wrong(owner=5, dev=20)
    fingerprint = primary_print(study)
    assert fingerprint.sizes == dict.fromkeys(COMPONENTS, 8)
    assert distinct_inputs(fingerprint) == 32
    filled = fingerprint.metadata["filled_from_dev"]
    assert set(filled) == set(WRONG) and sum(filled.values()) == 16 - 5
    assert Records.of(study, "fingerprints").rows()[0]["filled_from_dev"] == filled
    said = capsys.readouterr().out
    assert "filled from the owner's dev data" in said and "fewer than asked" not in said
    assert (fingerprint.labels == fingerprint.source_logits.argmax(1)).all()
    wrong = fingerprint.labels != fingerprint.truth
    assert torch.equal(wrong, fingerprint.of_component(WRONG[0]) | fingerprint.of_component(WRONG[1]))


@pytest.mark.parametrize("owner", [4, 5])
def test_just_enough_in_owner_and_dev_together_is_enough(source_with_wrong, owner):
    fingerprint = primary_print(source_with_wrong(owner=owner, dev=16 - owner))
    assert fingerprint.sizes == dict.fromkeys(COMPONENTS, 8)
    assert distinct_inputs(fingerprint) == 32


def test_too_few_wrong_samples_end_in_a_sentence(source_with_wrong):
    study = source_with_wrong(owner=5, dev=4)
    with pytest.raises(UserError, match="fewer than N=8 .* FEWER=True"):
        primary_print(study)
    assert not store.path_of(study, "primary").exists()
    assert Records.of(study, "fingerprints").rows() == []


def test_fewer_takes_what_there_is(source_with_wrong, capsys):
    fingerprint = primary_print(source_with_wrong(owner=5, dev=4), fewer=True)
    sizes = fingerprint.sizes
    assert sizes["confident_correct"] == sizes["uncertain_correct"] == 8
    assert sum(sizes[name] for name in WRONG) == 9
    assert distinct_inputs(fingerprint) == len(fingerprint) == 25
    assert "fewer than asked" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_component_without_samples_is_empty_only_when_fewer_is_allowed(source_with_wrong, wrong):
    study = source_with_wrong(owner=wrong, dev=0)
    with pytest.raises(UserError, match="FEWER=True"):
        primary_print(study)
    fingerprint = primary_print(study, fewer=True)
    assert sum(fingerprint.sizes[name] for name in WRONG) == wrong
    assert len(match_rate(fingerprint.labels, fingerprint)) == 2 + wrong


def test_labels_are_the_sources_responses_or_the_truth(source_with_wrong):
    study = source_with_wrong(owner=20, dev=0)
    responses, truth = primary_print(study), primary_print(study, labels="truth")
    assert torch.equal(responses.labels, responses.source_logits.argmax(1))
    assert torch.equal(truth.labels, truth.truth) and torch.equal(truth.truth, responses.truth)
    assert int((responses.labels != truth.labels).sum()) == 16
    assert torch.equal(responses.inputs, truth.inputs)


@pytest.mark.parametrize(("constants", "said"), [({"labels": "mine"}, "LABELS=mine is unknown"), ({"n": 0}, "N=0")])
def test_wrong_constants_are_refused(source_with_wrong, constants, said):
    with pytest.raises(UserError, match=said):
        primary_print(source_with_wrong(owner=20, dev=0), **constants)


def test_a_finished_fingerprint_is_kept_until_a_constant_changes(source_with_wrong, capsys):
    study = source_with_wrong(owner=20, dev=0)
    path = store.path_of(study, "primary")
    primary_print(study)
    written = path.stat().st_mtime_ns
    primary_print(study)
    assert "finished already" in capsys.readouterr().out and path.stat().st_mtime_ns == written
    assert len(primary_print(study, n=7)) == 28


def test_evolved_keeps_the_primary_samples_order_and_says_how_far_they_went(source_with_wrong):
    study = source_with_wrong(owner=20, dev=0)
    origin = primary_print(study, n=4)
    generate.evolved(study, **PUBLISHED, **TEXT_ONLY)
    moved = store.load(study, "evolved", origin.metadata["source_sha256"])
    assert torch.equal(moved.component, origin.component) and torch.equal(moved.truth, origin.truth)
    assert torch.equal(moved.labels, moved.source_logits.argmax(1))
    step = (moved.inputs - origin.inputs).flatten(1).norm(dim=1)
    for name, row in moved.metadata["moved"].items():
        assert row["mean_l2"] == pytest.approx(step[origin.of_component(name)].mean().item(), rel=1e-5)
        assert row["mean_l2"] > 0


@pytest.fixture(scope="module")
def network():
    """cv's conv3 in float64, with running statistics and norms as if trained."""
    torch.manual_seed(3)
    model = checkpoints.build(DOMAIN, "conv3", 10, (1, 12, 12)).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    return model.eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(12, 1, 12, 12, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def probabilities(model: nn.Module, image: torch.Tensor) -> torch.Tensor:
    return torch.softmax(model(image[None])[0], 0)


def gradient(model: nn.Module, image: torch.Tensor, loss) -> torch.Tensor:
    image = image.detach().clone().requires_grad_(True)
    return torch.autograd.grad(loss(probabilities(model, image)), image)[0]


def one_confident(model, image, steps, learning_rate, mu, omega):
    """tau steps of Adam (Kingma and Ba 2015, algorithm 1), written out, on -(p_a - p_b) / (1 - p_a + mu)."""
    a, b = probabilities(model, image).argsort(descending=True)[:2]
    mean = square = torch.zeros_like(image)
    for step in range(1, steps + 1):
        slope = gradient(model, image, lambda p: -(p[a] - p[b]) / (1 - p[a] + mu))
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        image = image - learning_rate * (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
        image = image.clamp(*BOUNDS)
    return image


def one_uncertain(model, image, steps, learning_rate, mu, omega):
    """While p_a < top: x <- x - eta * gradient of -0.1 log clamp(p_a, p_a0, top); that gradient is 0 below p_a0."""
    at_start = probabilities(model, image)
    a, floor = at_start.argmax(), at_start.max()
    top = floor + omega * (floor - 1 / len(at_start))
    for _ in range(steps):
        if not floor <= probabilities(model, image)[a] < top:
            break
        image = (image - learning_rate * gradient(model, image, lambda p: -0.1 * p[a].log())).clamp(*BOUNDS)
    return image


@pytest.mark.parametrize("steps", [1, 2, 10])
@pytest.mark.parametrize(("learning_rate", "omega"), [(1e-3, 2.0), (0.05, 0.5), (2.0, 0.3)])
@pytest.mark.parametrize("rule", ["confident", "uncertain"])
def test_one_batch_equals_one_sample_at_a_time(network, images, rule, steps, learning_rate, omega):
    constants = PUBLISHED | dict(steps=steps, learning_rate=learning_rate, omega=omega)
    alone = one_confident if rule == "confident" else one_uncertain
    expected = torch.stack([alone(network, image, **constants) for image in images])
    found = evolve(network, images, torch.full((len(images),), rule == "confident"), **constants)
    assert not torch.equal(found, images)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_each_sample_gets_its_own_rule(network, images):
    confident = torch.arange(len(images)) % 3 == 0
    found = evolve(network, images, confident, **PUBLISHED)
    for image, rule, moved in zip(images, confident, found, strict=True):
        alone = (one_confident if rule else one_uncertain)(network, image, **PUBLISHED)
        torch.testing.assert_close(moved, alone, rtol=0, atol=1e-10)


@pytest.mark.parametrize("pixel", [(0, 5, 5), (0, 2, 9)])
def test_the_first_step_follows_a_finite_difference(network, images, pixel):
    """Plain descent moves by eta times the slope; Adam's first step by eta against its sign."""
    image, h = images[0], 1e-5
    rate = PUBLISHED["learning_rate"]

    def slope(loss) -> float:
        nudge = torch.zeros_like(image)
        nudge[pixel] = h
        with torch.no_grad():
            above, below = (loss(probabilities(network, image + sign * nudge)).item() for sign in (1, -1))
        return (above - below) / (2 * h)

    def moved(confident: bool) -> float:
        once = evolve(network, image[None], torch.tensor([confident]), **PUBLISHED | dict(steps=1))
        return (once[0] - image)[pixel].item()

    a, b = probabilities(network, image).argsort(descending=True)[:2]
    assert moved(False) == pytest.approx(-rate * slope(lambda p: -0.1 * p[a].log()), rel=1e-5)
    assert moved(True) == pytest.approx(-rate * np.sign(slope(lambda p: -(p[a] - p[b]) / (1 - p[a] + 1e-5))), rel=1e-4)


def test_a_sample_that_reached_its_top_does_not_move_any_more(network, images):
    constants = PUBLISHED | dict(learning_rate=5.0, omega=0.1)
    uncertain = torch.zeros(len(images), dtype=torch.bool)
    start = torch.softmax(network(images), 1).detach()
    label = start.argmax(1, keepdim=True)
    top = start.gather(1, label) + 0.1 * (start.gather(1, label) - 1 / 10)
    few = evolve(network, images, uncertain, **constants | dict(steps=3))
    many = evolve(network, images, uncertain, **constants | dict(steps=12))
    reached = (torch.softmax(network(few), 1).gather(1, label) >= top)[:, 0]
    assert reached.any() and not reached.all()
    assert torch.equal(many[reached], few[reached])
    assert (torch.softmax(network(many), 1).gather(1, label) >= top).sum() > reached.sum()


@pytest.mark.parametrize("learning_rate", [1e-3, 0.3, 50.0])
@pytest.mark.parametrize("confident", [True, False])
def test_samples_stay_inside_the_input_range(network, images, learning_rate, confident):
    edge = torch.cat([images.round(), images])
    constants = PUBLISHED | dict(learning_rate=learning_rate)
    found = evolve(network, edge, torch.full((len(edge),), confident), **constants)
    assert found.min() >= 0 and found.max() <= 1
    assert not torch.equal(found, edge)


@pytest.mark.parametrize("change", [dict(learning_rate=0.0), dict(steps=0)], ids=str)
def test_a_rate_of_zero_or_no_step_moves_nothing(network, images, change):
    for confident in (True, False):
        mask = torch.full((len(images),), confident)
        assert torch.equal(evolve(network, images, mask, **PUBLISHED | change), images)


def test_evolving_changes_neither_its_inputs_nor_the_model(network, images):
    before, inputs = storage.digest(network.state_dict()), images.clone()
    mask = torch.arange(len(images)) % 2 == 0
    found = evolve(network, images, mask, **PUBLISHED)
    again = evolve(network.train(), images, mask, **PUBLISHED)
    assert torch.equal(found, again)
    assert storage.digest(network.state_dict()) == before and torch.equal(images, inputs)


def test_confident_samples_grow_surer(network, images):
    found = evolve(network, images, torch.ones(len(images), dtype=torch.bool), **PUBLISHED | dict(steps=50))
    before, after = (torch.softmax(network(batch), 1).detach() for batch in (images, found))
    label = before.argmax(1, keepdim=True)
    assert (after.gather(1, label) > before.gather(1, label)).all()


@pytest.mark.parametrize("tier", ["cpu", "paper"])
def test_the_scripts_have_the_published_constants(tier):
    constants = {}
    for script in ("primary.py", "evolved.py"):
        constants |= cli.resolve(runpy.run_path(str(REPOSITORY / script)), "", ["DOMAIN=cv", f"TIER={tier}"])[1]
    published = {**PUBLISHED, "n": 80, "labels": "source", "fewer": False}
    assert {name: constants[name] for name in published} == published
    assert evolved.LOG_WEIGHT == 0.1
