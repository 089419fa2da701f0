"""Attacks that no method was chosen on: what is trained on what, and that nothing else is about them."""

from dataclasses import replace

import pytest
import torch

from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import physical
from fingerprinting.evaluation import price_beside
from fingerprinting.models import source_model, stealing, stolen, suspects, trained
from fingerprinting.models.kinds import KINDS
from fingerprinting.study.study import SKIPPED, Study
from fingerprinting.training import quantising
from fingerprinting.training.trainer import predict
from tests.domains import changed

RECIPE = dict(epochs=1, learning_rate=1e-2)
STEP = dict(copies=1, quantise_copies=2, range_examples=64, **RECIPE)


@pytest.fixture
def trained_source(study) -> Study:
    source_model.source(study, weights="", **RECIPE)
    return study


def test_the_script_makes_all_of_them(run_here, study):
    words = ("TIER=smoke", "DATASET=digits", "WORKERS=1")
    assert run_here("cv/source.py", *words).returncode == 0
    done = run_here("cv/unseen.py", *words)
    assert done.returncode == 0 and "unseen: 5 models" in done.stdout
    found = suspects.there(study, "unseen")
    assert [model.model.architecture for model in found] == ["conv3", "mlp", "separable", "mlp", "separable"]
    assert {model.model.kind for model in found} == set(price_beside.UNSEEN)
    assert all(model in suspects.beside(study) for model in found)


def test_a_student_learns_the_sources_labels_of_the_other_data(trained_source):
    stolen.unseen(trained_source, **STEP)
    students = [model for model in suspects.there(trained_source, "unseen") if model.model.kind == "extract_other_data"]
    assert students
    inputs = trained_source.target_parts["attacker"].inputs
    source = trained.open_model(trained_source, trained_source.source_id)
    for model in students:
        settings = model.metadata["settings"]
        asked = {"inputs_of": "digits_corrupted", "inputs_sha256": trained_source.data_sha256(on_target=True)}
        assert settings["options"] == asked and settings["task"] == "digits"
        job = stealing.Job(model.model, trained_source.recipe(**RECIPE), asked, trained_source.source_id)
        part = KINDS[model.model.kind].prepare(trained_source, job).part
        assert torch.equal(part.inputs, inputs)
        assert torch.equal(part.targets, predict(source, inputs, trained_source.device).argmax(1))


def test_a_student_of_mixed_inputs_learns_the_sources_labels_of_them(trained_source):
    model = trained_source.model_id("extract_mixed", "mlp", 0)
    job = stealing.Job(model, trained_source.recipe(**RECIPE), {"mixed": True}, trained_source.source_id)
    part, again = (KINDS["extract_mixed"].prepare(trained_source, job).part for _ in range(2))
    assert torch.equal(part.inputs, again.inputs), "every student is asked about the same"
    whole = physical(trained_source.parts["attacker"].inputs)
    kept = (part.inputs == whole).flatten(1).double().mean(1)
    assert len(part) == len(whole) and 0.4 < kept.mean() < 0.95, "a part of each input stays where it was"
    source = trained.open_model(trained_source, trained_source.source_id)
    assert torch.equal(part.targets, predict(source, part.inputs, trained_source.device).argmax(1))


def test_an_int8_copy_is_kept_as_it_responds_and_is_nearly_the_source(trained_source):
    stolen.unseen(trained_source, **STEP)
    copies = [model for model in suspects.there(trained_source, "unseen") if model.model.kind == "quantise_int8"]
    assert len({model.metadata["sha256"] for model in copies}) == 2, "each took its ranges from other examples"
    test = trained_source.parts["test"].inputs
    source = trained.open_model(trained_source, trained_source.source_id)
    logits = predict(source, test, trained_source.device)
    for model in copies:
        opened = trained.open_model(trained_source, model.model)
        own = predict(opened, test, trained_source.device)
        assert torch.equal(own, suspects.ask(trained_source, model, test)), "as it was when it was made"
        assert not torch.equal(own, logits) and (own.argmax(1) == logits.argmax(1)).double().mean() > 0.95
        assert model.metadata["examples"] == model.metadata["seconds"] == 0
        layers = {path for path, layer in source.named_modules() if isinstance(layer, quantising.LAYERS)}
        scales = {name for name in opened.state_dict() if name.endswith(quantising.SCALE)}
        assert scales == {f"{path}.{quantising.SCALE}" for path in layers}
    assert stolen.unseen(trained_source, **STEP) is SKIPPED


def test_without_a_target_and_a_way_to_mix_there_are_int8_copies_alone(trained_source, monkeypatch, capsys):
    alone = changed(trained_source.domain, targets={"digits": ""}, mix=None)
    monkeypatch.setattr(Study, "domain", alone)
    stolen.unseen(replace(trained_source), **STEP)
    said = capsys.readouterr().out
    assert "digits has no transfer target, so no student is trained on the source's labels of other data" in said
    assert "cv mixes no inputs, so no student is trained on the source's labels of mixed ones" in said
    assert {model.model.kind for model in suspects.there(trained_source, "unseen")} == {"quantise_int8"}


def test_ranges_are_of_examples(study):
    with pytest.raises(UserError, match="RANGE_EXAMPLES=0 have no range; give 1 or more"):
        stolen.unseen(study, **{**STEP, "range_examples": 0})
