"""MLServer with a custom runtime on onnxruntime: the V2 inference protocol, two workers.

As its documentation has it: the decorator decodes the texts, and its adaptive batching stays off, as by default, where
the model gains nothing from it.
"""

import os
from typing import List  # noqa: UP035  (MLServer knows no list[str])

import numpy as np
from mlserver import MLModel
from mlserver.codecs import decode_args

from benchmarks.peers.onnx_model import OnnxModel


class Runtime(MLModel):  # type: ignore[misc]
    """Texts in, probabilities out."""

    async def load(self) -> bool:
        """Load the model, in each worker."""
        self.model = OnnxModel()
        return True

    @decode_args  # type: ignore[untyped-decorator]
    async def predict(self, text: List[str]) -> np.ndarray:  # noqa: UP006
        """Texts [n] → probabilities [n, outputs]."""
        return np.array([self.model(each) for each in text])


if __name__ == "__main__":
    settings = {
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_HTTP_PORT": os.environ["PEER_PORT"],
        "MLSERVER_GRPC_PORT": "0",  # any that is free
        "MLSERVER_METRICS_PORT": "0",
        "MLSERVER_DEBUG": "false",
        "MLSERVER_PARALLEL_WORKERS": "2",
        "MLSERVER_MODEL_NAME": "peer",
        "MLSERVER_MODEL_IMPLEMENTATION": "benchmarks.peers.mlserver_server.Runtime",
    }
    os.environ.update(settings)
    # In an empty folder, so that the settings above count.
    os.execvp("mlserver", ["mlserver", "start", "."])  # noqa: S606, S607  (first in PATH)
