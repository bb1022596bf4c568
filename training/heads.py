"""The heads on top of an embedding: fitting them with scikit-learn on frozen embeddings, and their ONNX graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float32]
OPSET = 18


@dataclass(frozen=True)
class HeadWeights:
    """Output layer: weights [dimensions, outputs], bias [outputs]."""

    weights: Floats
    bias: Floats


@dataclass(frozen=True)
class Whitening:
    """Mean [dimensions] and root of the precision matrix [dimensions, dimensions] of the training embeddings."""

    mean: Floats
    root: Floats

    @classmethod
    def fit(cls, embeddings: Floats) -> "Whitening":
        """Fit with Ledoit-Wolf shrinkage; |root·(x - mean)|² is the squared Mahalanobis distance (Lee et al. 2018)."""
        fitted = LedoitWolf().fit(embeddings.astype(np.float64))
        root = np.linalg.cholesky(fitted.precision_)
        return cls(fitted.location_.astype(np.float32), root.astype(np.float32))


def fit_heads(
    embeddings: Floats,
    targets: Floats,
    weights: npt.NDArray[np.float64],
    start: HeadWeights | None = None,
    strength: float = 1.0,
) -> HeadWeights:
    """Fit one logistic regression an output on its known targets (others are NaN).

    `start`: heads to keep where an output has fewer than two known examples of either kind. `strength` is
    scikit-learn's C on embeddings scaled to unit variance.
    """
    scale = embeddings.std(axis=0) + 1e-6
    columns, biases = [], []
    for k in range(targets.shape[1]):
        known = np.isfinite(targets[:, k])
        y = targets[known, k]
        if min((y == 0).sum(), (y == 1).sum()) < 2:
            columns.append(start.weights[:, k] if start else np.zeros(embeddings.shape[1]))
            biases.append(start.bias[k] if start else 0.0)
            continue
        model = LogisticRegression(C=strength, max_iter=300)
        model.fit(embeddings[known] / scale, y, sample_weight=weights[known])
        columns.append(model.coef_[0] / scale)
        biases.append(model.intercept_[0])
    return HeadWeights(np.stack(columns, axis=1).astype(np.float32), np.array(biases, dtype=np.float32))


def write_heads(path: Path, heads: HeadWeights, whitening: Whitening) -> None:
    """Write heads.onnx: embedding [n, dimensions] → logits [n, outputs], distance [n]."""
    initial = [
        numpy_helper.from_array(array, name)
        for name, array in (
            ("weights", heads.weights),
            ("bias", heads.bias),
            ("mean", whitening.mean),
            ("root", whitening.root),
            ("last", np.array([1], dtype=np.int64)),
        )
    ]
    nodes = [
        helper.make_node("Gemm", ["embedding", "weights", "bias"], ["logits"]),
        helper.make_node("Sub", ["embedding", "mean"], ["centred"]),
        helper.make_node("MatMul", ["centred", "root"], ["white"]),
        helper.make_node("ReduceSumSquare", ["white", "last"], ["distance"], keepdims=0),
    ]
    save_graph(path, nodes, initial, {"embedding": ("n", len(whitening.mean))}, ["logits", "distance"])


def save_graph(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    initial: Sequence[onnx.TensorProto],
    inputs: dict[str, tuple[str | int, ...]],
    outputs: Sequence[str],
    *,
    kind: int = TensorProto.FLOAT,
) -> None:
    """Check and save a small hand-made graph."""
    graph = helper.make_graph(
        list(nodes),
        path.stem,
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        list(initial),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def read_heads(path: Path) -> tuple[HeadWeights, Whitening]:
    """Read the weights back from heads.onnx."""
    graph = onnx.load(path).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return HeadWeights(arrays["weights"], arrays["bias"]), Whitening(arrays["mean"], arrays["root"])
