"""An attacker's query detector, fitted on its own data: which queries it flags, and how many harmless inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch

from fingerprinting.core import runtime, statistics
from fingerprinting.core.errors import UserError
from fingerprinting.robustness import autoencoder, evasion
from fingerprinting.robustness.attacker import Attacker
from fingerprinting.robustness.evasion import QueryDetector
from fingerprinting.study.study import Study

FALSE_ALARMS = {"fpr1": 0.01, "fpr5": 0.05}


@dataclass(frozen=True)
class Detection:
    """A query detector on one fingerprint: flagged (n,) at the evasion's false alarms, and the detection rates."""

    flagged: torch.Tensor
    rates: dict[str, float]


class FittedDetector:
    """A study's attacker: its query detector, fitted on a part of its data, and thresholds from the rest."""

    def __init__(self, study: Study, attacker: Attacker) -> None:
        self.study, self.attacker = study, attacker
        part = study.parts["attacker"]
        name = f"{study.folder}/screen/{study.split_seed}"
        order = torch.randperm(len(part), generator=runtime.generator(name))
        detector = attacker.detector
        held_out = round(detector.held_out * len(part))
        if not 0 < held_out < len(part):
            raise UserError(f"HELD_OUT={detector.held_out} must leave something to fit and something to calibrate with")
        learn: Callable[..., QueryDetector] = study.domain.inputs.query_detector or autoencoder.query_detector
        learnt, bounds = part.inputs[order[held_out:]], study.domain.inputs.input_range
        self.query_detector = learn(learnt, detector, name, study.device, bounds)
        benign = self.query_detector.score(part.inputs[order[:held_out]])
        self.thresholds = {name: evasion.threshold(benign, share) for name, share in FALSE_ALARMS.items()}
        self.evasion_threshold = evasion.threshold(benign, attacker.evasion.evasion_fpr)
        self.held_out = held_out

    @cached_property
    def cost_inputs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Test inputs and labels on which accuracy before and after is measured; nothing is chosen by them."""
        test = self.study.parts["test"]
        draw = runtime.generator(f"{self.study.folder}/cost/{self.study.split_seed}")
        chosen = test.take(torch.randperm(len(test), generator=draw)[: self.attacker.cost_inputs])
        return chosen.inputs, chosen.targets

    @cached_property
    def benign(self) -> torch.Tensor:
        """Scores of test inputs, which neither fitting nor thresholds have seen."""
        return self._score(self.cost_inputs[0])

    def _score(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.query_detector.score(inputs.clone())  # the domain's own code, which may write to what it gets

    def detection(self, inputs: torch.Tensor) -> Detection:
        scores = self._score(inputs)
        rates = {
            f"detection_rate_{name}": (scores > threshold).double().mean().item()
            for name, threshold in self.thresholds.items()
        }
        alarms = {
            f"false_alarms_{name}": (self.benign > threshold).double().mean().item()
            for name, threshold in self.thresholds.items()
        }
        found = {"detection_auc": statistics.auc(-scores.numpy(), -self.benign.numpy())}  # the highest are flagged
        counts = {"n_queries": len(scores), "n_held_out": self.held_out, "n_benign": len(self.benign)}
        return Detection(scores > self.evasion_threshold, {**rates, **found, **alarms, **counts})
