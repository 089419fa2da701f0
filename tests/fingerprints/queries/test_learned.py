"""FUAP, MetaFinger, IrisFP and Dataset Inference end to end, with reference models on scikit-learn's digits.

Each one's formulas stand in a file of its own.
"""

import runpy

import pytest
import torch

from fingerprinting import cli
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.fingerprints import baselines, store
from fingerprinting.fingerprints.owner import Owner, UnsuitedError
from fingerprinting.fingerprints.queries import dataset_inference, fuap, irisfp, metafinger
from fingerprinting.fingerprints.representations import code, perceptron
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.methods import METHODS, ROWS
from fingerprinting.models import reference as own_models
from fingerprinting.models import source_model, suspects, trained
from fingerprinting.models.kinds import KINDS
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict

pytestmark = pytest.mark.slow  # reference models are trained first
LEARNED = ("fuap", "metafinger", "irisfp", "dataset_inference")


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
    own, about = (
        owner("metafinger"),
        dict(steps=3, learning_rate=0.1, alpha=1.0, sampled=1, anchor="source", noise=0.05),
    )
    every, few = (metafinger.metafinger(own, n, candidates=18 / n, **about).inputs for n in (18, 6))
    assert torch.equal(few, every[:6])
    labels = own.source(every).argmax(1)
    true, false = (
        torch.stack([own.ask(m, every).argmax(1) == labels for m in metafinger.validating(own.references(role))])
        for role in ("pirated", "independent")
    )
    merit = true.double().mean(0) - false.double().mean(0)
    assert (merit.diff() <= 0).all() and merit[0] > merit[-1]


def test_another_anchor_is_refused(owner):
    about = dict(candidates=1, steps=1, learning_rate=0.1, alpha=1.0, sampled=1, anchor="twin", noise=0.05)
    with pytest.raises(UserError, match="METAFINGER_ANCHOR=twin is unknown; take stolen or source"):
        metafinger.metafinger(owner("metafinger"), 4, **about)


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


@pytest.mark.parametrize("fooled", [0.0, 1.0])
def test_fuap_says_when_its_perturbation_fools_less_than_was_asked_for(owner, capsys, fooled):
    about = dict(xi=0.02, fooled=fooled, points=40, steps=1, nearest=2, views=1, hidden=4, code=2)
    own = owner("fuap")
    queries = fuap.fuap(own, 8, temperature=0.1, epochs=1, learning_rate=0.1, **about)
    rate = queries.notes["fooling_rate"]
    assert rate * 40 == pytest.approx(round(rate * 40)) and 0 <= rate < 1
    warned = f"label for {rate:.0%} of 40 inputs, not for the 100% that FUAP_FOOLED asks for"
    assert (warned in capsys.readouterr().out) == (fooled == 1)


def test_the_fooling_rate_is_the_share_of_labels_that_change(owner):
    own = owner("fuap")
    inputs = own.inputs(own.drawn(30))
    perturbation = 0.4 * torch.randn(inputs[:1].shape, generator=torch.Generator().manual_seed(0))
    changed = 0
    for one in inputs:
        before, after = (own.source(some[None]).argmax() for some in (one, (one + perturbation[0]).clamp(0, 1)))
        changed += int(before != after)
    assert fuap.fooling_rate(own, inputs, perturbation, (0.0, 1.0)) == pytest.approx(changed / 30)
    assert changed


def test_dataset_inference_is_fitted_on_other_examples_than_it_asks_about(owner, monkeypatch):
    seen, noises, own = [], dataset_inference.noises, owner("dataset_inference")
    monkeypatch.setattr(dataset_inference, "noises", lambda *given: seen.append(given[0]) or noises(*given))
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
