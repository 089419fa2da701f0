"""A source on disk for the tests of training."""

import pytest

from cv.domain import DOMAIN
from fingerprinting.core.runtime import seed_everything
from fingerprinting.models.kinds import Job
from fingerprinting.study import checkpoints
from fingerprinting.training import objectives
from fingerprinting.training.trainer import fit
from tests.training.toys import CPU, recipe


@pytest.fixture
def stealing_case(study) -> tuple:
    """A study whose source is an untrained conv3 on disk, and a maker of jobs on it."""
    seed_everything("source")
    source = checkpoints.build(DOMAIN, "conv3", 10, study.shape)
    fit(source, study.parts["owner"], study.parts["dev"], objectives.cross_entropy, recipe(2, 32), "source", CPU)
    metadata = {"domain": "cv", "architecture": "conv3", "classes": 10, "shape": list(study.shape)}
    checkpoints.save(study.source_id.path, source, metadata)

    def job(kind: str, architecture: str = "conv3", **options) -> Job:
        return Job(study.model_id(kind, architecture, 0), recipe(1, 32), options, study.source_id)

    return study, job
