"""What a calibrated fingerprint holds besides its queries; nobody else knows how that is called in its file."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from fingerprinting.calibrated.evidence import Weights, combined, same_response
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import minus_twins, store
from fingerprinting.fingerprints.store import Fingerprint

# The names of tensors enter the digest of a file, which records hold: they stay as they were first written.
WEIGHTS = ("centre", "coefficients", "intercepts")
INDEPENDENT, STOLEN = "honest", "thefts"
CONTROL_INPUTS, CONTROL_TRUTH, CONTROL_ACCURACY = "control_inputs", "control_truth", "honest_ability"
TRANSFER = "transfer_"  # begins the names of what responses to another task are weighed with
FOR_TRANSFER = TRANSFER + WEIGHTS[0]  # one that is there where responses to another task can be weighed
TWINS, SUBTRACTED, CONTRIBUTIONS, LEARNED = OF_EACH_QUERY = "twins", "subtracted", "contributions", "learned"
DATA = "data"
OF_MODELS = (CONTRIBUTIONS, LEARNED, DATA)  # what is kept of calibration models on the source's task
SAME, OTHER, MATCHED = range(3)  # data of a calibration model: the source's, other ones, as little of the source's
SOURCE = "source"  # its labels on another task, where the owner moved it there
TRANSFERRED_TWINS = TRANSFER + TWINS  # there where twins judge suspects of another task
DEVIATIONS = 2  # of a share of controls: so far beyond the accuracies of few models others may lie by chance


def of_queries(fingerprint: Fingerprint, kept: torch.Tensor) -> Fingerprint:
    """The same where some queries alone, kept (n,) bool, are asked: twins are subtracted on those.

    How independent models of another task share patterns of labels is known of all queries alone, and left out.
    """
    extra = {name: fingerprint.extra[name][:, kept] for name in OF_EACH_QUERY if name in fingerprint.extra}
    if CONTRIBUTIONS in extra:
        learned = extra.get(LEARNED, torch.zeros_like(extra[CONTRIBUTIONS], dtype=torch.bool))
        extra[INDEPENDENT] = torch.from_numpy(means(extra[CONTRIBUTIONS].numpy(), learned.numpy()))
    moved = {name for name in fingerprint.extra if name.startswith(TRANSFER)} if TWINS in extra else set()
    others = {name: value for name, value in fingerprint.extra.items() if name not in moved}
    per_query = {name: getattr(fingerprint, name)[kept] for name in store.TENSORS}
    return replace(fingerprint, **per_query, extra=others | extra)


def means(contributions: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """(m, n) -> (m,): each model's score on the queries that it did not learn; 0 where there is none."""
    return (contributions * ~learned).sum(-1) / np.maximum((~learned).sum(-1), 1)


