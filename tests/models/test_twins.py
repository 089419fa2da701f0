"""Twins and matched pairs: what is trained, on what, with which seeds, and what a user is told."""

import re

import pytest
import torch

from fingerprinting.core.errors import UserError
from fingerprinting.models import stealing, suspects, twins
from fingerprinting.models.kinds import KINDS, Job, seed_name
from fingerprinting.models.source_model import source
from fingerprinting.study.study import Study

RECIPE = dict(epochs=1, learning_rate=1e-2)
UNMOVED = dict(transfer_copies=0, transfer_epochs=1, transfer_learning_rate=1e-2)


@pytest.fixture
def planned(monkeypatch) -> dict[str, list[Job]]:
    """Step -> its jobs, which are not trained."""
    found: dict[str, list[Job]] = {}
    monkeypatch.setattr(twins, "train", lambda _study, step, jobs: found.update({step: jobs}))
    return found


def made_twins(study: Study, **constants) -> None:
    twins.twins(study, **{"copies": 3, "other_copies": 0, "other_epochs": 2, **UNMOVED, **RECIPE, **constants})


def made_pairs(study: Study, **constants) -> None:
    twins.pairs(
        study, **{"copies": 2, "students": 1, "parts": ("reference",), "shares": (1.0, 0.5), **RECIPE, **constants}
    )


def test_a_trained_twin_has_the_sources_settings_and_other_weights(study, capsys):
    source(study, weights="", **RECIPE)
    made_twins(study, copies=1, other_copies=1)
    said = capsys.readouterr().out
    assert "twins are trained with" not in said
    assert "twins: 2 models, about 2.0 x the source's training of" in said
    assert re.search(r"twins: 2 models took [\d.]+ x the source's training of", said)
    (twin,), (other,) = suspects.there(study, "twin"), suspects.there(study, "sweep")
    own = suspects.source_of(study)
    assert twin.metadata["settings"] == own.metadata["settings"] and twin.metadata["sha256"] != own.metadata["sha256"]
    assert other.model.kind == "other_recipe_twin" and other.metadata["settings"]["recipe"]["epochs"] == 2
    made_twins(study, copies=1, epochs=3)
    assert "twins are trained with EPOCHS=3, the source with 1" in capsys.readouterr().out


def test_twins_of_a_source_that_was_trained_elsewhere_are_said_to_need_its_recipe(study, planned, monkeypatch, capsys):
    told = {"settings": {"options": {"weights_sha256": "0"}, "recipe": {}}}
    monkeypatch.setattr(twins.trained, "metadata_of", lambda *_: told)
    made_twins(study)
    assert "the source was trained elsewhere" in capsys.readouterr().out and len(planned["twins"]) == 3


def test_a_pair_differs_in_origin_alone(study, planned):
    made_pairs(study)
    jobs = planned["pairs"]
    assert len(jobs) == 2 * 2 * 2
    for independent, stolen in zip(jobs[::2], jobs[1::2], strict=True):
        assert (independent.model.kind, stolen.model.kind) == twins.PAIR
        assert (independent.recipe, independent.options) == (stolen.recipe, stolen.options)
        assert independent.parent is None and stolen.parent == study.source_id
        assert seed_name(independent.model) == seed_name(stolen.model)
        fresh = [stealing.fresh(study, job).state_dict() for job in (independent, stolen)]
        assert all(torch.equal(fresh[0][name], fresh[1][name]) for name in fresh[0])
    assert len({seed_name(job.model) for job in jobs}) == len(jobs) // 2
    shares = {job.options["draw"] for job in jobs if job.options.get("share")}
    assert shares == {"pair 0", "pair 1"}, "each copy draws other examples, both of its models the same"


@pytest.mark.parametrize(
    ("constants", "said"),
    [
        (dict(shares=(0.0,)), "SHARES=.* must be above 0"),
        (dict(parts=("attacker",)), "PARTS names attacker; an owner has owner, reference, or both: owner\\+reference"),
    ],
)
def test_pairs_that_no_owner_can_train_are_refused(study, planned, constants, said):
    with pytest.raises(UserError, match=said):
        made_pairs(study, **constants)


def test_neither_is_scored():
    assert {KINDS[name].use for name in ("twin", *twins.PAIR)} == {"twin", "pair"}
