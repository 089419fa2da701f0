"""FUAP, MetaFinger, IrisFP and Dataset Inference: every formula against numpy, scipy or a loop, and all four on digits.

Toy models are written down; the last tests train the owner's reference models on scikit-learn's digits (no network).
"""

import runpy

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax
from scipy.stats import ttest_ind
from torch import nn

from fingerprinting import cli
from fingerprinting.core.runtime import REPOSITORY
from fingerprinting.fingerprints import baselines, store
from fingerprinting.fingerprints.distances import cosine, shortfall
from fingerprinting.fingerprints.owner import Owner, UnsuitedError
from fingerprinting.fingerprints.queries import dataset_inference, fuap, irisfp, metafinger
from fingerprinting.fingerprints.representations import code, membership, perceptron, steps_until_flip, votes
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.methods import METHODS, ROWS
from fingerprinting.models import reference as own_models
from fingerprinting.models import source_model, suspects, trained
from fingerprinting.models.kinds import KINDS
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict

LEARNED = ("fuap", "metafinger", "irisfp", "dataset_inference")
BOUNDS = (0.0, 1.0)
EVERYWHERE = torch.ones(1, 1, 1, 1, dtype=torch.bool)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear_model(classes: int = 3, seed: int = 0, scale: float = 5.0) -> nn.Module:
    """Images (N, 1, 4, 4) -> logits (N, classes)."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, classes))
    model[1].weight.data = scale * torch.randn(classes, 16, generator=generator(seed))
    model[1].bias.data = -model[1].weight.data.sum(1) / 2  # balanced about the middle of the range
    return model.eval().requires_grad_(False)


def images(count: int = 60, seed: int = 1) -> torch.Tensor:
    return torch.rand(count, 1, 4, 4, generator=generator(seed))


def fingerprint_of(labels: torch.Tensor, truth: torch.Tensor, extra: dict, logits: torch.Tensor | None = None):
    logits = torch.zeros(len(labels), 3) if logits is None else logits
    return Fingerprint(torch.zeros(len(labels), 1), labels, truth, torch.full((len(labels),), -1), logits, {}, extra)


# FUAP


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


# MetaFinger


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
        source, pirated, independent, start, EVERYWHERE, BOUNDS, 60, 0.03, 1.0, 2, 0.05, generator()
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


def test_metafingers_transforms_keep_the_shape_and_are_not_all_the_same():
    for inputs in (images(3), torch.randn(3, 2, 40, generator=generator())):
        seen = [metafinger.transform(generator(seed), 0.1)(inputs) for seed in range(30)]
        assert all(one.shape == inputs.shape for one in seen)
        assert any(torch.equal(one, inputs) for one in seen)
        assert len({round(one.square().sum().item(), 4) for one in seen}) > 3


def test_metafinger_never_validates_on_what_it_trained_on():
    models = list(range(10))
    assert sorted(metafinger.training_of(models) + metafinger.validating(models)) == models
    assert set(metafinger.training_of(models)) == {0, 1, 3, 4, 6, 7, 9}


# IrisFP


def test_points_meet_where_the_output_is_uniform_but_for_the_margin():
    model, seeds = linear_model(scale=1.0), images(20)
    targets = (model(seeds).argmax(1) + 1) % 3
    found = irisfp.to_meeting_point(model, seeds, targets, EVERYWHERE, BOUNDS, 0.3, 300, 0.03)
    expected = np.where(np.arange(3) == targets.numpy()[:, None], 0.7 / 3 + 0.3, 0.7 / 3)
    np.testing.assert_allclose(softmax(model(found).numpy(), 1), expected, atol=0.02)
    assert found.min() >= 0 and found.max() <= 1


def test_views_are_the_point_and_its_neighbours():
    points = images(10)
    found = irisfp.viewed(points, 4, 0.1 * EVERYWHERE, BOUNDS, generator())
    assert found.shape == (10, 4, 1, 4, 4)
    assert torch.equal(found[:, 0], points)
    away = (found[:, 1:] - points[:, None]).abs().flatten(2).amax(2)
    assert (away > 0.05).all() and (away <= 0.1 + 1e-6).all()


def test_the_effect_size_equals_cohens_d():
    pirated, independent = (torch.rand(count, 5, generator=generator(count), dtype=torch.double) for count in (7, 4))
    for index, found in enumerate(irisfp.effect_size(pirated, independent).tolist()):
        first, second = pirated[:, index].numpy(), independent[:, index].numpy()
        pooled = np.sqrt((6 * first.var(ddof=1) + 3 * second.var(ddof=1)) / 9)
        assert found == pytest.approx((first.mean() - second.mean()) / pooled)
        # Student's t of two samples is d over the root of the summed inverse counts.
        assert found == pytest.approx(ttest_ind(first, second).statistic * np.sqrt(1 / 7 + 1 / 4))


def test_an_effect_without_variance_is_infinite_or_none():
    ones, zeros = torch.ones(3, 1, dtype=torch.double), torch.zeros(2, 1, dtype=torch.double)
    assert irisfp.effect_size(ones, zeros).tolist() == [torch.inf]
    assert irisfp.effect_size(ones, ones[:2]).tolist() == [0]
    assert irisfp.effect_size(zeros, ones).tolist() == [-torch.inf]


def test_a_threshold_lies_between_the_groups_and_never_acquits_the_source():
    pirated, independent = torch.tensor([1.0, 0.8]).double(), torch.tensor([0.2, 0.4, 0.0]).double()
    assert irisfp.agreement_needed(pirated, independent) == pytest.approx(0.6)
    assert irisfp.agreement_needed(independent, pirated) <= 1


def test_votes_by_hand():
    recorded = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
    fingerprint = fingerprint_of(recorded, recorded, {"thresholds": torch.tensor([0.5, 0.5, 1.0]).double()})
    suspect = torch.tensor([0, 0, 1, 0, 0, 1, 2, 2, 2])
    assert votes(suspect, fingerprint).tolist() == [True, False, True]
    (method,) = [method for method in METHODS if method.name == "irisfp"]
    assert method.distance(votes(suspect, fingerprint), votes(recorded, fingerprint)) == pytest.approx(1 / 3)


# Dataset Inference


def flips_by_loops(labels: np.ndarray, truth: np.ndarray) -> list[list[int]]:
    counts = []
    for point, own in zip(labels, truth, strict=True):
        row = []
        for walk in point:
            count = 0
            while count < len(walk) and walk[count] == own:
                count += 1
            row.append(count)
        counts.append(row)
    return counts


def test_steps_until_the_flip_equal_a_loop():
    truth = torch.randint(2, (30,), generator=generator(1))
    labels = truth[:, None, None] + (torch.rand(30, 4, 6, generator=generator()) < 0.3)
    found = steps_until_flip(labels, truth)
    assert found.tolist() == flips_by_loops(labels.numpy(), truth.numpy())
    assert {0, 6} <= set(found.flatten().tolist())


def test_a_walk_goes_straight_on_inside_the_range():
    inputs = 0.5 * torch.ones(4, 1, 4, 4)
    found = dataset_inference.walked(inputs, 2, 5, 0.01 * EVERYWHERE, BOUNDS, generator())
    assert found.shape == (4, 6, 5, 1, 4, 4)
    step = found[:, :, :1] - 0.5
    torch.testing.assert_close(found - 0.5, torch.arange(1, 6).view(5, 1, 1, 1) * step, atol=1e-6, rtol=0)
    assert step[:, :2].abs().max() <= 0.01 < step[:, 2:].abs().max()
    far = dataset_inference.walked(inputs, 2, 5, 10.0 * EVERYWHERE, BOUNDS, generator())
    assert far.min() == 0 and far.max() == 1


def test_a_walks_noise_has_the_spread_of_its_kind():
    noise = dataset_inference.walked(
        torch.zeros(1, 1, 100, 100), 1, 1, torch.ones(()), (-torch.inf, torch.inf), generator()
    )
    expected = [1 / 3**0.5, 1.0, 2 * 2**0.5]  # uniform on [-1, 1], normal, Laplace of scale 2
    np.testing.assert_allclose(noise.flatten(2).std(2)[0].numpy(), expected, rtol=0.05)


def inference_case(separation: int) -> tuple[torch.Tensor, Fingerprint]:
    """Answers to 2 * 20 points, 3 walks, 6 steps, of a model that follows training examples `separation` steps more."""
    inside = torch.arange(40) < 20
    counts = torch.randint(0, 4, (40, 3), generator=generator()) + separation * inside[:, None]
    truth = torch.randint(3, (40,), generator=generator(1))
    labels = torch.where(torch.arange(6) < counts[:, :, None], truth[:, None, None], 3).flatten()
    weights = dataset_inference.regressor(counts.float(), inside, 10, 50, 0.1, generator(2))
    extra = {**weights, "inside": inside, "steps": torch.tensor(6)}
    return labels, fingerprint_of(labels, truth.repeat_interleave(18), extra)


def test_the_evidence_is_welchs_t_of_the_regressors_confidence():
    labels, fingerprint = inference_case(separation=2)
    weights = {name: value.double().numpy() for name, value in fingerprint.extra.items()}
    flips = np.array(flips_by_loops(labels.view(40, 3, 6).numpy(), fingerprint.truth.view(40, 18)[:, 0].numpy()))
    standard = (flips - weights["mean"]) / weights["deviation"]
    active = np.maximum(standard @ weights["hidden"].T + weights["hidden_bias"], 0)
    confidence = np.tanh(active @ weights["out"].T + weights["out_bias"])[:, 0]
    expected = ttest_ind(confidence[:20], confidence[20:], equal_var=False, alternative="greater")
    assert membership(labels, fingerprint).item() == pytest.approx(expected.statistic, rel=1e-4)
    assert expected.pvalue < 1e-3


def test_a_model_that_saw_no_examples_gives_less_evidence():
    seen, fingerprint = inference_case(separation=2)
    unseen, _ = inference_case(separation=0)
    evidence = [membership(labels, fingerprint) for labels in (unseen, seen)]
    assert abs(evidence[0].item()) < 2 < evidence[1].item()
    assert shortfall(*evidence) == pytest.approx((evidence[1] - evidence[0]).item())
    assert shortfall(evidence[1], evidence[1]) == 0


def test_a_model_that_answers_one_class_gives_no_evidence():
    _, fingerprint = inference_case(separation=2)
    assert membership(torch.full((720,), 3), fingerprint).item() == 0


# All four, on digits


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A source, the owner's reference models and the four fingerprints; and every model that was opened or asked."""
    folder = tmp_path_factory.mktemp("learned")
    common = ["TIER=smoke", "DATASET=digits", "DEVICE=cpu", "WORKERS=1"]
    met: dict[str, set[str]] = {name: set() for name in LEARNED}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTIFACTS_DIR", str(folder / "artifacts"))
        patch.setenv("RESULTS_DIR", str(folder / "results"))
        for step in (source_model.source, own_models.references):
            script = runpy.run_path(str(REPOSITORY / f"cv/{step.__name__}.py"))
            study, constants = cli.resolve(script, "cv", common)
            step(study, **constants)
        script = runpy.run_path(str(REPOSITORY / "baselines.py"))
        open_model, ask = trained.open_model, suspects.ask
        for name in LEARNED:
            patch.setattr(
                trained, "open_model", lambda s, model, name=name: met[name].add(model.kind) or open_model(s, model)
            )
            patch.setattr(
                suspects,
                "ask",
                lambda s, asked, inputs, name=name: met[name].add(asked.model.kind) or ask(s, asked, inputs),
            )
            study, constants = cli.resolve(script, "", [*common, f"METHOD={name}"])
            baselines.baselines(study, **constants)
    return folder / "artifacts", study, met


