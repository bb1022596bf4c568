"""The heads on top of an embedding: fitting them with scikit-learn on frozen embeddings, and their ONNX graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.covariance import LedoitWolf

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
        """Fit with Ledoit-Wolf shrinkage; |(x - mean)·root|² is the squared Mahalanobis distance (Lee et al. 2018)."""
        fitted = LedoitWolf().fit(embeddings.astype(np.float64))
        root = np.linalg.cholesky(fitted.precision_)
        return cls(fitted.location_.astype(np.float32), root.astype(np.float32))


def fit_heads(
    embeddings: Floats, targets: Floats, start: HeadWeights | None = None, strength: float = 1.0
) -> HeadWeights:
    """Fit one logistic regression an output on its known targets [n, outputs] (others are NaN).

    The L2 penalty pulls towards `start` (zero without it), so that little new evidence changes little; `strength` is
    the inverse of the penalty, on embeddings scaled to unit variance. An output without known targets stays as it was.
    """
    count, dimensions = targets.shape[1], embeddings.shape[1]
    start = start or HeadWeights(np.zeros((dimensions, count), np.float32), np.zeros(count, np.float32))
    scale = embeddings.std(axis=0) + 1e-6
    design = np.column_stack([embeddings / scale, np.ones(len(embeddings))]).astype(np.float64)
    prior = np.vstack([start.weights * scale[:, None], start.bias]).astype(np.float64)
    fitted = prior.copy()
    for k in range(count):
        known = np.isfinite(targets[:, k])
        if known.any():
            fitted[:, k] = _logistic(design[known], targets[known, k], prior[:, k], strength)
    return HeadWeights((fitted[:-1] / scale[:, None]).astype(np.float32), fitted[-1].astype(np.float32))


def _logistic(
    design: npt.NDArray[np.float64], truth: Floats, prior: npt.NDArray[np.float64], strength: float
) -> npt.NDArray[np.float64]:
    """Minimise the logistic loss plus |weights - prior|² / (2 · strength); the intercept, last, is free."""
    sign = np.where(truth == 1, 1.0, -1.0)
    penalised = np.append(np.ones(design.shape[1] - 1), 0.0) / strength

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        margin = sign * (design @ weights)
        off = weights - prior
        gradient = design.T @ (-sign * expit(-margin)) + penalised * off
        return float(np.logaddexp(0, -margin).sum() + 0.5 * penalised @ off**2), gradient

    found: npt.NDArray[np.float64] = minimize(loss, prior, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return found


def write_heads(path: Path, heads: HeadWeights, whitening: Whitening, categories: int) -> None:
    """Write heads.onnx: embedding [n, dimensions] → logits [n, outputs], distance [n].

    The first output is P(violation), the next `categories` are the categories. The logit of a violation is the first
    column's plus the log-sum-exp of the categories': a category may have learnt from sources that never said what is
    no violation, and what it knows counts too. On our own corpus and on sources that were never trained on, the sum
    ranked better than either alone.
    """
    others = len(heads.bias) - 1 - categories
    initial = [
        numpy_helper.from_array(array, name)
        for name, array in (
            ("weights", heads.weights),
            ("bias", heads.bias),
            ("mean", whitening.mean),
            ("root", whitening.root),
            ("last", np.array([1], dtype=np.int64)),
            ("widths", np.array([1, categories, others], dtype=np.int64)),
        )
    ]
    nodes = [
        helper.make_node("Gemm", ["embedding", "weights", "bias"], ["layer"]),
        helper.make_node("Split", ["layer", "widths"], ["own", "categories", "others"], axis=1),
        helper.make_node("ReduceLogSumExp", ["categories", "last"], ["any"], keepdims=1),
        helper.make_node("Add", ["own", "any"], ["violation"]),
        helper.make_node("Concat", ["violation", "categories", "others"], ["logits"], axis=1),
        helper.make_node("Sub", ["embedding", "mean"], ["centred"]),
        helper.make_node("MatMul", ["centred", "root"], ["white"]),
        helper.make_node("ReduceSumSquare", ["white", "last"], ["distance"], keepdims=0),
    ]
    inputs = {"embedding": ("n", len(whitening.mean))}
    save_graph(path, nodes, initial, inputs, {"logits": ("n", len(heads.bias)), "distance": ("n",)})


Shapes = Mapping[str, tuple[str | int, ...]]


def save_graph(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    initial: Sequence[onnx.TensorProto],
    inputs: Shapes,
    outputs: Shapes,
    *,
    kind: int = TensorProto.FLOAT,
) -> None:
    """Check and save a small hand-made graph."""
    graph = helper.make_graph(
        list(nodes),
        path.stem,
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
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
