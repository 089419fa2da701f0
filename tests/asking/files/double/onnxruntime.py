"""In place of onnxruntime, which is not installed everywhere: it reads what a model says of itself in JSON."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np


class GraphOptimizationLevel:
    ORT_ENABLE_BASIC = 1


class SessionOptions:
    def add_session_config_entry(self, name: str, value: str) -> None:
        """Nothing is set here."""


def set_default_logger_severity(severity: int) -> None:
    """Nothing is logged here."""


class InferenceSession:
    def __init__(self, path: str, options: SessionOptions, providers: list[str]) -> None:
        content = Path(path).read_bytes()
        start = content.index(b'{"double"')
        said, _ = json.JSONDecoder().raw_decode(content[start:].decode(errors="replace"))
        self.inputs, self.outputs = ([SimpleNamespace(**one) for one in said[name]] for name in ("inputs", "outputs"))
        self.weights = np.array(said["double"])

    def get_inputs(self) -> list[SimpleNamespace]:
        return self.inputs

    def get_outputs(self) -> list[SimpleNamespace]:
        return self.outputs

    def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        (x,) = inputs.values()
        (taken,) = self.inputs
        if isinstance(taken.shape[0], int) and len(x) != taken.shape[0]:
            raise ValueError(f"Got invalid dimensions for input: {len(x)} for {taken.shape[0]}")
        y = (x.reshape(len(x), -1).astype("float32") @ self.weights.astype("float32")).astype("float32")
        return [y if outputs[0] == "scores" else y.argmax(1)]