@pytest.fixture(params=LEARNED)
def result(request, made, monkeypatch) -> tuple[Study, Fingerprint, set[str]]:
    folder, study, met = made
    monkeypatch.setenv("ARTIFACTS_DIR", str(folder))
    source = trained.weights_sha256(study, study.source_id)
    return study, store.load(study, request.param, source), met[request.param]


def test_inputs_are_in_range_and_as_many_as_promised(result):
    study, fingerprint, _ = result
    assert fingerprint.inputs.min() >= 0 and fingerprint.inputs.max() <= 1
    assert fingerprint.inputs.shape[1:] == study.shape and fingerprint.inputs.device.type == "cpu"
    inside = fingerprint.extra.get("inside")
    expected = 20 if inside is None else len(inside) * 3 * int(fingerprint.extra["steps"])
    assert len(fingerprint) == expected


def test_only_the_source_and_reference_models_were_met_and_all_are_counted(result):
    study, fingerprint, met = result
    assert met - {"source"} == {kind for kind in met if KINDS[kind].use == "reference"}
    counted = fingerprint.metadata["extra_models_used"]
    assert len(counted) == fingerprint.metadata["extra_models"]
    if fingerprint.metadata["method"] == "dataset_inference":
        assert met == {"source"} and not counted
    else:
        assert sorted(counted) == sorted(suspect.model.name for suspect in suspects.standard_strength(study))
        assert fingerprint.metadata["extra_models_seconds"] > 0


