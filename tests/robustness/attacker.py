"""An attacker who modifies responses, a suspect and a fingerprint, made by hand for the tests of robustness."""

from dataclasses import replace

import torch

from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.models.suspects import Suspect
from fingerprinting.robustness.attacker import Attacker
from fingerprinting.robustness.query_detector import Detection
from fingerprinting.study import study

CONSTANTS = dict(
    held_out=0.25,
    autoencoder_epochs=4,
    autoencoder_learning_rate=3e-3,
    autoencoder_updates=150,
    code=6,
    order=3,
    evasion_fpr=0.05,
    decimals=2,
    temperature=4.0,
    noise=0.1,
    cost_inputs=50,
    removal_copies=1,
    removal_epochs=1,
    removal_learning_rate=1e-3,
    feature_weight=1.0,
    ranking_weight=1.0,
)
ATTACKER = Attacker.of(**CONSTANTS)
CPU = torch.device("cpu")


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def suspect(kind: str, copy: int) -> Suspect:
    return Suspect(study.ModelId("cv", "digits", "smoke", kind, "conv3", copy), {"test_accuracy": 0.9})


def fingerprint() -> Fingerprint:
    logits = 5 * torch.eye(4)[torch.arange(40) % 4]
    component = torch.arange(40) % 4
    return Fingerprint(torch.rand(40, 1, 8, 8), logits.argmax(1), logits.argmax(1), component, logits, {})


def of_twins() -> Fingerprint:
    """The same with two twins: the first responds as the source does to every second query, the other never does."""
    found = fingerprint()
    twins = torch.stack([torch.where(torch.arange(40) % 2 == 0, found.labels, found.labels + 4), found.labels + 4])
    controls = {"control_inputs": found.inputs[:2], "control_truth": found.truth[:2], "honest_ability": torch.ones(3)}
    extra = {"twins": twins, "subtracted": torch.ones(2, 40) > 0, "honest": torch.zeros(3)} | controls
    return replace(found, extra=extra)


def detection(flagged: torch.Tensor) -> Detection:
    return Detection(flagged, {"detection_rate_fpr1": 0.0})
