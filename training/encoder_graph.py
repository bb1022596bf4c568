"""The encoder as the ONNX graph that serves it: a BERT of int8 weights in onnxruntime's fused operators.

Exporting from torch and quantising afterwards leaves operators unfused that cost a third of a run; written from the
weights, each layer is one attention, three matrix products, one GELU and two normalisations.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Floats = npt.NDArray[np.float32]
OPSET, IR_VERSION = 18, 10
FUSED = "com.microsoft"
# Without VNNI, sums of 8-bit products saturate; weights of 7 bits are safe on every machine.
WEIGHT_LIMIT = 63


def write_encoder(path: Path, weights: Mapping[str, Floats], heads: int, epsilon: float, window: int) -> None:
    """Write token ids [batch, length ≤ `window`] → mean embedding [batch, dimensions].

    `weights` are named as those of `BertModel`. The mask is all ones: served texts are never padded.
    """
    graph = _Graph(weights, heads, epsilon)
    hidden = graph.embedded(window)
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in weights:
        hidden = graph.layer(f"encoder.layer.{layer}.", hidden)
        layer += 1
    graph.node("ReduceMean", [hidden, graph.constant("axis", np.array([1]))], "sentence_embedding", keepdims=0)
    size = weights["embeddings.LayerNorm.weight"].shape[0]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "encoder",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
            [helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", size])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)],
        ir_version=IR_VERSION,
    )
    onnx.save(model, path)


class _Graph:
    """Nodes and constants as they gather. Parts are named as the weights are."""

    def __init__(self, weights: Mapping[str, Floats], heads: int, epsilon: float) -> None:
        self._weights, self._heads, self._epsilon = weights, heads, epsilon
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        """Add a node of one output, and return that."""
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        """Add a constant, and return its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def embedded(self, window: int) -> str:
        """Words and places, added and normalised. A row of the word table has a scale of its own."""
        words = self._weights["embeddings.word_embeddings.weight"]
        scale = np.abs(words).max(axis=1, keepdims=True) / 127 + 1e-12
        table = self.constant("words", np.round(words / scale).astype(np.int8))
        scales = self.constant("word_scales", scale.astype(np.float32))
        found = self.node(
            "Cast", [self.node("Gather", [table, "input_ids"], "word")], "word_float", to=TensorProto.FLOAT
        )
        embedded = self.node("Mul", [found, self.node("Gather", [scales, "input_ids"], "word_scale")], "embedded")
        places = self._weights["embeddings.position_embeddings.weight"][:window]
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        table = self.constant("places", (places + kind)[None])
        length = self.node("Shape", ["input_ids"], "length", start=1, end=2)
        start, axis = self.constant("start", np.array([0])), self.constant("places_axis", np.array([1]))
        return self._normalised("embeddings.", embedded, self.node("Slice", [table, start, length, axis], "place"))

    def layer(self, name: str, hidden: str) -> str:
        """One layer of the transformer."""
        attended = self._product(f"{name}attention.output.dense", self._attention(name, hidden))
        hidden = self._normalised(f"{name}attention.output.", attended, hidden)
        wide = self._product(f"{name}intermediate.dense", hidden)
        wide = self.node("Gelu", [wide], f"{name}gelu", FUSED)
        return self._normalised(f"{name}output.", self._product(f"{name}output.dense", wide), hidden)

    def _attention(self, name: str, hidden: str) -> str:
        parts = [f"{name}attention.self.{part}" for part in ("query", "key", "value")]
        matrix = self._matrix(f"{name}qkv", np.concatenate([self._weights[f"{part}.weight"] for part in parts]))
        bias = self.constant(f"{name}qkv.bias", np.concatenate([self._weights[f"{part}.bias"] for part in parts]))
        integers = [f"{name}{part}" for part in ("integers", "scale", "zero")]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [hidden], integers, name=integers[0]))
        inputs = [integers[0], matrix[0], bias, integers[1], matrix[1], "", integers[2], matrix[2]]
        return self.node("QAttention", inputs, f"{name}attention", FUSED, num_heads=self._heads)

    def _product(self, name: str, hidden: str) -> str:
        matrix = self._matrix(name, self._weights[f"{name}.weight"])
        bias = self.constant(f"{name}.bias", self._weights[f"{name}.bias"])
        return self.node("DynamicQuantizeMatMul", [hidden, *matrix, bias], f"{name}.product", FUSED)

    def _matrix(self, name: str, weights: Floats) -> list[str]:
        """Integers [in, out] of torch's weights [out, in], and scales and zero points [out]."""
        scale = np.maximum(np.abs(weights).max(axis=1), 1e-12) / WEIGHT_LIMIT
        return [
            self.constant(f"{name}.integers", np.round(weights / scale[:, None]).astype(np.int8).T),
            self.constant(f"{name}.scales", scale.astype(np.float32)),
            self.constant(f"{name}.zeros", np.zeros(len(scale), np.int8)),
        ]

    def _normalised(self, name: str, left: str, right: str) -> str:
        # Not Add: onnxruntime would join it with the normalisation in a kernel that takes three times as long as both.
        added = self.node("Sum", [left, right], f"{name}added")
        scale = self.constant(f"{name}LayerNorm.weight", self._weights[f"{name}LayerNorm.weight"])
        bias = self.constant(f"{name}LayerNorm.bias", self._weights[f"{name}LayerNorm.bias"])
        return self.node("LayerNormalization", [added, scale, bias], f"{name}LayerNorm", axis=-1, epsilon=self._epsilon)
