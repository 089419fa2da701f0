"""docs/frozen.json: what verdicts by twins were scored with. Whoever changes a constant scores all studies again."""

import importlib
import json

import pytest

from fingerprinting.core.places import REPOSITORY

FROZEN = json.loads((REPOSITORY / "docs" / "frozen.json").read_text(encoding="utf-8"))["constants"]


@pytest.mark.parametrize("module", FROZEN)
def test_the_constants_are_those_that_were_scored(module):
    there = importlib.import_module(module)
    found = {name: getattr(there, name) for name in FROZEN[module]}
    assert json.loads(json.dumps(found)) == FROZEN[module]
