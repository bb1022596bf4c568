"""Export of the fine-tuned encoder to ONNX, int8, with a parity check against torch."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from models.runtime import WINDOW
from models.runtime import Encoder as Served
from training.batches import Windows, pad
from training.encoder import Encoder
from training.encoder_graph import write_encoder

MIN_COSINE = 0.97  # of int8 embeddings to their float32 originals, at the 5 % quantile: int8 is far off on few texts


def export_encoder(encoder: Encoder, folder: Path, base: str, texts: Sequence[str]) -> float:
    """Write encoder.onnx (int8) and tokenizer.json; return the 5 % quantile of the cosine to torch over `texts`.

    Raises RuntimeError if that falls under MIN_COSINE.
    """
    config = encoder.backbone.config
    weights = {name: tensor.detach().numpy() for name, tensor in encoder.backbone.state_dict().items()}
    write_encoder(folder / "encoder.onnx", weights, config.num_attention_heads, config.layer_norm_eps, WINDOW)
    shutil.copyfile(f"{base}/tokenizer.json", folder / "tokenizer.json")
    return check_parity(encoder, Served(folder / "encoder.onnx", folder / "tokenizer.json"), base, texts)


def check_parity(encoder: Encoder, served: Served, base: str, texts: Sequence[str]) -> float:
    """5 % quantile of the cosine between torch's and the served embedding of the first window."""
    cut = Windows(Tokenizer.from_file(f"{base}/tokenizer.json"), 1)
    cosines = []
    for text, windows in zip(texts, cut(texts), strict=True):
        with torch.inference_mode():
            expected = encoder.embed(*pad(windows))[0].numpy()
        found = served.embed(text)[0][0]
        cosines.append(float(expected @ found / (np.linalg.norm(expected) * np.linalg.norm(found))))
    low = float(np.quantile(cosines, 0.05))
    if low < MIN_COSINE:
        raise RuntimeError(f"the exported encoder's embeddings differ from torch's: cosine {low:.4f}")
    return low
