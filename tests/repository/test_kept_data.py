"""Nobody's network and nobody's domain function can change data that are kept, wherever it is handed a tensor.

A network that writes to its input answers everywhere as its twin does that leaves it alone, and so do all methods.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

import bci.domain
import cv.domain
import nlp.domain
from fingerprinting.calibrated import candidates
from fingerprinting.calibrated.contents import CalibratedFingerprint, Calibration, Controls
from fingerprinting.calibrated.evidence import Weights
from fingerprinting.data.datasets import Examples
from fingerprinting.deepcore import core_points
from fingerprinting.fingerprints import generate, store
from fingerprinting.fingerprints.owner import Owner
from fingerprinting.fingerprints.queries import (
    adv_tra,
    cae,
    deepjudge,
    evolved,
    fuap,
    ipguard,
    irisfp,
    metafinger,
    modeldiff,
    primary,
    sac,
    zest,
)
from fingerprinting.fingerprints.queries.evolved import evolve as evolve_by_gradient
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import queries
from fingerprinting.models import trained
from fingerprinting.reports.figures import samples
from fingerprinting.robustness import adaptive
from fingerprinting.robustness.attacker import Attacker
from fingerprinting.robustness.evasion import QueryDetector
from fingerprinting.robustness.query_detector import FittedDetector
from fingerprinting.study import checkpoints
from fingerprinting.study.domain import Architecture
from fingerprinting.study.records import Records
from fingerprinting.training import objectives, pruning
from fingerprinting.training.adversarial import perturbation
from fingerprinting.training.recipe import Recipe
from fingerprinting.training.trainer import fit, predict, predictions
from tests.domains import changed
from tests.models.test_suspects import save_model

CPU = torch.device("cpu")
BOUNDS = (0.0, 1.0)


class Net(nn.Module):
    """Scales its inputs: in their own memory, or as it should."""

    def __init__(self, in_place: bool, classes: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.in_place = in_place
        self.hidden, self.fc = nn.Linear(torch.Size(shape).numel(), 12), nn.Linear(12, classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        scaled = inputs.sub_(0.5).mul_(4) if self.in_place else (inputs - 0.5) * 4
        return self.fc(torch.tanh(self.hidden(scaled.flatten(1))))


OWN = changed(
    cv.domain.DOMAIN,
    name="mine",
    architectures={name: Architecture(partial(Net, name == "in_place"), "fc") for name in ("in_place", "plain")},
)


def twins(seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """The same weights, writing to its inputs and not."""
    made = []
    for name in ("in_place", "plain"):
        torch.manual_seed(seed)
        made.append(checkpoints.build(OWN, name, 4, (1, 6, 6)).eval().requires_grad_(False))
    return made[0], made[1]


INPUTS = torch.rand(10, 1, 6, 6, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(10) % 4


def adversarial_loss(model, inputs):
    torch.manual_seed(0)
    return objectives.adversarial(OWN.inputs.continuous, OWN.inputs.input_range, 0.1, 2)(model, inputs, LABELS)


def perturbed(model, inputs):
    torch.manual_seed(0)
    return perturbation(model, model, inputs, LABELS, 0.1, 2, BOUNDS)


def drawn() -> torch.Generator:
    return torch.Generator().manual_seed(3)


# Where a network gets a tensor -> what is made of inputs with it.
PLACES = {
    "predictions": lambda model, x: torch.cat(list(predictions(model, x, CPU, 4))),
    "predict": lambda model, x: predict(model, x, CPU),
    "pruning": lambda model, x: pruning.activity(model, "hidden", x, CPU),
    "primary": lambda model, x: torch.cat(
        [found.losses for found in primary.extremes(model, Examples(x, LABELS), 3, CPU).values()]
    ),
    "cross_entropy": lambda model, x: objectives.cross_entropy(model, x, LABELS),
    "distillation": lambda model, x: objectives.distillation(2.0)(model, x, F.one_hot(LABELS).float()),
    "removal": lambda model, x: objectives.removal(model, "fc", 1.0, 1.0)(twins(5)[model.in_place is False], x, LABELS),
    "adversarial": adversarial_loss,
    "perturbation": perturbed,
    "evolve": lambda model, x: evolved.evolve(model, x, LABELS > 1, evolved.Evolution(3, 0.1, 1e-5, 2.0, 1, 1), BOUNDS),
    "ipguard": lambda model, x: ipguard.to_boundary(model, x, LABELS, (LABELS + 1) % 4, 3, 0.1, 1.0, BOUNDS),
    "modeldiff": lambda model, x: modeldiff.diverged(model, x, 0.5 * torch.ones_like(x), 3, 0.1, BOUNDS),
    "adv_tra": lambda model, x: adv_tra.trajectories(model, x, LABELS[:, None], 4, 0.1, 0.9, 3, BOUNDS)[0],
    "fuap": lambda model, x: fuap.universal(model, x, torch.ones(1), BOUNDS, 0.2, 0.9, 3, 3),
    "irisfp": lambda model, x: irisfp.to_meeting_point(model, x, LABELS, torch.ones(1), BOUNDS, 0.1, 3, 0.1),
    "metafinger": lambda model, x: metafinger.optimised(
        [model], [model], [model], x, torch.ones(1), BOUNDS, 3, 0.1, 0.5, 1, 0.1, drawn()
    ),
    "cae": lambda model, x: cae.confer(cae.Ensemble(model, [model], [model], 0.3, drawn()), x, 3, 0.1, 0.1, BOUNDS),
    "conferrability": lambda model, x: cae.Ensemble(model, [model] * 2, [model], 0.0, drawn()).conferrability(x),
    "deepcore": lambda model, x: (
        core_points.core_points(model, x, LABELS, core_points.Ascent(4, 0.1, 2, 0.0, 0.02, 3), BOUNDS)[-1].inputs
    ),
    "deepfool": lambda model, x: core_points.deepfool(model, x, 0.02, 4),
    "gradient": lambda model, x: core_points.gradient(model, x.clone(), LABELS),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_network_that_writes_to_its_input_changes_nothing(place):
    kept, results = INPUTS.clone(), []
    for model in twins():
        results.append(PLACES[place](model, kept))
        assert torch.equal(kept, INPUTS)
    assert torch.equal(*results)


@pytest.mark.parametrize("shape", [(10, 1, 6, 6), (10, 6, 6), (10, 36)], ids=["images", "signals", "texts"])
def test_predictions_hand_out_copies_to_any_module(shape):
    class Bare(nn.Module):
        def forward(self, inputs):
            return inputs.mul_(2).flatten(1)[:, :3]

    stored = INPUTS.view(shape) if len(shape) > 2 else (100 * INPUTS.view(shape)).int()
    kept = stored.clone()
    asked = [predict(Bare(), kept, CPU) for _ in range(2)]
    assert torch.equal(kept, stored) and torch.equal(*asked)


def test_stored_images_are_converted_and_not_copied_once_more(monkeypatch):
    images, cloned = (255 * INPUTS).to(torch.uint8), []
    monkeypatch.setattr(torch.Tensor, "clone", lambda self, **_: cloned.append(self) or self)
    predict(nn.Flatten(), images, CPU)
    assert not cloned


def emptied(*values) -> None:
    for value in values:
        if isinstance(value, torch.Tensor):
            value.zero_()


def test_training_keeps_its_part_whatever_network_and_augmentation_do():
    train, dev = Examples(INPUTS.clone(), LABELS.clone()), Examples(INPUTS.flip(0), LABELS.flip(0))

    def spoiling(inputs):
        moved = inputs + 0.01
        emptied(inputs)
        return moved

    weights = []
    for name in ("in_place", "plain"):
        torch.manual_seed(0)
        model = checkpoints.build(OWN, name, 4, (1, 6, 6))
        recipe = Recipe(3, 0.01, 4, 0.0, 0, augment=True)
        fit(model, train, dev, objectives.cross_entropy, recipe, "a model", CPU, augment=spoiling)
        weights.append(torch.cat([value.flatten() for value in model.state_dict().values()]))
        assert torch.equal(train.inputs, INPUTS) and torch.equal(train.targets, LABELS)
        assert torch.equal(dev.inputs, INPUTS.flip(0)) and torch.equal(dev.targets, LABELS.flip(0))
    assert torch.equal(*weights)


def test_a_continuous_that_writes_to_its_inputs_keeps_the_part():
    def spoiling(model, inputs):
        start = inputs.clone()
        emptied(inputs)
        return start, model

    domain, part = changed(OWN, continuous=spoiling), Examples(INPUTS.clone(), LABELS.clone())
    model = checkpoints.build(domain, "plain", 4, (1, 6, 6))
    objective = objectives.adversarial(domain.inputs.continuous, domain.inputs.input_range, 0.1, 1)
    fit(model, part, part, objective, Recipe(1, 0.01, 4, 0.0, 0, False), "a model", CPU)
    assert torch.equal(part.inputs, INPUTS) and torch.equal(part.targets, LABELS)


@pytest.fixture
def spoilt(study, monkeypatch):
    """The study with a domain whose functions do their work and then empty every tensor that they were given."""

    def wrapped(function):
        def spoiling(*given):
            found = function(*given)
            found = found.clone() if isinstance(found, torch.Tensor) else found
            emptied(*given)
            return found

        return spoiling

    def score(inputs):
        return inputs.flatten(1).double().sum(1)

    def query_detector(inputs, *_):
        emptied(inputs)
        return QueryDetector(wrapped(score), {"halved": wrapped(lambda inputs: inputs / 2)})

    genuine = study.domain
    domain = changed(
        genuine,
        mix=wrapped(genuine.inputs.mix),
        evolve=wrapped(genuine.inputs.evolve or evolve_by_gradient),
        mislead=wrapped(lambda model, inputs, labels, most: 100 * torch.randn(inputs.shape, generator=drawn())),
        pieces=wrapped(lambda one, most: zest.blocks(one.clone(), most, torch.zeros(1))),
        query_detector=query_detector,
        show=wrapped(lambda axis, image: None),
        describe=wrapped(lambda image: f"{float(image.sum()):.3f}"),
    )
    monkeypatch.setitem(vars(study), "domain", domain)
    return study


@pytest.fixture
def parts_before(spoilt):
    before = {name: (part.inputs.clone(), part.targets.clone()) for name, part in spoilt.parts.items()}
    yield
    for name, part in spoilt.parts.items():
        assert torch.equal(part.inputs, before[name][0]) and torch.equal(part.targets, before[name][1]), name


def attacker(**changes) -> Attacker:
    counts = dict.fromkeys(("autoencoder_epochs", "autoencoder_updates", "code", "order", "decimals", "cost_inputs"), 4)
    rates = dict.fromkeys(("autoencoder_learning_rate", "removal_learning_rate", "noise", "feature_weight"), 0.1)
    removal = {"removal_copies": 1, "removal_epochs": 1, "ranking_weight": 0.1, "temperature": 2.0}
    return Attacker.of(**counts, **rates, **removal, held_out=0.2, evasion_fpr=0.05, **changes)


def primary_print(study) -> Fingerprint:
    save_model(study, study.source_id)
    generate.primary(study, n=4, labels="source", fewer=True)
    return store.load(study, "primary", trained.weights_sha256(study, study.source_id))


def test_mixing_keeps_the_owners_part(spoilt, parts_before):
    save_model(spoilt, spoilt.source_id)
    owner, making = Owner(spoilt, "sac_m"), candidates.Making(6, 0, 1, 0.1, 0.1, 1)
    for made in (sac.sac_m(owner, 5), candidates.mixed(owner, making), candidates.mixed_twice(owner, making)):
        assert made.inputs.any()


def test_misleading_and_hiding_pieces_keep_the_owners_part(spoilt, parts_before):
    save_model(spoilt, spoilt.source_id)
    for method, constants in (
        (deepjudge.deepjudge, dict(candidates=100, steps=2, step=1.0, epsilon=2.0)),
        (zest.zest, dict(references=3, masks=6, pieces=4)),
    ):
        assert method(Owner(spoilt, method.__name__), 5, **constants).inputs.any()


def test_evolving_keeps_the_primary_fingerprint(spoilt, parts_before):
    origin = primary_print(spoilt)
    constants = {"steps": 3, "learning_rate": 0.1, "mu": 1e-5, "omega": 2.0, "substitutions": 1, "candidates": 1}
    generate.evolved(spoilt, **constants)
    made = store.load(spoilt, "evolved", origin.metadata["source_sha256"])
    assert torch.equal(store.load(spoilt, "primary", origin.metadata["source_sha256"]).inputs, origin.inputs)
    step = (made.inputs.double() - origin.inputs.double()).flatten(1)
    for name, moved in made.metadata["moved"].items():
        assert moved["mean_l2"] == step[origin.of_component(name)].norm(dim=1).mean().item()


def test_a_screen_keeps_queries_and_test_inputs(spoilt, parts_before, monkeypatch):
    found = primary_print(spoilt)
    inputs = found.inputs.clone()
    fitted = FittedDetector(spoilt, attacker())
    detected = {"primary": fitted.detection(found.inputs)}
    assert torch.equal(found.inputs, inputs) and fitted.benign.all()
    costs = fitted.cost_inputs[0].clone()
    asked = []
    monkeypatch.setattr(adaptive.suspects, "ask", lambda study, suspect, given: asked.append(given.clone()) or 1 / 0)

    class Read:
        prints, compared = {"primary": found}, {adaptive.REFUSED: []}

        def put(self, *_):
            pass

    with pytest.raises(ZeroDivisionError):
        adaptive._ask(spoilt, fitted, detected, Read(), [object()])
    assert torch.equal(found.inputs, inputs) and torch.equal(fitted.cost_inputs[0], costs)
    assert torch.equal(asked[0], inputs)


@pytest.mark.parametrize("read", [True, False])
def test_samples_are_kept_as_they_are_shown(spoilt, monkeypatch, read):
    found = primary_print(spoilt)
    inputs = found.inputs.clone()
    if not read:
        monkeypatch.setitem(vars(spoilt), "domain", changed(spoilt.domain, describe=None))
    rows = generate._sample_rows(spoilt, found, found)
    Records.of(spoilt, "samples").replace(rows)
    assert samples.samples(spoilt.folder, spoilt.domain).is_file()
    assert torch.equal(found.inputs, inputs) and rows == generate._sample_rows(spoilt, found, found)


def test_queries_are_written_as_they_are_kept(spoilt, tmp_path):
    found = primary_print(spoilt)
    known = Calibration(Weights(*np.ones((3, 1))), np.zeros(1), np.zeros(1))
    controls = Controls(found.inputs[:2].clone(), torch.zeros(2), torch.ones(1))
    asked = replace(found, extra=CalibratedFingerprint(known, None, controls).extra)
    inputs = found.inputs.clone()
    queries.write(spoilt, asked, tmp_path, early=False)
    assert np.array_equal(np.load(tmp_path / queries.INPUTS), torch.cat([inputs, inputs[:2]]).numpy())
    sums = [float(line) for line in (tmp_path / queries.TEXTS).read_text().splitlines()]
    assert sums == pytest.approx(torch.cat([inputs, inputs[:2]]).sum((1, 2, 3)).tolist(), abs=1e-3)
    assert torch.equal(found.inputs, inputs)


LARGE = ("vgg", "resnet18", "densenet", "mobilenet", "alexnet", "bert_base")
EACH = [
    (domain, name)
    for domain in (cv.domain.DOMAIN, bci.domain.DOMAIN, nlp.domain.DOMAIN)
    for name in domain.networks.architectures
    if not any(large in name for large in LARGE)
]


def some(domain) -> torch.Tensor:
    draw = torch.Generator().manual_seed(2)
    if domain.name == "nlp":
        return torch.randint(0x4E00, 0x4F00, (4, 64), generator=draw, dtype=torch.int32)
    return torch.rand(4, *((1, 28, 28) if domain.name == "cv" else (6, 256)), generator=draw)


@pytest.mark.parametrize(("domain", "name"), EACH, ids=[f"{domain.name}-{name}" for domain, name in EACH])
def test_the_projects_own_networks_leave_their_inputs_as_they_are(domain, name):
    inputs = some(domain)
    model = checkpoints.build(domain, name, 3, tuple(inputs.shape[1:]))
    assert not model._forward_pre_hooks, "they get no copies"
    for mode in (True, False):
        given = inputs.clone()
        model.train(mode)(given).sum().backward()
        start, forward = domain.inputs.continuous(model, given)
        forward(start)
        assert torch.equal(given, inputs)


@pytest.mark.parametrize("domain", [cv.domain.DOMAIN, bci.domain.DOMAIN, nlp.domain.DOMAIN], ids=lambda d: d.name)
def test_the_projects_own_functions_leave_their_inputs_as_they_are(domain):
    inputs = some(domain)
    given, other = inputs.clone(), inputs.flip(0)
    domain.inputs.augment(given)
    domain.inputs.mix(given, other, drawn())
    assert torch.equal(given, inputs) and torch.equal(other, inputs.flip(0))