def test_the_source_is_nearest_and_a_stranger_is_far(result):
    study, fingerprint, _ = result
    (method,) = [method for method in METHODS if method.name == fingerprint.metadata["method"]]
    again = predict(trained.open_model(study, study.source_id), fingerprint.inputs, study.device)
    stranger = fingerprint.source_logits.roll(1, 1)
    assert method.score(again, fingerprint) == pytest.approx(0, abs=1e-6)
    score = method.score(stranger, fingerprint)  # Dataset Inference's may be lower: the source is no limit of evidence
    assert abs(score) > 0.01 if method.name == "dataset_inference" else score > 0.01


def test_fuaps_encoder_is_the_same_after_a_round_trip(made, monkeypatch):
    folder, study, _ = made
    monkeypatch.setenv("ARTIFACTS_DIR", str(folder))
    script = runpy.run_path(str(REPOSITORY / "baselines.py"))
    words = ["TIER=smoke", "DATASET=digits", "DEVICE=cpu", "METHOD=fuap"]
    _, constants = cli.resolve(script, "", words)
    owner = Owner(study, "fuap")
    queries = fuap.fuap(owner, constants["n"], **baselines.own_constants(owner, ROWS["fuap"], constants))
    loaded = store.load(study, "fuap", trained.weights_sha256(study, study.source_id))
    outputs = torch.softmax(loaded.source_logits, 1)
    assert torch.equal(queries.inputs, loaded.inputs)
    assert queries.extra.keys() <= loaded.extra.keys()
    assert all(torch.equal(weights, loaded.extra[name]) for name, weights in queries.extra.items())
    # Products of equal weights may differ in their last bits, by where in memory the weights lie.
    torch.testing.assert_close(perceptron(outputs.flatten(), queries.extra), code(outputs, loaded))
    assert code(outputs, loaded).std() > 0


