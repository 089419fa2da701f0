"""Asking a suspect: the queries in their order, each response into the journal as it comes; it may stop at any moment.

At the end some of the queries are asked once more, which shows a suspect that changed meanwhile or responds at random.
"""

import math
from collections.abc import Sequence

import numpy as np

from fingerprinting.asking.journal import Journal
from fingerprinting.asking.respondent import Respondent
from fingerprinting.core.errors import UserError
from fingerprinting.models import progress

REPEATED = 0.05  # of the queries, asked once more at the end


def repeats(count: int) -> int:
    """How many of so many queries are asked once more."""
    return math.ceil(REPEATED * count)


def within(budget: int, count: int) -> int:
    """How many of count queries can be asked by so many that are sent, repeats among them; 0: as many as there are."""
    asked = count
    while budget and asked and asked + repeats(asked) > budget:
        asked -= 1
    return asked


def ask(respondent: Respondent, inputs: np.ndarray, journal: Journal, wanted: Sequence[int]) -> None:
    """Send those of the queries with the indices wanted, of inputs (n, ...), whose responses the journal lacks."""
    there = journal.responses
    _send(respondent, inputs, journal, [index for index in wanted if index not in there], repeat=False)


def ask_again(respondent: Respondent, inputs: np.ndarray, journal: Journal, wanted: Sequence[int]) -> None:
    """Send some of the queries with the indices wanted once more, spread over their order."""
    done = journal.repeats
    left = [index for index in wanted if index in journal.responses and index not in done]
    missing = min(len(left), max(0, repeats(len(wanted)) - len(done)))
    _send(respondent, inputs, journal, spread(left, missing), repeat=True)


def spread(indices: Sequence[int], count: int) -> list[int]:
    """count of the indices, at equal distances."""
    return [indices[(2 * place + 1) * len(indices) // (2 * count)] for place in range(count)]


def _send(
    respondent: Respondent, inputs: np.ndarray, journal: Journal, indices: Sequence[int], *, repeat: bool
) -> None:
    if not indices:
        return
    named = f"asking {respondent.name}" + (" once more" if repeat else "")
    with progress.of_step(named, len(indices), "query", every=1) as advance:
        for start in range(0, len(indices), respondent.batch):
            some = indices[start : start + respondent.batch]
            said = respondent.ask(inputs[list(some)].copy())
            if len(said) != len(some):
                raise UserError(
                    f"{respondent.name} gave {len(said)} responses to {len(some)} queries; BATCH=1 asks singly"
                )
            journal.append(some, said, repeat=repeat)
            advance(some)
