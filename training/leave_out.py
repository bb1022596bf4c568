"""Leave one source out: does what was learnt elsewhere hold for texts from a place that gave no training text?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from sklearn.metrics import roc_auc_score
from tokenizers import Tokenizer

from training.batches import Windows, cap_sources, pack
from training.corpus import AUTHORED, Corpus, two_sided
from training.encoder import Encoder
from training.evaluate import question
from training.heads import fit_heads
from training.intervals import Floats, with_interval

PER_SOURCE = 1000  # training texts of one source at most
TESTED = 600  # texts of the left-out source at most
WINDOWS = 2


@dataclass(frozen=True)
class LeftOut:
    """ROC AUC of one output on a source's own test part, by what the heads were fitted on.

    `inside`: all sources, this one too. `naive`: the other public sources, an unknown label read as no. `ours`: the
    other sources with unknown labels masked, one-sided ones kept out of P(violation), and the authored corpus.
    """

    source: str
    output: str
    n: int
    positives: int
    inside: dict[str, Any]
    naive: dict[str, Any]
    ours: dict[str, Any]


def embed(base: str, texts: Sequence[str]) -> Floats:
    """Mean embeddings [n, dimensions] of prepared texts by an encoder as it comes, not fine-tuned."""
    encoder = Encoder(base, 1).eval()
    cut = Windows(Tokenizer.from_file(f"{base}/tokenizer.json"), WINDOWS)
    items = sorted(enumerate(cut(texts)), key=lambda item: (len(item[1]), len(item[1][0])))
    found = np.zeros((len(texts), encoder.backbone.config.hidden_size), np.float32)
    batches = list(pack(items, 64))
    with torch.inference_mode():
        for batch in track(batches, "embedding with the base encoder"):
            ids, mask, owner = batch.padded()
            windows, whose = encoder.embed(ids, mask).numpy(), owner.numpy()
            for k, row in enumerate(batch.rows):
                found[row] = windows[whose == k].mean(axis=0)
    return found


def leave_one_source_out(corpus: Corpus, base: str, seed: int, resamples: int) -> list[LeftOut]:
    """Fit linear heads on frozen embeddings of the base encoder without each source that answers both ways."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate(
        [
            cap_sources(corpus, corpus.where("train"), PER_SOURCE, rng),
            cap_sources(corpus, corpus.where("test"), TESTED, rng),
        ]
    )
    rows = np.union1d(rows, np.flatnonzero((corpus.sources == AUTHORED) & (corpus.splits != "dropped")))
    embeddings = embed(base, [corpus.texts[row] for row in rows])
    sources, train = corpus.sources[rows], corpus.splits[rows] == "train"
    targets = corpus.targets[rows]
    masked = targets.copy()
    masked[:, 0] = two_sided(targets, sources)[:, 0]
    assumed = np.nan_to_num(targets)
    found = []
    for source in track(list(dict.fromkeys(sources.tolist())), "leaving sources out"):
        name = question(targets[(sources == source) & ~train], corpus.outputs)
        if name is None:
            continue
        k = corpus.outputs.index(name)
        tested = (sources == source) & ~train & np.isfinite(targets[:, k])
        others = train & (sources != source)
        truth = targets[tested, k]
        fits = {
            "inside": (masked, train),
            "naive": (assumed, others & (sources != AUTHORED)),
            "ours": (masked, others),
        }
        figures = {
            kind: with_interval(_auc, truth, _score(embeddings, labels[:, k], chosen, tested), seed, resamples)
            for kind, (labels, chosen) in fits.items()
        }
        found.append(LeftOut(source, name, len(truth), int(truth.sum()), **figures))
    return found


def _score(embeddings: Floats, labels: Floats, chosen: npt.NDArray[np.bool_], tested: npt.NDArray[np.bool_]) -> Floats:
    heads = fit_heads(embeddings[chosen], labels[chosen, None], strength=0.05)
    score: Floats = (embeddings[tested] @ heads.weights + heads.bias)[:, 0]
    return score


def _auc(truth: Floats, score: Floats) -> float:
    return float(roc_auc_score(truth, score))
