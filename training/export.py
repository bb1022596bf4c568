"""Export of the fine-tuned encoder to ONNX, int8, with a parity check against torch."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from models.runtime import Encoder as Served
from training.batches import Windows, pad
from training.encoder import Encoder

MIN_COSINE = 0.97  # of int8 embeddings to their float32 originals, at the 5 % quantile: int8 is far off on few texts


class _Graph(nn.Module):
    """Token ids of one unpadded window → embedding; the mask is all ones by construction."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Token ids [batch, length] → embeddings [batch, dimensions]."""
        return self.encoder.embed(input_ids, torch.ones_like(input_ids))


def export_encoder(encoder: Encoder, folder: Path, base: str, texts: Sequence[str]) -> float:
    """Write encoder.onnx (int8) and tokenizer.json; return the 5 % quantile of the cosine to torch over `texts`.

    Raises RuntimeError if that falls under MIN_COSINE.
    """
    full, prepared, target = folder / "encoder.fp32.onnx", folder / "encoder.prepared.onnx", folder / "encoder.onnx"
    program = torch.onnx.export(
        _Graph(encoder.eval()).eval(),
        (torch.randint(1000, 2000, (2, 12)),),  # a batch of 1 would be frozen into the graph
        dynamo=True,
        input_names=["input_ids"],
        output_names=["sentence_embedding"],
        dynamic_shapes={"input_ids": {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=512)}},
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch exported nothing")
    program.save(str(full), external_data=False)
    model = onnx.load(full)
    del model.graph.value_info[:]  # stale shapes make the quantiser fail (onnxruntime #25890)
    onnx.save(model, full)
    quant_pre_process(str(full), str(prepared), skip_symbolic_shape=True)
    # Without VNNI, 8-bit products of U8S8 can saturate; 7-bit weights are safe on every machine.
    quantize_dynamic(prepared, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    for intermediate in (full, prepared):
        intermediate.unlink()
    shutil.copyfile(f"{base}/tokenizer.json", folder / "tokenizer.json")
    return check_parity(encoder, Served(target, folder / "tokenizer.json"), base, texts)


def check_parity(encoder: Encoder, served: Served, base: str, texts: Sequence[str]) -> float:
    """5 % quantile of the cosine between torch's and the served embedding of the first window."""
    from tokenizers import Tokenizer

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
