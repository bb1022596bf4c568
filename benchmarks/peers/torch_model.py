"""What the peers in torch share: the float32 encoder, mean-pooled, and its heads, as Frontline trains them."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer, BertModel, BertPreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

MAX_TOKENS = 128


class Classifier(BertPreTrainedModel):  # type: ignore[misc]
    """A multi-label text classifier as transformers knows them."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.backbone = BertModel(config, add_pooling_layer=False)
        self.heads = torch.nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_ignored: Any) -> Any:
        """Token ids and mask [texts, length] → logits [texts, outputs]."""
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return SequenceClassifierOutput(logits=self.heads((hidden * mask).sum(1) / mask.sum(1)))


def load() -> tuple[Classifier, Any]:
    """The model and its tokenizer: the encoder at PEER_BASE, with the trained PEER_WEIGHTS where they are given."""
    base = os.environ["PEER_BASE"]
    outputs = json.loads((Path(os.environ["PEER_BUNDLE"]) / "manifest.json").read_text("utf-8"))["outputs"]
    config = AutoConfig.from_pretrained(
        base, num_labels=len(outputs), problem_type="multi_label_classification", id2label=dict(enumerate(outputs))
    )
    model = Classifier(config)
    if weights := os.environ.get("PEER_WEIGHTS"):
        trained = load_file(weights)
        model.load_state_dict({k: v for k, v in trained.items() if not k.startswith("backbone.pooler.")})
    else:
        model.backbone = BertModel.from_pretrained(base, add_pooling_layer=False, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(base, model_max_length=MAX_TOKENS)
