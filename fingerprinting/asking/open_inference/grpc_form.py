"""A suspect behind the protocol's gRPC form: oip+grpc://host:8081/model, or oip+grpcs:// with TLS.

MLServer, KServe, Triton and OpenVINO speak it. `model` may be `model/versions/1`.
"""

import re

import numpy as np

from fingerprinting.asking import http
from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import Encoding
from fingerprinting.asking.open_inference import messages
from fingerprinting.asking.open_inference.channel import Call, Channel
from fingerprinting.asking.open_inference.service import PREFIX, Metadata, OpenInference, Tensor
from fingerprinting.core.errors import UserError

PATH = re.compile(r"/([^/]+)(?:/versions/([^/]+))?/?")


class OverGrpc(OpenInference[Call]):
    def __init__(
        self,
        address: str,
        classes: Classes,
        encoding: Encoding,
        batch: int,
        timeout: float,
        rate: float,
        names: tuple[str, str],
    ) -> None:
        address = address.removeprefix(PREFIX)
        found = PATH.fullmatch(http.parsed(address).path)
        if not found:
            raise UserError(f"{http.named(address)} names no model; give one like oip+grpc://host:8081/model")
        self._model = messages.Model(found[1], found[2] or "")
        super().__init__(Channel(address, timeout, rate), classes, encoding, batch, names)

    def _about(self) -> Call:
        return Call("ModelMetadata", self._model)

    def _read_metadata(self, content: bytes) -> Metadata:
        return messages.metadata(content)

    def _of_tensor(self, tensor: Tensor, output: str) -> Call:
        return Call("ModelInfer", messages.Infer(self._model, tensor, output))

    def _outputs(self, content: bytes) -> list[dict]:
        return messages.outputs(content)

    def _encoded(self, inputs: np.ndarray) -> list:
        sent = self._encoding.all_of(inputs)
        return [one.encode() if isinstance(one, str) else one for one in sent]
