"""What an attacker does to queries and to its responses once it suspects that it is asked for a fingerprint."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # the field's standard name

from fingerprinting.robustness.attacker import Evasion

NOUGHT = 1e-3  # what the owner reads where a probability is given as 0 and the representation takes logarithms
TIE = 1e-6  # rounding makes ties; the label that goes with a response stays the model's own


@dataclass(frozen=True)
class QueryDetector:
    """What an attacker has learnt of its own inputs.

    score(inputs) -> (n,): the higher, the less an input is like them. erasures: name -> inputs (n, ...) that are
    classified in place of the queries.
    """

    score: Callable[[torch.Tensor], torch.Tensor]
    erasures: dict[str, Callable[[torch.Tensor], torch.Tensor]]


def threshold(benign: torch.Tensor, false_alarms: float) -> float:
    """The score above which a query is flagged, so that at most that share of new benign queries is, on average.

    benign (n,) are scores of inputs on which nothing was fitted; the quantile of conformal prediction. Fewer than
    1 / false_alarms - 1 of them cannot promise as much: then nothing benign that was seen is flagged.
    """
    rank = math.ceil((len(benign) + 1) * (1 - false_alarms))
    return benign.sort().values[min(rank, len(benign)) - 1].item()


def rounded(logits: torch.Tensor, evasion: Evasion, generator: torch.Generator | None) -> torch.Tensor:
    """Probabilities to a few decimals."""
    return _given(torch.softmax(logits.double(), 1).round(decimals=evasion.decimals), logits)


def top_1(logits: torch.Tensor, evasion: Evasion, generator: torch.Generator | None) -> torch.Tensor:
    """The label alone, as a one-hot vector."""
    return _given(F.one_hot(logits.argmax(1), logits.shape[1]).double(), logits)


def flattened(logits: torch.Tensor, evasion: Evasion, generator: torch.Generator | None) -> torch.Tensor:
    """Probabilities at a temperature."""
    return logits / evasion.temperature


def noisy(logits: torch.Tensor, evasion: Evasion, generator: torch.Generator | None) -> torch.Tensor:
    """Gaussian noise on every probability; the label may change with it."""
    probabilities = torch.softmax(logits.double(), 1)
    noise = torch.randn(probabilities.shape, generator=generator, dtype=torch.double)
    return (probabilities + evasion.noise * noise).clamp_min(NOUGHT).log().to(logits.dtype)


# Name -> what the owner can make of the responses to all queries, as logits (n, C) -> (n, C).
PERTURBATIONS: dict[str, Callable[[torch.Tensor, Evasion, torch.Generator | None], torch.Tensor]] = {
    "rounded": rounded,
    "top_1": top_1,
    "temperature": flattened,
    "noise": noisy,
}

# Those that anyone sees in the responses: the owner then reads every model as if it responded like that.
SEEN = ("rounded", "top_1")


def at_random(logits: torch.Tensor, flagged: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Responses (n, C) whose classes are shuffled where flagged (n,): any label, as sure of it as the model was."""
    order = torch.rand(logits.shape, generator=generator).argsort(1)
    return torch.where(flagged[:, None], logits.gather(1, order), logits)


def _given(probabilities: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Logits of probabilities (n, C) that were cut down; the model's own label stays first."""
    own = F.one_hot(logits.argmax(1), logits.shape[1])
    return (probabilities.clamp_min(NOUGHT) + TIE * own).log().to(logits.dtype)
