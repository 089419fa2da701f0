"""The suspect as MLServer runs it: the class of the largest of ten linear scores."""

from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Net(MLModel):
    async def load(self) -> bool:
        self.weights = np.load(Path(__file__).parent / "weights.npy")
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        scores = x.reshape(len(x), -1) @ self.weights
        outputs = [
            NumpyCodec.encode_output("scores", scores.astype(np.float64)),
            NumpyCodec.encode_output("label", scores.argmax(1)),
        ]
        wanted = [output.name for output in payload.outputs or []]
        kept = [output for output in outputs if not wanted or output.name in wanted]
        return InferenceResponse(model_name=self.name, outputs=kept)
