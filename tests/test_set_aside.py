"""A step that is refused, however late, leaves what was there before: models, their records, the plan, fingerprints."""

import json
from dataclasses import replace

import pytest
import torch
from test_peers import saved_source

from fingerprinting import aside, attacks, files, fingerprints, peers, zoo
from fingerprinting.attacks import Job, Training
from fingerprinting.records import Records
from fingerprinting.runtime import UserError
from fingerprinting.training import taken_as_it_is  # noqa: F401


def jobs_of(study, epochs: int, copies: int = 3) -> list[Job]:
    names = [study.model_id("irrelevant", "mlp", copy) for copy in range(copies)]
    return [Job(name, study.recipe(epochs, 0.01), {"part": "attacker"}) for name in names]
