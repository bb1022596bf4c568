"""`mlflow models serve` with a pyfunc on onnxruntime, saved as its documentation has it, and two workers."""

import os
from typing import Any

# Before mlflow is imported: it would phone home otherwise.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
import pandas as pd

from benchmarks.peers.onnx_model import OnnxModel


class OnnxPyfunc(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A frame with a `text` column in, probabilities out."""

    def load_context(self, context: Any) -> None:
        """Load the model, in each worker."""
        self.model = OnnxModel()

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """Texts [n] → probabilities [n][outputs]."""
        return [self.model(text) for text in model_input["text"]]


mlflow.models.set_model(OnnxPyfunc())

if __name__ == "__main__":
    mlflow.pyfunc.save_model("model", python_model=__file__, pip_requirements=[])
    command = ["mlflow", "models", "serve", "-m", "model", "--env-manager", "local", "--workers", "2"]
    os.execvp("mlflow", [*command, "--host", "127.0.0.1", "--port", os.environ["PEER_PORT"]])  # noqa: S606, S607  (first in PATH)
