"""Queries on which independent models outvote the source, against counts by hand."""

import pytest
import torch

from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import physical
from fingerprinting.fingerprints.queries.outvoted import outvoted


def test_outvoted_takes_the_examples_that_fewest_independent_models_label_as_the_source(owner, monkeypatch):
    own = owner("outvoted")
    monkeypatch.setattr(type(own), "ask", lambda self, model, inputs: self.opened(model)(inputs))
    queries = outvoted(own, 20, models=6, among="all")
    labels = own.source_logits.argmax(1)
    voter = own.opened(next(iter(own.used.values())))
    assert {found.kind.role for found in own.used.values()} == {"independent"} and len(own.used) == 2
    agreed = (voter(physical(own.part.inputs)).argmax(1) == labels).sum()  # both voters are the same network here
    assert queries.notes["votes"] == 0 and agreed < len(labels) - 20
    asked = own.source(queries.inputs).argmax(1)
    assert not (voter(queries.inputs).argmax(1) == asked).any()
    assert len(queries.inputs) == 20 == len(torch.unique(queries.inputs.flatten(1), dim=0))


def test_a_handful_is_drawn_and_no_more_are_counted(owner, monkeypatch):
    own = owner("outvoted")
    monkeypatch.setattr(type(own), "ask", lambda self, model, inputs: self.opened(model)(inputs))
    outvoted(own, 5, models=1, among="all")
    assert len(own.used) == 1


def test_among_mistakes_the_source_is_right_on_none(owner, monkeypatch):
    own = owner("outvoted")
    monkeypatch.setattr(type(own), "ask", lambda self, model, inputs: self.opened(model)(inputs))
    queries = outvoted(own, 20, models=6, among="mistakes")
    assert not (own.source(queries.inputs).argmax(1) == queries.truth).any()


def test_other_examples_are_unknown(owner):
    with pytest.raises(UserError, match="OUTVOTED_AMONG=some is unknown; take mistakes or all"):
        outvoted(owner("outvoted"), 20, models=6, among="some")
