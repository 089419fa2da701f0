"""What a theft begins from."""

import pytest
import torch
from test_suspects import save_model

from fingerprinting import attacks
from fingerprinting.attacks import KINDS, Job
from fingerprinting.training import predict

OPTIONS = {"temperature": 2.0, "epsilon": 0.03, "pgd_steps": 1}


@pytest.mark.parametrize("kind", ["extract_labels", "extract_probabilities", "extract_adversarial"])
def test_a_student_begins_the_same_whether_the_sources_answers_were_kept_or_must_be_asked(study, kind):
    save_model(study, study.source_id)
    job = Job(study.model_id(kind, "mlp", 0), study.recipe(1, 0.01), OPTIONS, study.source_id)
    asked, kept = (KINDS[kind].prepare(study, job) for _ in range(2))
    assert list((study.artifacts / "answers").rglob("*.safetensors"))
    for one, other in zip(asked.model.parameters(), kept.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(asked.part.targets, kept.part.targets)


def test_a_student_of_a_share_has_the_sources_labels_of_what_was_asked_alone(study):
    """And the share is nested: what a thief who asks little has, one who asks more has too."""
    save_model(study, study.source_id)
    source = attacks.open_model(study, study.source_id)
    inputs = {}
    for share in (0.1, 1.0):
        model = study.model_id("extract_sweep", "mlp", 0, f"share_{share:g}")
        job = Job(model, study.recipe(1, 0.01), {"share": share}, study.source_id)
        part = KINDS["extract_sweep"].prepare(study, job).part
        assert torch.equal(part.targets, predict(source, part.inputs, study.device).argmax(1))
        inputs[share] = {row.numpy().tobytes() for row in part.inputs}
    assert inputs[0.1] < inputs[1.0] and len(inputs[0.1]) == round(0.1 * len(study.parts["attacker"]))


def test_initial_weights_are_those_of_the_name(study):
    names = [study.model_id("irrelevant", "mlp", copy) for copy in (0, 0, 1)]
    first, again, other = (next(attacks.fresh(study, Job(name, study.recipe(1, 0.01))).parameters()) for name in names)
    assert torch.equal(first, again) and not torch.equal(first, other)
