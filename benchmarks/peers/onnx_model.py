"""What the peers on onnxruntime share: the bundle's own two graphs, one text a run."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


class OnnxModel:
    """The encoder and the heads of the bundle at PEER_BUNDLE, with PEER_THREADS threads a session (0: the default).

    One text a run, as the encoder takes no mask: in a padded batch the padding would change the answers.
    """

    def __init__(self) -> None:
        bundle, options = Path(os.environ["PEER_BUNDLE"]), onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["PEER_THREADS"])
        self._encoder, self._heads = (
            onnxruntime.InferenceSession(bundle / name, options, providers=["CPUExecutionProvider"])
            for name in ("encoder.onnx", "heads.onnx")
        )
        self._tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))  # cuts at 128 tokens
        self._tokenizer.no_padding()

    def __call__(self, text: str) -> list[float]:
        """A text → the probabilities of the heads' outputs, uncalibrated."""
        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        embedding = self._encoder.run(["sentence_embedding"], {"input_ids": ids})[0]
        logits = self._heads.run(["logits"], {"embedding": embedding})[0][0]
        probabilities: list[float] = (1 / (1 + np.exp(-logits))).tolist()
        return probabilities
