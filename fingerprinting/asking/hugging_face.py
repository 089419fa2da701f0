"""A suspect behind an inference endpoint of Hugging Face: hf+https://name.endpoints.huggingface.cloud.

Texts go as {"inputs": [...]}, images as PNGs, one a request; what comes back are labels with scores. A token is taken
from the environment variable HF_TOKEN.
"""

import os
import re

import numpy as np

from fingerprinting.asking import encodings, http
from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import PNG, TEXT, Encoding
from fingerprinting.asking.over_http import OverHttp
from fingerprinting.asking.patience import UnreadableError
from fingerprinting.core.errors import UserError
from fingerprinting.study.domain import Inputs

PREFIX = "hf+"
TOKEN = "HF_TOKEN"
BATCH = 16  # texts of a request, unless BATCH= says otherwise
NUMBERED = re.compile(r"LABEL_([0-9]+)")  # how classes without a name are called there


def usual_encoding(inputs: Inputs, shape: tuple[int, ...]) -> str:
    if inputs.describe is not None:
        return TEXT
    return PNG if encodings.are_images(inputs, shape) else encodings.ARRAY


class HuggingFace(OverHttp[http.Request]):
    def __init__(
        self, address: str, classes: Classes, encoding: Encoding, batch: int, timeout: float, rate: float
    ) -> None:
        token = os.environ.get(TOKEN, "")
        if not token.isprintable():
            raise UserError(f"the environment variable {TOKEN} holds no token; set it without line ends")
        self._url = address.removeprefix(PREFIX)
        super().__init__(http.Client(self._url, timeout, rate, [token] if token else []), classes, encoding)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.name = PREFIX + self._client.name
        self.batch = 1 if encoding.name == PNG else batch or BATCH

    def _request(self, inputs: np.ndarray) -> http.Request:
        sent = self._encoding.all_of(inputs)
        if isinstance(sent[0], bytes):
            kind = "image/png" if self._encoding.name == PNG else "application/octet-stream"
            return http.Request("POST", self._url, {"Content-Type": kind, **self._headers}, sent[0])
        return http.json_request("POST", self._url, self._headers, {"inputs": sent})

    def _read(self, content: bytes, count: int) -> list:
        return read(content, count)


def read(content: bytes, count: int) -> list:
    """The label of the highest score for each of count inputs: endpoints give a list of labels, or one for each."""
    found = http.loaded(content)
    if count == 1 and isinstance(found, list) and all(isinstance(one, dict) for one in found):
        found = [found]
    if not isinstance(found, list) or len(found) != count:
        raise UnreadableError(f"is no list of labels for {count} inputs")
    return [_best(one) for one in found]


def _best(said: object) -> object:
    scored = [one for one in (said if isinstance(said, list) else [said]) if isinstance(one, dict)]
    if not scored or not all(isinstance(one.get("score"), float | int) for one in scored):
        return said
    label = scored[int(np.argmax([one["score"] for one in scored]))].get("label")
    numbered = NUMBERED.fullmatch(label) if isinstance(label, str) else None
    return int(numbered[1]) if numbered else label
