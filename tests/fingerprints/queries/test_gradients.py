"""Baselines that move inputs by the source's gradients: in range, repeatable, and counting the models they used."""

import pytest
import torch

from fingerprinting.fingerprints import owner as owners
from fingerprinting.fingerprints.owner import Owner, UnsuitedError
from fingerprinting.methods import METHODS, ROWS
from fingerprinting.study.study import Study
from tests.fingerprints.queries.perceptrons import CONSTANTS

OUTPUTS = {"modeldiff": ["probabilities", "logits", "logits"], "adv_tra": ["labels", "labels"]}  # else one, labels


@pytest.mark.parametrize("name", CONSTANTS)
def test_queries_are_inside_the_range_and_the_same_again(owner, name):
    first, second = (ROWS[name].queries(owner(name), 20, **CONSTANTS[name]) for _ in range(2))
    assert torch.equal(first.inputs, second.inputs) and torch.equal(first.truth, second.truth)
    assert first.inputs.min() >= 0 and first.inputs.max() <= 1
    assert len(first.inputs) == len(first.truth) <= 20
    started = {row.numpy().tobytes() for row in owners.physical(owner(name).part.inputs)}
    assert sum(row.numpy().tobytes() not in started for row in first.inputs) >= 10


@pytest.mark.parametrize("name", CONSTANTS)
def test_text_suits_none_of_them(name):
    with pytest.raises(UnsuitedError, match="moves inputs as numbers"):
        ROWS[name].queries(Owner(Study("nlp", "thucnews", "smoke"), name), 10, **CONSTANTS[name])


@pytest.mark.parametrize("name", CONSTANTS)
def test_reference_models_are_counted_where_they_are_used(owner, name):
    used = owner(name)
    ROWS[name].queries(used, 10, **CONSTANTS[name])
    assert [model.metadata["seconds"] for model in used.used.values()] == ([2.0] * 4 if name == "cae" else [])
    assert all("/reference_" in model for model in used.used)


@pytest.mark.parametrize("name", CONSTANTS)
def test_each_has_its_rows_in_the_table_of_methods(name):
    rows = [method for method in METHODS if method.name == name]
    assert [method.output for method in rows] == OUTPUTS.get(name, ["labels"])
