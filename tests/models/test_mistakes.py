"""What the source gets wrong, and mixtures of it: made, counted and refused before any twin is trained."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fingerprinting.core.runtime import UserError
from fingerprinting.data.datasets import physical
from fingerprinting.models import build, costs, mistakes, trained, twins
from fingerprinting.models.kinds import Job
from fingerprinting.models.mistakes import Candidates
from fingerprinting.models.source_model import source
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict

RECIPE = dict(epochs=1, learning_rate=1e-2)


@pytest.fixture
def asked(study: Study) -> Study:
    source(study, weights="", **RECIPE)
    return study


@pytest.fixture
def few(asked: Study, monkeypatch):
    """few(count): the source makes that many mistakes, on held-out examples."""
    all_of_them = mistakes.of_source

    def only(count: int) -> Study:
        def first(study: Study, source: torch.nn.Module) -> Candidates:
            found = all_of_them(study, source)
            kept = (found.inputs, found.truth, found.group, found.of_reference)
            return Candidates(*(part[:count] for part in kept))

        monkeypatch.setattr(mistakes, "of_source", first)
        return asked

    return only


def rows(inputs: torch.Tensor) -> list[bytes]:
    return [row.numpy().tobytes() for row in inputs]


def test_mistakes_are_those_of_all_parts_that_the_owner_has(asked):
    model = trained.open_model(asked, asked.source_id)
    found = mistakes.of_source(asked, model)
    wrong = {
        name: int((predict(model, part.inputs, asked.device).argmax(1) != part.targets).sum())
        for name, part in asked.parts.items()
    }
    expected = [wrong["dev"] + wrong["reference"], wrong["owner"]]
    assert np.bincount(found.group, minlength=2).tolist() == expected and len(found) == sum(expected) > 1
    reference = set(rows(physical(asked.parts["reference"].inputs)))
    assert [row in reference for row in rows(found.inputs)] == found.of_reference.tolist()
    assert found.of_reference.sum() == wrong["reference"] > 0


def test_there_are_no_mixtures_where_mistakes_suffice(few, monkeypatch):
    study = few(8)
    monkeypatch.setattr(mistakes, "FEWEST", 8)
    assert len(mistakes.candidates(study, 8)) == 8


def test_few_mistakes_are_followed_by_mixtures_that_the_source_gets_wrong_too(few):
    study = few(8)
    found, again = mistakes.candidates(study, 200), mistakes.candidates(study, 200)
    assert torch.equal(found.inputs, again.inputs) and torch.equal(found.truth, again.truth)
    assert found.group.tolist() == sorted(found.group) and (found.group < mistakes.OF_MIXTURES).sum() == 8
    assert len(found) > 50 and len(set(rows(found.inputs))) == len(found), "no input twice"
    labels = predict(trained.open_model(study, study.source_id), found.inputs, study.device).argmax(1)
    assert (labels != found.truth).all()


def test_a_mixture_with_a_piece_of_the_reference_part_is_of_it(asked, monkeypatch):
    mixed, pieces = asked.domain.inputs.mix, []

    def mix(first: torch.Tensor, second: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        pieces.append((rows(first), rows(second)))
        return mixed(first, second, draw)

    own = mistakes.of_source(asked, trained.open_model(asked, asked.source_id))
    found = mistakes.mixed(asked, own, mix)
    reference = set(rows(physical(asked.parts["reference"].inputs)))
    of_reference = [bool({below, above} & reference) for below, above in zip(*pieces[0], strict=True)]
    assert 0 < found.of_reference.sum() < len(found) <= len(of_reference)
    assert found.of_reference[: len(of_reference)].sum() <= sum(of_reference)
    monkeypatch.setattr(mistakes, "first_of_its_content", lambda inputs, _: torch.arange(len(inputs)))
    assert mistakes.mixed(asked, own, mix).of_reference.tolist() == of_reference


def test_mixtures_are_of_held_out_mistakes_where_there_are_some(asked, monkeypatch):
    given: list[torch.Tensor] = []
    mixed = asked.domain.inputs.mix

    def mix(first: torch.Tensor, second: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        assert all(not torch.equal(*pair) for pair in zip(first, second, strict=True))
        given.extend((first, second))
        return mixed(first, second, draw)

    domain = replace(asked.domain, inputs=replace(asked.domain.inputs, mix=mix))
    monkeypatch.setitem(asked.__dict__, "domain", domain)
    monkeypatch.setattr(mistakes, "FEWEST", 2)
    own = mistakes.of_source(asked, trained.open_model(asked, asked.source_id))
    mistakes.candidates(asked, 10_000)
    assert set(rows(torch.cat(given))) <= set(rows(own.inputs[own.group == mistakes.OF_HELD_OUT]))


@pytest.mark.parametrize("step", ["twins", "pairs"])
def test_too_few_are_refused_before_anything_is_trained(few, monkeypatch, step):
    study = few(1)
    monkeypatch.setattr(build, "train", lambda *_: pytest.fail("trained"))
    constants = {
        "twins": dict(
            copies=1, other_copies=0, other_epochs=1, transfer_copies=0, transfer_epochs=1, transfer_learning_rate=1e-2
        ),
        "pairs": dict(copies=1, students=1, parts=("owner",), shares=(1.0,)),
    }
    with pytest.raises(UserError, match="too few inputs that the source gets wrong: 1, .* hold out more data"):
        getattr(twins, step)(study, **constants[step], **RECIPE)


def test_a_domain_that_does_not_mix_has_its_mistakes(few, monkeypatch):
    study = few(8)
    monkeypatch.setitem(study.__dict__, "domain", replace(study.domain, inputs=replace(study.domain.inputs, mix=None)))
    with pytest.raises(UserError, match="gets wrong: 8,"):
        mistakes.candidates(study, 100)


def test_the_price_is_in_the_sources_updates_and_seconds(asked):
    own = trained.metadata_of(asked, asked.source_id)
    recipe = asked.recipe(own["epochs"], 1e-2)
    jobs = [Job(asked.model_id("twin", "conv3", copy), recipe, {"part": "owner"}) for copy in range(3)]
    said = costs.expected(asked, jobs)
    assert said.startswith(f"3 models, about 3.0 x the source's training of {costs.duration(own['seconds'])}: ")
    assert said.endswith(f"{costs.duration(3 * own['seconds'])} in all; 1 at a time")


def test_of_a_source_that_was_trained_elsewhere_no_time_is_known(asked, monkeypatch):
    monkeypatch.setattr(costs.trained, "metadata_of", lambda *_: {"examples": 0})
    jobs = [Job(asked.source_id, asked.recipe(1, 1e-2), {"part": "owner"})]
    assert costs.expected(asked, jobs).endswith("which was elsewhere and is not recorded")


@pytest.mark.parametrize(
    ("seconds", "said"), [(7.4, "7 s"), (119, "119 s"), (120, "2 min"), (7_100, "118 min"), (9_000, "2.5 h")]
)
def test_a_duration_has_the_unit_that_fits(seconds, said):
    assert costs.duration(seconds) == said
