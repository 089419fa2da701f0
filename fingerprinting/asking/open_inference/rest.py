"""A suspect behind the protocol's REST form: oip+http://host:8080/v2/models/net.

MLServer, KServe, Triton, OpenVINO and TorchServe speak it. Tensors go as JSON, which all of them read alike.
"""

import numpy as np

from fingerprinting.asking import http
from fingerprinting.asking.classes import Classes
from fingerprinting.asking.encodings import Encoding
from fingerprinting.asking.open_inference.service import PREFIX, Metadata, OpenInference, Tensor
from fingerprinting.asking.patience import UnreadableError


class OverRest(OpenInference[http.Request]):
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
        self._url = address.removeprefix(PREFIX).rstrip("/")
        super().__init__(http.Client(self._url, timeout, rate), classes, encoding, batch, names)

    def _about(self) -> http.Request:
        return http.Request("GET", self._url, {})

    def _read_metadata(self, content: bytes) -> Metadata:
        return read_metadata(content)

    def _of_tensor(self, tensor: Tensor, output: str) -> http.Request:
        sent = {"name": tensor.name, "shape": tensor.shape, "datatype": tensor.datatype, "data": tensor.values}
        asked: Metadata = {"inputs": [sent]}
        if output:
            asked["outputs"] = [{"name": output}]
        return http.json_request("POST", f"{self._url}/infer", {}, asked)

    def _outputs(self, content: bytes) -> list[dict]:
        return _listed(http.loaded(content), "outputs")

    def _encoded(self, inputs: np.ndarray) -> list:
        return self._encoding.in_json(inputs)


def read_metadata(content: bytes) -> Metadata:
    """Names, types and shapes of inputs; those that are not as the protocol says are refused."""
    found = http.loaded(content)
    if not isinstance(found, dict):
        raise UnreadableError("is no metadata of a model")
    inputs = found.get("inputs") or []
    for one in inputs if isinstance(inputs, list) else [None]:
        shape = one.get("shape", []) if isinstance(one, dict) else None
        if not (isinstance(one, dict) and isinstance(one.get("name"), str) and _is_shape(shape)):
            raise UnreadableError("is no metadata of a model")
    return {"inputs": [{**one, "shape": [int(side) for side in one.get("shape", [])]} for one in inputs]}


def _is_shape(shape: object) -> bool:
    return isinstance(shape, list) and all(
        type(side) is int or isinstance(side, str) and side.lstrip("-").isdecimal() for side in shape
    )


def _listed(said: object, name: str) -> list[dict]:
    found = said.get(name) if isinstance(said, dict) else None
    if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
        raise UnreadableError(f"has no {name}")
    return found