@dataclass(frozen=True)
class Calibration:
    """How responses are weighed, and the evidence of models whose origin is known.

    independent (m,): of calibration models. stolen (k,): of stolen reference models by weights fitted without them.
    """

    weights: Weights
    independent: np.ndarray
    stolen: np.ndarray

    @property
    def groups(self) -> tuple[np.ndarray, ...]:
        """The evidence of the calibration models, all of one kind."""
        return (self.independent,)

    @property
    def ranked(self) -> int:
        """How many models a suspect is ranked among."""
        return len(self.independent)

    @classmethod
    def of(cls, weights: Weights, calibrating: np.ndarray, stolen: np.ndarray) -> Calibration:
        """calibrating (m, n): the calibration models' features."""
        return cls(weights, combined(weights.evidence(calibrating)), stolen)

    @classmethod
    def read(cls, extra: dict[str, torch.Tensor], prefix: str) -> Calibration:
        weights = Weights(*(extra[prefix + name].double().numpy() for name in WEIGHTS))
        return cls(weights, extra[prefix + INDEPENDENT].numpy(), extra[prefix + STOLEN].numpy())

    def traces(self, labels: np.ndarray, source: np.ndarray, *, other_task: bool) -> np.ndarray:
        """labels, source (n,) -> (k,): log-odds of each stealing attack; other_task: labels that mean other things."""
        bits = same_response(labels) if other_task else (labels == source).astype(float)
        return self.weights.evidence(bits)

    def least_and_most(
        self, labels: np.ndarray, source: np.ndarray, missing: int, *, other_task: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `traces`, of labels some of which are missing: each log-odds is between the two, whatever these are."""
        unknown = labels == missing
        if other_task:
            rows, columns = np.triu_indices(len(labels), 1)
            bits, unknown = same_response(labels), unknown[rows] | unknown[columns]
        else:
            bits = (labels == source).astype(float)
        known = self.weights.evidence(np.where(unknown, self.weights.centre, bits))
        ends = np.stack([(bit - self.weights.centre) * self.weights.coefficients for bit in (0.0, 1.0)])[..., unknown]
        return known + ends.min(0).sum(1), known + ends.max(0).sum(1)

    def written(self, prefix: str) -> dict[str, torch.Tensor]:
        values = (self.weights.centre, self.weights.coefficients, self.weights.intercepts)
        found = dict(zip(WEIGHTS, values, strict=True)) | {INDEPENDENT: self.independent, STOLEN: self.stolen}
        return {prefix + name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in found.items()}


@dataclass(frozen=True)
class TwinsCalibration:
    """The source's labels (n,), its twins' (k, n), which of them are subtracted where (k, n), and the calibration
    models' scores (m,); for suspects of another task all of models that the owner moved to it.

    contributions (m, n): of each query to those scores. learned (m, n): which queries models of other data may have
    been trained on, on which these and the matched ones are not scored. data (m,): SAME, OTHER or MATCHED of each
    model. None for another task, and in older fingerprints.
    """

    source: np.ndarray
    twins: np.ndarray
    subtracted: np.ndarray
    independent: np.ndarray
    contributions: np.ndarray | None = None
    learned: np.ndarray | None = None
    data: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        source: np.ndarray,
        twins: np.ndarray,
        subtracted: np.ndarray,
        asked: np.ndarray,
        learned: np.ndarray,
        data: np.ndarray,
    ) -> TwinsCalibration:
        """asked (m, n): the calibration models' labels."""
        shared = minus_twins.contributions(asked, source, twins, subtracted)
        return cls(source, twins, subtracted, means(shared, learned), shared, learned, data)

    @property
    def stolen(self) -> np.ndarray:
        """(0,): no stolen model is trained but what suspects are compared with."""
        return np.empty(0)

    @property
    def groups(self) -> tuple[np.ndarray, ...]:
        """The scores of the calibration models of the source's data, and of those that show what other data do."""
        if self.data is None or not set(self.data) >= {OTHER, MATCHED}:
            return (self.independent,)
        return tuple(self.independent[self.data == one] for one in (SAME, OTHER, MATCHED))

    @property
    def ranked(self) -> int:
        """How many models a suspect is ranked among: those of the source's data."""
        return len(self.groups[0])

    @property
    def most_own_responses(self) -> float | None:
        """As large a share of responses of its own as these have; None where contributions are not known."""
        if self.contributions is None:
            return None
        ranked = self.contributions if self.data is None else self.contributions[self.data == SAME]
        return float(minus_twins.most_own_responses(minus_twins.own_responses(ranked)))

    def own_responses(self, labels: np.ndarray) -> float:
        """The share of labels (n,) of the source's task that neither the source nor its twins share."""
        shared = minus_twins.contributions(labels, self.source, self.twins, self.subtracted)
        return float(minus_twins.own_responses(shared))

    @classmethod
    def read(cls, fingerprint: Fingerprint, prefix: str = "") -> TwinsCalibration:
        extra = fingerprint.extra
        twins, subtracted, independent = (extra[prefix + name].numpy() for name in (TWINS, SUBTRACTED, INDEPENDENT))
        known = {name: extra[prefix + name].numpy() for name in OF_MODELS if prefix + name in extra}
        return cls(extra.get(prefix + SOURCE, fingerprint.labels).numpy(), twins, subtracted, independent, **known)

    def traces(self, labels: np.ndarray, _source: np.ndarray, *, other_task: bool) -> np.ndarray:
        """labels (n,) -> (1,): what they share with the source's less what they share with its twins'."""
        shared = minus_twins.pattern if other_task else minus_twins.score
        return np.atleast_1d(shared(labels, self.source, self.twins, self.subtracted))

    def written(self, prefix: str) -> dict[str, torch.Tensor]:
        found = {TWINS: self.twins, SUBTRACTED: self.subtracted, INDEPENDENT: self.independent}
        if prefix:  # the source's labels of its own task are the fingerprint's
            found[SOURCE] = self.source
        found |= {name: value for name in OF_MODELS if (value := getattr(self, name)) is not None}
        return {prefix + name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in found.items()}


@dataclass(frozen=True)
class Controls:
    """Queries by which a suspect's accuracy is measured: inputs (c, ...) physical, their true classes (c,).

    accuracy (m,): the control accuracy of each calibration model of the source's task.
    """

    inputs: torch.Tensor
    truth: torch.Tensor
    accuracy: torch.Tensor

    def __len__(self) -> int:
        return len(self.truth)


@dataclass(frozen=True)
class CalibratedFingerprint:
    """source: for suspects of the source's task. transfer: for those of another one; None without such models."""

    source: Calibration | TwinsCalibration
    transfer: Calibration | TwinsCalibration | None
    controls: Controls

    @classmethod
    def of(cls, fingerprint: Fingerprint) -> CalibratedFingerprint:
        extra = fingerprint.extra
        controls = Controls(extra[CONTROL_INPUTS], extra[CONTROL_TRUTH], extra[CONTROL_ACCURACY])
        if TWINS in extra:
            moved = TwinsCalibration.read(fingerprint, TRANSFER) if TRANSFERRED_TWINS in extra else None
            return cls(TwinsCalibration.read(fingerprint), moved, controls)
        transfer = Calibration.read(extra, TRANSFER) if FOR_TRANSFER in extra else None
        return cls(Calibration.read(extra, ""), transfer, controls)

    @property
    def of_twins(self) -> bool:
        return isinstance(self.source, TwinsCalibration)

    def calibration(self, *, other_task: bool) -> Calibration | TwinsCalibration:
        """What suspects of the source's task, or of another one, are judged by; UserError where there is nothing."""
        if not other_task:
            return self.source
        if self.transfer is None:
            steps = f"{'twins' if self.of_twins else 'references'}.py and calibration.py"
            raise UserError(
                "this fingerprint cannot judge a suspect of another task: it had no models of one to compare with; "
                f"give {steps} TRANSFER_COPIES above 0 and run calibrated.py again"
            )
        return self.transfer

    @property
    def control_range(self) -> tuple[float, float]:
        """The control accuracies about which the calibration models say something; a few stand for others near them."""
        accuracy, count = self.controls.accuracy, len(self.controls)
        least, most = float(accuracy.min()), float(accuracy.max())
        if not self.of_twins:
            return least, most
        chance = [DEVIATIONS * (share * (1 - share) / count) ** 0.5 for share in (least, most)]
        return max(0.0, least - chance[0]), min(1.0, most + chance[1])

    @property
    def extra(self) -> dict[str, torch.Tensor]:
        """The same as a Fingerprint keeps it in its file."""
        controls = {
            CONTROL_INPUTS: self.controls.inputs,
            CONTROL_TRUTH: self.controls.truth,
            CONTROL_ACCURACY: self.controls.accuracy,
        }
        return self.source.written("") | controls | (self.transfer.written(TRANSFER) if self.transfer else {})
