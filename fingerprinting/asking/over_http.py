"""What suspects behind HTTP and gRPC share: a request holds queries, and what comes back is kept without any key."""

from abc import ABC, abstractmethod
from typing import Generic

import numpy as np

from fingerprinting.asking.classes import Classes, written
from fingerprinting.asking.encodings import Encoding
from fingerprinting.asking.patience import Client, Sent
from fingerprinting.asking.respondent import Response


class OverHttp(ABC, Generic[Sent]):
    """A kind of service says how its request is written, and what its response means."""

    name: str
    batch: int

    def __init__(self, client: Client[Sent], classes: Classes, encoding: Encoding) -> None:
        self._client, self._classes, self._encoding = client, classes, encoding

    @abstractmethod
    def _request(self, inputs: np.ndarray) -> Sent:
        """The request for inputs (n, ...)."""

    @abstractmethod
    def _read(self, content: bytes, count: int) -> list:
        """What was said to each of count queries; UnreadableError where the content is not as it should be."""

    def ask(self, inputs: np.ndarray) -> list[Response]:
        found, got = self._client.get(self._request(inputs), lambda content: self._read(content, len(inputs)))
        seconds = got.seconds / len(inputs)
        return [self._classes.response(self._client.scrub(written(one)), got.attempts, seconds) for one in found]

    def preview(self, inputs: np.ndarray) -> str:
        return self._client.preview(self._request(inputs))

    def close(self) -> None:
        self._client.close()
