"""What every service is met with: patience while it fails, an end with its words, and no key in any sentence.

What is lost or refused for now is sent again, after as long as the server asks or twice as long each time. A second
fault of the server, or a second response that cannot be read, ends it, and so does any other refusal at once.
"""

import json
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

from fingerprinting.core import foreign_text
from fingerprinting.core.errors import UserError

WORDS = 300  # characters of a server's words in a sentence
SHOWN = 2_000  # characters of a request's body that DRY_RUN shows
LARGEST = 20_000_000  # bytes of a response
SHORTEST = 6  # characters of a key; shorter values of a header are looked for nowhere else
BLANKED = "***"
Sent = TypeVar("Sent")
Read = TypeVar("Read")


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for: seconds, and how often a request is sent."""

    first: float = 1.0  # after the first failure; then twice as long each time
    most: float = 60.0  # between two attempts, unless the server asks for more
    longest: float = 600.0  # that a server may ask for; beyond it the asking ends, to be gone on with later
    tries: int = 10
    tries_at_first: int = 3  # of the first request of all: a wrong address is said soon


PATIENCE = Patience()


class UnreadableError(Exception):
    """A response that is not what the protocol says: what is wrong with it."""


class FailedError(Exception):
    """A request that may be sent again: what was said; whether anybody was there; whether a second time ends it."""

    def __init__(self, said: str, *, reached: bool = True, broken: bool = False, wait: float | None = None) -> None:
        super().__init__(said)
        self.reached, self.broken, self.wait = reached, broken, wait


@dataclass(frozen=True)
class Got:
    """How often a request was sent, and the seconds that all of it took."""

    attempts: int
    seconds: float


class Client(ABC, Generic[Sent]):
    """Sends requests to one server. name: how sentences call it; secrets: what stands in none of them."""

    def __init__(self, name: str, rate: float, secrets: Iterable[str]) -> None:
        self.name = name
        self._secrets = {form for secret in secrets for form in forms(secret)}
        self._pause, self._next = 1 / rate if rate else 0.0, 0.0
        self._patience, self._reached = PATIENCE, False

    @abstractmethod
    def _once(self, request: Sent) -> bytes:
        """The content of the response; FailedError where it may be sent again, UserError where that is of no use."""

    @abstractmethod
    def _words(self, content: bytes) -> str:
        """What a response says, for a sentence."""

    @abstractmethod
    def preview(self, request: Sent) -> str:
        """The request as it would be sent, keys blanked."""

    @abstractmethod
    def close(self) -> None: ...

    def get(self, request: Sent, read: Callable[[bytes], Read]) -> tuple[Read, Got]:
        """What `read` makes of the response's content. It raises UnreadableError where that is not as it should be."""
        started, broken, said = time.monotonic(), 0, ""
        for attempt in range(1, self._patience.tries + 1):
            self._wait_for_turn()
            wait = None
            try:
                content = self._once(request)
                self._reached = True
                try:
                    return read(content), Got(attempt, time.monotonic() - started)
                except UnreadableError as error:
                    said = f"responded with what {error}: {self._words(content)}"
                    broken += 1
            except FailedError as error:
                said, wait = str(error), error.wait
                self._reached |= error.reached
                broken += error.broken
                if not self._reached and attempt >= self._patience.tries_at_first:
                    raise UserError(f"{self.name} {said}; look at the address, and whether it runs") from None
            if broken > 1:
                raise UserError(f"{self.name} {said}, twice to the same request; what was asked before is kept")
            if attempt < self._patience.tries:
                self._wait(wait, attempt)
        raise UserError(
            f"{self.name} {said}, {self._patience.tries} times; what was asked before is kept: run the same command "
            "again later, it goes on from there"
        )

    def _wait_for_turn(self) -> None:
        now = time.monotonic()
        if self._next > now:
            time.sleep(self._next - now)
        self._next = max(now, self._next) + self._pause

    def _wait(self, asked: float | None, attempt: int) -> None:
        if asked is not None and asked > self._patience.longest:
            raise UserError(
                f"{self.name} asks to wait {asked:.0f} seconds; what was asked before is kept: run the same command "
                "then, it goes on from there"
            )
        usual = min(self._patience.most, self._patience.first * 2 ** (attempt - 1)) * random.uniform(0.75, 1.25)
        time.sleep(usual if asked is None else max(0.0, asked))

    def scrub(self, text: str) -> str:
        """The text with every key in it blanked."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, BLANKED)
        return text

    def on_one_line(self, text: str) -> str:
        """A server's words for a sentence: printable, shortened, keys blanked."""
        words = self.scrub(foreign_text.visible(" ".join(text.split())))
        return foreign_text.shortened(words, WORDS) or "(nothing)"


def shortened(body: str) -> str:
    """A request's body as DRY_RUN shows it."""
    return body if len(body) <= SHOWN else f"{body[:SHOWN]}… ({len(body)} characters)"


def forms(secret: str) -> set[str]:
    """In which ways a key may stand in a text; nothing of what is too short to be one."""
    words = [secret, *secret.split()[-1:]]  # also without the Bearer before it
    found = {form for word in words for form in (word, quote(word, safe=""), json.dumps(word)[1:-1])}
    return {form for form in found if len(form) >= SHORTEST}
