"""The same as LitServe runs it: python litserve_net.py PORT"""

import sys
from pathlib import Path

import litserve
import numpy as np


class Net(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.weights = np.load(Path(__file__).parent / "weights.npy")

    def decode_request(self, request: dict) -> np.ndarray:
        return np.array(request["images"], dtype=np.float32)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1) @ self.weights

    def encode_response(self, output: np.ndarray) -> dict:
        return {"predictions": [{"class": int(one.argmax()), "scores": one.tolist()} for one in output]}


if __name__ == "__main__":
    server = litserve.LitServer(Net(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
