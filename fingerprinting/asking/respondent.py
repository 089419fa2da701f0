"""A suspect as whoever asks it sees it, whatever it is: a service, a file or a function."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

LONGEST = 2_000  # characters of what a suspect said that are kept
UNANSWERED = -1  # in arrays in place of a label: the suspect refused, or was not asked


@dataclass(frozen=True)
class Response:
    """What came back for one query."""

    label: int | None  # place among the owner's classes; None: a refusal, or nothing that names a class
    raw: str  # what the suspect said, at most LONGEST characters, no key in it
    attempts: int = 1  # how often it was sent
    seconds: float = 0.0


class Respondent(Protocol):
    """name: how records and pages call it; it holds no key. batch: inputs that one request may hold."""

    name: str
    batch: int

    def ask(self, inputs: np.ndarray) -> list[Response]:
        """A response each to inputs (n, ...), physical, as queries.npy holds them."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Previewed(Protocol):
    """A respondent that can show a request without sending it."""

    def preview(self, inputs: np.ndarray) -> str:
        """The request for inputs (n, ...) as it would be sent, keys blanked."""
        ...
