"""A study with other constants, another pool or another split shares nothing with the usual one."""

import pytest

from fingerprinting.core.errors import UserError
from fingerprinting.models import trained
from fingerprinting.reports import pages
from fingerprinting.study.study import Study, apart, tier_of


def test_its_models_and_records_lie_apart():
    usual = Study("cv", "digits", "smoke")
    other = Study("cv", "digits", "smoke", variant="many_passes", pool=120, split_seed=1)
    assert (usual.zoo, apart(usual.zoo)) == ("smoke", [])
    assert other.folder == "cv/digits/smoke-many_passes-pool_120-split_1"
    assert tier_of(other.zoo) == tier_of(usual.zoo) == "smoke"
    assert apart(other.zoo) == ["VARIANT=many_passes", "POOL=120", "SPLIT_SEED=1"]
    assert not other.source_id.path.is_relative_to(usual.artifacts)
    assert pages.heading(other.folder) == "cv digits, VARIANT=many_passes, POOL=120, SPLIT_SEED=1"


def test_commands_name_what_sets_it_apart():
    other = Study("cv", "digits", "smoke", variant="many_passes", pool=120)
    with pytest.raises(UserError, match="python cv/source.py DATASET=digits TIER=smoke VARIANT=many_passes POOL=120$"):
        trained.metadata_of(other, other.source_id)


def test_a_pool_is_drawn_from_the_same_training_set():
    usual, few = Study("cv", "digits", "smoke"), Study("cv", "digits", "smoke", pool=120)
    assert sum(len(few.parts[name]) for name in ("owner", "attacker", "reference")) == pytest.approx(120, abs=10)
    trained_on, whole = (
        {image.numpy().tobytes() for name in ("owner", "attacker", "reference") for image in study.parts[name].inputs}
        for study in (few, usual)
    )
    assert trained_on < whole
    assert few.data_sha256(on_target=False) != usual.data_sha256(on_target=False)


@pytest.mark.parametrize("variant", ["Many", "a/b", "split_2", "pool_9", "x-y", "a" * 41])
def test_a_variant_that_cannot_name_a_study_is_refused(variant):
    with pytest.raises(UserError, match="cannot name a study; take up to 40 small letters, digits and _"):
        Study("cv", "digits", "smoke", variant=variant)


def test_where_another_architecture_suits_the_source_it_changes_places():
    usual, other = Study("bci", "scp1", "cpu"), Study("bci", "eyes", "cpu")
    assert (usual.source_architecture, other.source_architecture) == ("ccnn_small", "deep")
    assert usual.source_architecture in other.students and other.source_architecture not in other.students
    assert sorted(usual.architectures) == sorted(other.architectures)
