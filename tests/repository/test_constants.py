"""Constants of whatever text and size: the default's type, or one sentence; no batch of one."""

import math

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import nn

from fingerprinting import cli
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Examples
from fingerprinting.study.study import MANY, Study
from fingerprinting.training import objectives
from fingerprinting.training.recipe import Recipe
from fingerprinting.training.trainer import fit
from tests.training.toys import CPU, recipe, toy_data, toy_model

DEFAULTS = [3, 0.5, True, "plain", (0.1, 0.2), (1, 2), ("a", "b"), ()]
TEXTS = st.one_of(
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(
        ["nan", "inf", "-inf", "1e999", "-1", "-0.0", "True", "None", "３", "٣", "½", "1_000", "0x10", "3j"]
    ),
    st.lists(st.integers() | st.floats() | st.text(max_size=3), max_size=3).map(
        lambda items: ",".join(map(str, items))
    ),
    st.lists(st.integers() | st.booleans(), max_size=3).map(lambda items: repr(tuple(items))),
    st.text("()[]{},'\"\\0123456789abx-+. \n\0\udcff", max_size=12),
)


def fits(value, default) -> bool:
    if isinstance(default, tuple):
        return type(value) is tuple and all(fits(item, default[0] if default else "") for item in value)
    in_range = not isinstance(value, int | float) or 0 <= value < math.inf
    return type(value) is type(default) and in_range and (type(value) is not int or value < cli.TOO_MANY)


@hypothesis_settings(max_examples=1000)
@given(TEXTS, st.sampled_from(DEFAULTS))
@example("(" * 500, 3)
@example("-" * 50_000 + "1", 0.5)
@example("9" * 5_000, 3)
@example("1if 1else 2", 3)
@example("'\\d'", 3)
def test_whatever_the_text_the_value_has_the_defaults_type(text, default):
    try:
        value = cli._typed("NAME", text, default)
    except UserError as error:
        assert str(error).startswith("NAME=")
        return
    assert fits(value, default), value


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("EPOCHS=３", "EPOCHS=３ has the wrong type; give a whole number like"),
        ("EPOCHS=", "EPOCHS= has the wrong type"),
        ("EPOCHS=nan", "EPOCHS=nan has the wrong type"),
        ("EPOCHS=-1", "EPOCHS=-1 must not be negative or infinite"),
        ("LEARNING_RATE=1e999", "LEARNING_RATE=1e999 must not be negative or infinite"),
        ("LEARNING_RATE=nan", "LEARNING_RATE=nan has the wrong type"),
        ("EPOCHS=2147483648", "EPOCHS=2147483648 is too large; give a whole number below 2147483648"),
        ("SPLIT_SEED=99999999999", "SPLIT_SEED=99999999999 is too large"),
        ("WORKERS=100000", "WORKERS=100000 are too many processes; give "),
        ("BATCH_SIZE=1", "BATCH_SIZE=1 is too few for batch norm; give 2 or more"),
        ("BATCH_SIZE=0", "BATCH_SIZE=0 trains nothing; give more than 0"),
        ("LEARNING_RATE=0", "LEARNING_RATE=0.0 trains nothing"),
        ("DEVICE=meta", "device 'meta' cannot be used here; try DEVICE=cpu or DEVICE=auto"),
        ("DEVICE=CPU", "device 'CPU' cannot be used here"),
        ("DEVICE=", "device '' cannot be used here"),
        ("TIER=SMOKE", "unknown TIER 'SMOKE'; take one of smoke"),
    ],
)
def test_a_script_refuses_it_in_one_sentence_and_writes_nothing(run_here, tmp_path, word, said):
    ended = run_here("cv/source.py", "DATASET=digits", "WORKERS=1", "TIER=smoke", word)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1) and ended.stderr.startswith(said)
    assert not (tmp_path / "artifacts").exists() and not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["meta", "cuda:99", "xpu", "hpu", "mps", "nonsense", "cpu cpu", "privateuseone"])
def test_devices_that_are_not_there_are_one_sentence(name):
    with pytest.raises(UserError, match=f"device '{name}' cannot be used here"):
        runtime.device(name)


def test_many_workers_are_allowed_and_more_are_not():
    assert Study("cv", "digits", "smoke", workers=MANY).at_a_time == MANY
    with pytest.raises(UserError, match="too many processes"):
        Study("cv", "digits", "smoke", workers=10**6)


@pytest.mark.parametrize("count", [0, 1])
def test_a_part_of_one_example_or_none_is_refused(count):
    part = Examples(*(value[:count] for value in vars(toy_data()).values()))
    with pytest.raises(UserError, match=f"a model is to be trained on {count} examples; give its part or share 2 or"):
        fit(toy_model(), part, toy_data(), objectives.cross_entropy, recipe(), "a model", CPU)


@pytest.mark.parametrize(("count", "size"), [(2, 2), (3, 2), (5, 4), (2, 128), (129, 128)])
def test_no_batch_has_one_example(count, size):
    """Not the last one either, nor that of a part that is smaller than a batch."""
    model, sizes = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 2)), []

    def objective(model, inputs, labels):
        sizes.append(len(inputs))
        return objectives.cross_entropy(model, inputs, labels)

    fit(model, toy_data(count), toy_data(), objective, Recipe(2, 1e-2, size, 0.0, 0, False), "a model", CPU)
    assert min(sizes) >= 2