@pytest.fixture
def owner(made, monkeypatch):
    """owner("irisfp") -> the owner of those models, for that method."""
    folder, study, _ = made
    monkeypatch.setenv("ARTIFACTS_DIR", str(folder))
    return lambda name: Owner(study, name)


def test_irisfp_keeps_the_largest_effects(owner, monkeypatch):
    monkeypatch.setattr(irisfp, "effect_size", lambda pirated, _: torch.arange(pirated.shape[1]))
    own = owner("irisfp")
    best = own.drawn(8).flip(0)[:4]
    about = dict(views=2, candidates=2, margin=0.3, steps=1, learning_rate=0.01, radius=0.1)
    assert irisfp.irisfp(own, 8, **about).truth[::2].tolist() == own.part.targets[best].tolist()


def test_metafinger_keeps_what_separates_the_models_held_back(owner):
    own, about = owner("metafinger"), dict(steps=3, learning_rate=0.1, alpha=1.0, sampled=1, noise=0.05)
    every, few = (metafinger.metafinger(own, n, candidates=18 / n, **about).inputs for n in (18, 6))
    assert torch.equal(few, every[:6])
    labels = own.source(every).argmax(1)
    true, false = (
        torch.stack([own.ask(m, every).argmax(1) == labels for m in metafinger.validating(own.references(role))])
        for role in ("pirated", "independent")
    )
    merit = true.double().mean(0) - false.double().mean(0)
    assert (merit.diff() <= 0).all() and merit[0] > merit[-1]


