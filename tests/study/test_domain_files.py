"""A domain file of somebody's own: what it declares wrongly is one sentence, a bug in it keeps its traceback."""

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import cv.domain
from fingerprinting import cli
from fingerprinting.core.errors import UserError
from fingerprinting.study.domain import FIELDS, Architecture, holder_of, load_domain
from fingerprinting.study.study import Study
from tests.domains import changed

FILE = """
import cv.domain
from tests.domains import changed
from fingerprinting.study.domain import Architecture, Data, Domain

OLD = cv.domain.DOMAIN
DOMAIN = changed(OLD, name="mine"{changes})
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """own(text) -> the address of a domain file with that text."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(text: str) -> str:
        (tmp_path / "my_domain.py").write_text(text)
        return str(tmp_path / "my_domain.py")

    return write


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def broken(:\n    pass\n", "my_domain.py, line 1, is no Python: "),
        ("x = 1\n  y = 2\n", "my_domain.py, line 2, is no Python: unexpected indent"),
        ("import broken_beside\n", "broken_beside.py, line 1, is no Python: "),
        ("x = '\0'\n", "my_domain.py is no Python: it holds a zero byte"),
        ("import no_such_package\n", "imports no_such_package, which is not there; install it or put it beside"),
        (
            "from fingerprinting.domain import Domain\n",
            "imports fingerprinting.domain, which version 0.2 has elsewhere; see CHANGELOG.md",
        ),
        ("", "my_domain.py defines no DOMAIN; see cv/domain.py for what one looks like"),
        ("DOMAIN = {'name': 'mine'}\n", "my_domain.py defines no DOMAIN"),
        ("from fingerprinting.study.domain import Domain as DOMAIN\n", "my_domain.py defines no DOMAIN"),
        (FILE.format(changes=", colour='red'"), "unexpected keyword argument 'colour'; see cv/domain.py"),
        (
            FILE.format(changes="") + "DOMAIN = Domain(name='mine')\n",
            "Domain missing 3 required positional arguments: 'data', 'networks', and 'inputs'",
        ),
        ("from fingerprinting.study.domain import Data\nData(load=len)\n", "Data missing 4 required positional"),
        (
            FILE.format(changes="") + "DOMAIN = Domain(name='mine', load=len, prepare=len)\n",
            "my_domain.py: load= is no field of a Domain but of its data=Data(...); see cv/domain.py",
        ),
        (
            FILE.format(changes="") + "from dataclasses import replace\nreplace(OLD, mix=None)\n",
            "my_domain.py: mix= is no field of a Domain but of its inputs=Inputs(...); see cv/domain.py",
        ),
        (FILE.format(changes="") + "Architecture(head='2')\n", "missing 1 required positional argument: 'build'"),
    ],
)
def test_a_file_that_is_no_domain_is_one_sentence(own, tmp_path, text, said):
    (tmp_path / "broken_beside.py").write_text("def broken(:\n")
    with pytest.raises(UserError) as refused:
        load_domain(own(text))
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["1 / 0\n", "[][3]\n", "print.colour\n", "len(3)\n"])
def test_a_bug_in_the_file_keeps_its_traceback(own, text):
    with pytest.raises((ZeroDivisionError, IndexError, AttributeError, TypeError)):
        load_domain(own(text))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ("name=3", "name=3 of domain 3 must be a text that can name a folder"),
        ("name='a/b'", "name='a/b' of domain 'a/b' must be a text that can name a folder"),
        ("name='..'", "must be a text that can name a folder"),
        ("name=''", "must be a text that can name a folder"),
        ("data=3", "data= of domain 'mine' must be Data(...)"),
        ("inputs=OLD.data", "inputs= of domain 'mine' must be Inputs(...)"),
        ("load='load'", "load='load' of domain 'mine' must be a function"),
        ("mix=3", "mix=3 of domain 'mine' must be a function or None"),
        ("datasets='blobs'", "datasets='blobs' of domain 'mine' must be a dict from tiers to names of data sets"),
        ("datasets={'gpu': 'blobs'}", "datasets= of mine names tier 'gpu'; tiers are smoke, quick, cpu, paper"),
        ("targets=['blobs']", "must be a dict from data sets to their targets"),
        ("targets={'blobs': None}", "must be a dict from data sets to their targets, '' where none is"),
        ("pool_size={'smoke': 0}", "must be a dict from tiers to counts above 0, or None for all"),
        ("pool_size={'smok': 3}", "pool_size= of mine names tier 'smok'"),
        ("architectures={}", "architectures={} of domain 'mine' must be a dict from names to Architectures"),
        ("architectures={'net': print}", "must be a dict from names to Architectures, one at least"),
        ("architectures={'my/net': OLD.networks.architectures['mlp']}", "architecture 'my/net' of mine names files"),
        ("source='mlp'", "source='mlp' of domain 'mine' must be a dict from tiers to an architecture's name"),
        ("students={'smoke': 'mlp'}", "must be a dict from tiers to tuples of architectures' names, one at least"),
        ("students={'smoke': ()}", "must be a dict from tiers to tuples of architectures' names, one at least"),
        ("input_range=(1.0, 0.0)", "input_range=(1.0, 0.0) of domain 'mine' must be the lowest and the highest number"),
        ("input_range=(0, float('inf'))", "must be the lowest and the highest number of an input, or None"),
        ("input_range='0 to 1'", "must be the lowest and the highest number of an input, or None"),
        ("constants=[3]", "constants=[3] of domain 'mine' must be a dict of constants"),
        ("lexicons='synonyms'", "lexicons='synonyms' of domain 'mine' must be a tuple of names"),
        ("architectures={'net': Architecture(3, 'fc')}", "an Architecture has build=, a function, head="),
        ("architectures={'net': Architecture(print, 'fc', 'conv')}", "and prunable=, a tuple of paths"),
    ],
)
def test_a_field_of_the_wrong_kind_is_one_sentence(own, changes, said):
    text = FILE.format(changes=f", {changes}").replace('name="mine", name=', "name=")
    with pytest.raises(UserError) as refused:
        load_domain(own(text))
    assert said in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ("pool_size={'quick': 3}", "mine names no pool_size for tier smoke; add it to pool_size= of its DOMAIN"),
        ("source={'quick': 'mlp'}", "mine names no source for tier smoke; add it to source= of its DOMAIN"),
        ("students={'quick': ('mlp',)}", "mine names no students for tier smoke; add it to students= of its DOMAIN"),
        ("source={'smoke': 'net'}", "unknown architecture 'net'; mine has conv3, mlp"),
        ("datasets={'quick': 'digits'}", "mine names no datasets for tier smoke; add it to datasets="),
        ("constants={'COLOUR': 3}", "no step knows constant COLOUR of mine; constants= may hold BATCH_SIZE, WEIGHT"),
        (
            "constants={'BATCH_SIZE': 'big'}",
            "constant BATCH_SIZE='big' of mine has the wrong type; give a whole number",
        ),
        (
            "constants={'AUGMENT': {'quick': True}}",
            "AUGMENT has values for quick; give one for each tier: smoke, quick",
        ),
        ("constants={'AUGMENT': {'smoke': True, 'gpu': True}}", "AUGMENT has values for smoke, gpu; give one for each"),
        ("constants={'AUGMENT': {'smok': True}}", "AUGMENT has values for smok, which are neither tiers (smoke"),
    ],
)
def test_what_is_missing_for_a_tier_is_said(own, changes, said):
    address = own(FILE.format(changes=f", {changes}"))
    words = ["TIER=smoke"] + ([] if changes.startswith("datasets") else ["DATASET=digits"])
    with pytest.raises(UserError) as refused:
        study, _ = cli.resolve({"DOMAIN": address}, "", words)
        assert study.parts
        for name in (study.source_architecture, *study.students):
            study.domain.architecture(name)
    assert said in str(refused.value)


