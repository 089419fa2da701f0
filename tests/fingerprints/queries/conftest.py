"""An owner of small networks."""

import pytest

from fingerprinting.fingerprints import owner as owners
from fingerprinting.models.suspects import Suspect
from tests.fingerprints.queries.perceptrons import Own


@pytest.fixture
def owner(study, monkeypatch):
    """make(name): an owner with two stolen and two independent models of its own, who must not see what is scored."""
    kinds = ("reference_prune", "reference_fine_tune_all", "reference_irrelevant", "reference_homologous")
    about = {"seconds": 2.0, "settings": {"recipe": {"learning_rate": 1e-2}, "options": {}}}
    found = [Suspect(study.model_id(kind, "conv3", 0), about) for kind in kinds]
    monkeypatch.setattr(owners.suspects, "references", lambda _: found)
    monkeypatch.setattr(owners.suspects, "gather", lambda _: pytest.fail("scored models were looked at"))
    return lambda name: Own(study, name)