def test_fuaps_encoder_is_told_who_was_stolen(owner, monkeypatch):
    told, learn, views = [], fuap.trained_encoder, 2
    monkeypatch.setattr(fuap, "trained_encoder", lambda *given: told.append(given[:2]) or learn(*given))
    about = dict(xi=0.1, fooled=1.0, points=40, steps=1, nearest=2, views=views, hidden=4, code=2)
    own = owner("fuap")
    queries = fuap.fuap(own, 8, temperature=0.1, epochs=1, learning_rate=0.1, **about)
    ((representations, stolen),) = told
    asked = [(own.source(queries.inputs), True)]
    for role in ("pirated", "independent"):
        asked += [(own.ask(model, queries.inputs), role == "pirated") for model in own.references(role)]
    first = slice(None, None, 1 + views)  # of every model the anchors' own view
    for representation, label, (logits, pirated) in zip(representations[first], stolen[first], asked, strict=True):
        torch.testing.assert_close(representation, logits.softmax(1).flatten())
        assert label == pirated
    assert (stolen.int().diff() != 0).sum() == 1


def test_dataset_inference_is_fitted_on_other_examples_than_it_asks_about(owner, monkeypatch):
    seen, walk, own = [], dataset_inference.walked, owner("dataset_inference")
    monkeypatch.setattr(dataset_inference, "walked", lambda *given: seen.append(given[0]) or walk(*given))
    about = dict(points=9, fitted=9, directions=1, steps=2, step=0.1, hidden=4, epochs=1, learning_rate=0.1)
    queries = dataset_inference.dataset_inference(own, 1, **about)
    asked, fitted, part = (
        [row.numpy().tobytes() for row in inputs] for inputs in (*seen, own.inputs(torch.arange(len(own.part))))
    )
    assert len({*asked, *fitted}) == len(asked) + len(fitted) == 36
    assert [row in part for row in asked] == queries.extra["inside"].tolist()


@pytest.mark.parametrize("name", LEARNED)
def test_text_is_not_moved(name):
    study = Study("nlp", "thuocl", "smoke", device_name="cpu")
    script = runpy.run_path(str(REPOSITORY / "baselines.py"))
    _, constants = cli.resolve(script, "nlp", ["TIER=smoke", "DEVICE=cpu"])
    with pytest.raises(UnsuitedError, match=f"{name} moves inputs as numbers"):
        ROWS[name].queries(owner := Owner(study, name), 20, **baselines.own_constants(owner, ROWS[name], constants))


def test_one_step_of_the_universal_perturbation_is_a_step():
    model, inputs = linear_model(), images(200)
    found = fuap.universal(model, inputs, EVERYWHERE, BOUNDS, 0.1, 1.0, 1, 2)
    step, _ = fuap.deepfool_step(model, inputs, None, 2)
    torch.testing.assert_close(found, step.sum(0, keepdim=True).clamp(-0.1, 0.1))
