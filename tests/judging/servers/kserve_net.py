"""The same as KServe runs it: python kserve_net.py HTTP_PORT GRPC_PORT"""

import sys
from pathlib import Path

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.utils.utils import generate_uuid


class Net(Model):
    def load(self) -> bool:
        self.weights = np.load(Path(__file__).parent / "weights.npy")
        self.ready = True
        return True

    async def get_input_types(self) -> list[dict]:
        return [{"name": "x", "datatype": "FP32", "shape": [-1, 1, 8, 8]}]

    async def get_output_types(self) -> list[dict]:
        return [{"name": "scores", "datatype": "FP64", "shape": [-1, 10]}]

    def predict(self, payload: InferRequest, headers=None, response_headers=None) -> InferResponse:
        x = payload.inputs[0].as_numpy()
        scores = x.reshape(len(x), -1) @ self.weights
        output = InferOutput("scores", list(scores.shape), "FP64")
        output.set_data_from_numpy(scores)
        return InferResponse(generate_uuid(), self.name, [output])


if __name__ == "__main__":
    net = Net("net")
    net.load()
    ModelServer(http_port=int(sys.argv[1]), grpc_port=int(sys.argv[2]), workers=1).start([net])
