"""LitServe on onnxruntime, with its own batching: one text a request, joined on the server.

As its documentation has it: on a CPU as many workers as cores, as many API servers as workers (the default), the fast
queue as there are hundreds of requests a second, and a batch of 8. A worker takes what waits and does not wait for more
(`batch_timeout=0`, the default): the encoder gains nothing from a full batch.
"""

import os
from typing import Any

import litserve

from benchmarks.peers.onnx_model import OnnxModel


class Api(litserve.LitAPI):  # type: ignore[misc]
    """Texts in, probabilities out."""

    def setup(self, device: str) -> None:
        """Load the model, in each worker."""
        self.model = OnnxModel()

    def predict(self, x: list[dict[str, str]], **_: Any) -> list[list[float]]:
        """Bodies of requests, each with a text → probabilities."""
        return [self.model(request["text"]) for request in x]


if __name__ == "__main__":
    server = litserve.LitServer(Api(max_batch_size=8), accelerator="cpu", workers_per_device=2, fast_queue=True)
    server.run("127.0.0.1", os.environ["PEER_PORT"], log_level="warning", generate_client_file=False, access_log=False)