def test_a_load_that_finds_no_file_says_which(own):
    text = FILE.format(changes=", load=lambda name: open('/no/such/file'), targets={'blobs': ''}")
    with pytest.raises(UserError, match=r"load\('blobs'\) of mine finds no /no/such/file; put it there"):
        Study(own(text), "blobs", "smoke").parts  # noqa: B018


def test_a_load_with_a_bug_keeps_its_traceback(own):
    text = FILE.format(changes=", load=lambda name: 1 / 0, targets={'blobs': ''}")
    with pytest.raises(ZeroDivisionError):
        Study(own(text), "blobs", "smoke").parts  # noqa: B018


def test_a_load_that_returns_something_else_is_told(own):
    text = FILE.format(changes=", load=lambda name: (1, 2), targets={'blobs': ''}")
    with pytest.raises(UserError, match=r"load\('blobs'\) of mine returned a tuple; it must return a Dataset"):
        Study(own(text), "blobs", "smoke").parts  # noqa: B018


@pytest.mark.parametrize("name", [".", "..", "a\\b", "a\nb", "a\0b", "x" * 101, " "])
def test_a_data_set_that_would_lie_elsewhere_is_refused(name):
    with pytest.raises(UserError, match="cannot be the name of a folder"):
        Study("cv", name, "smoke")


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just(print)
    | st.just(torch.ones(2)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=2),
    max_leaves=4,
)


@hypothesis_settings(max_examples=400)
@given(st.sampled_from(sorted(FIELDS)), anything)
def test_whatever_a_field_is_it_fits_or_is_one_sentence(field, value):
    try:
        domain = changed(cv.domain.DOMAIN, **{"name": "mine", field: value})
    except UserError as error:
        assert "\n" not in str(error) and len(str(error)) < 300
        return
    part = holder_of(field)
    assert getattr(getattr(domain, part) if part else domain, field) is value


@hypothesis_settings(max_examples=200)
@given(anything, anything, anything)
def test_whatever_an_architecture_is_it_fits_or_is_one_sentence(build, head, prunable):
    try:
        assert Architecture(build, head, prunable).head == head
    except UserError as error:
        assert str(error).startswith("an Architecture has build=")
