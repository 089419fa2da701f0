"""What all tests of judging share."""

import pytest
import torch

from fingerprinting.study import checkpoints
from fingerprinting.study.study import Study
from tests.judging.protection import keep


@pytest.fixture
def protected(study) -> Study:
    """An untrained source of the digits, and a fingerprint whose evidence is how many of its responses are repeated."""
    torch.manual_seed(0)
    metadata = {
        "name": study.source_id.name,
        "domain": "cv",
        "architecture": "conv3",
        "classes": 10,
        "shape": [1, 8, 8],
        "settings": {"parent": None, "parent_sha256": None},
    }
    checkpoints.save(study.source_id.path, checkpoints.build(study.domain, "conv3", 10, (1, 8, 8)), metadata)
    keep(study)
    return study
