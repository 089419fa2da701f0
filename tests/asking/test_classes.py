"""What a suspect says, and the class that it means."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.asking.classes import Classes, read_map
from fingerprinting.asking.respondent import LONGEST
from fingerprinting.core.errors import UserError

NAMES = ("ankle boot", "bag", "7")
OWN = Classes(NAMES)


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("bag", 1),
        ("BAG ", 1),
        (0, 0),
        ("0", 0),
        (1.0, 1),
        (7, 2),  # as a class is called
        (3, None),
        (-1, None),
        (0.5, None),
        (True, None),
        (None, None),
        ("", None),
        ("sorry", None),
        ([0.1, 0.2, 0.7], 2),
        ([[0.1, 0.7, 0.2]], 1),
        ([-5, -1, -3], 1),
        ([0.1, 0.9], None),  # of another number of classes
        ([0.1, float("nan"), 0.9], None),
        ([0.1, float("inf"), 0.9], None),
        (["bag"], 1),
        ({"label": "bag", "score": 0.3}, 1),
        ([{"label": "bag", "score": 0.3}, {"label": 0, "score": 0.6}], 0),
        ([{"label": "bag", "score": "x"}, {"label": 0, "score": float("nan")}], 1),
        ({"label": {"label": 1}}, None),
        ("[0.1, 0.2, 0.7]", 2),
        ("[" * 3_000, None),
        ("9" * 5_000, None),
        ([0.1, 10**400, 0.2], None),
        ([{"label": "bag", "score": 10**400}, {"label": 0, "score": 0.6}], 0),
        ({"place": 1, "of": 3}, 1),
        ({"place": 5, "of": 3}, None),
        ({"place": -3, "of": 3}, None),
    ],
)
def test_what_is_said_means_a_class_or_none(said, label):
    found = OWN.response(said)
    assert found.label == label == OWN.label(found.raw) and len(found.raw) <= LONGEST


def test_of_many_probabilities_the_highest_is_kept():
    names = tuple(f"class {place}" for place in range(1_000))
    said = np.random.default_rng(0).normal(size=1_000).tolist()
    found = Classes(names).response(said)
    assert found.label == int(np.argmax(said)) and json.loads(found.raw)["of"] == 1_000
    assert Classes(names[:9]).label(found.raw) is None


def test_classes_called_as_other_classes_places_are_taken_by_name_alone():
    stars = Classes(("1", "2", "3"))
    assert [stars.response(said).label for said in (1, "3", 0, [0.1, 0.2, 0.7])] == [0, 2, None, 2]


def test_a_map_alone_counts_where_there_is_one(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"tote": "bag", "Boot": 0, "2": "7"}))
    mapped = Classes(NAMES, read_map(path, NAMES))
    said = ["TOTE", "boot", 2, [0.1, 0.2, 0.7, 0.0], "bag", 0]
    assert [mapped.response(one).label for one in said] == [1, 0, 2, 2, None, None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "is no JSON object like"),
        ("{}", "is no JSON object like"),
        ("nonsense", "is no JSON object like"),
        ('{"tote": "hat"}', "maps 'tote' to 'hat', which is no class; take ankle boot, bag, 7"),
        ('{"tote": [1]}', "maps 'tote' to .1., which is no class"),
        ('{"tote": true}', "maps 'tote' to True, which is no class"),
        ('{"tote": "bag", " tote": "7"}', "names what the suspect says twice"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(tmp_path, text, said):
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(UserError, match=said):
        read_map(tmp_path / "map.json", NAMES)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=8) | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["label", "score", "x"]), inner),
)


@given(values)
def test_whatever_is_said_it_means_the_same_when_it_is_read_again(said):
    found = OWN.response(said)
    assert found.label == OWN.label(found.raw) and (found.label is None or found.label in range(len(NAMES)))


@given(st.text(min_size=1, max_size=9), st.text(min_size=1, max_size=9))
def test_words_of_another_task_are_equal_where_they_are_written_alike(one, other):
    unknown = Classes(None)
    labels = [unknown.label(word) for word in (one, other)]
    if one.strip() and other.strip():
        assert (labels[0] == labels[1]) == (one.strip() == other.strip())
    assert Classes(None).label("[0.2, 0.8]") == Classes(None).label("1")
