"""Leave one source out: does what was learnt elsewhere hold for texts from a place that gave no training text?"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from sklearn.metrics import roc_auc_score
from tokenizers import Tokenizer

from models.errors import MissingData
from training.batches import Rows, Schedule, Windows, cap_sources, pack
from training.corpus import AUTHORED, Corpus, training_targets
from training.encoder import Encoder, Trainer
from training.evaluate import question
from training.heads import fit_heads
from training.intervals import Floats, with_interval

PER_SOURCE = 1000  # training texts of one source at most
TESTED = 600  # texts of a left-out source's test part at most
WINDOWS = 2
QUICK = Schedule(epochs=1, per_source=400, draws={}, windows=1, encoder_rate=1.5e-4)  # of a fit by full fine-tuning

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LeftOut:
    """ROC AUC of one output on `n` texts of a source's own test part, by what the model was fitted on.

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
    asked = _asked(corpus, corpus.sources.tolist(), seed)
    learnt = corpus.where("train")
    drawn = cap_sources(corpus, learnt, PER_SOURCE, np.random.default_rng(seed))
    ours = learnt[corpus.sources[learnt] == AUTHORED]
    rows = np.unique(np.concatenate([drawn, ours, *(tested for _, tested in asked.values())]))
    embeddings = embed(base, [corpus.texts[row] for row in rows])
    sources, train = corpus.sources[rows], corpus.splits[rows] == "train"
    targets, masked = corpus.targets[rows], training_targets(corpus)[rows]
    found = []
    for source, (k, chosen) in track(asked.items(), "leaving sources out"):
        tested = np.isin(rows, chosen)

        def score(labels: Floats, chosen: Mask, k: int = k, tested: Mask = tested) -> Floats:
            return _linear(embeddings, labels[:, k], chosen, tested)

        fits = _fits(source, sources, train, targets, masked)
        found.append(_left_out(source, corpus.outputs[k], targets[tested, k], fits, score, seed, resamples))
    return found


def fine_tune_without(
    corpus: Corpus, base: str, chosen: Sequence[str], seed: int, resamples: int, schedule: Schedule = QUICK
) -> list[LeftOut]:
    """The same by fine-tuning the whole encoder for each fit, of the `chosen` sources; some minutes a fit.

    Raises MissingData, before any fit, for a source that has no test part which answers something both ways.
    """
    asked = _asked(corpus, chosen, seed)
    if unasked := [source for source in chosen if source not in asked]:
        raise MissingData(f"no source with a test part that answers something both ways: {', '.join(unasked)}")
    sources, train = corpus.sources, corpus.splits == "train"
    masked = training_targets(corpus)
    inside: Trainer | None = None  # one fit serves every source
    found = []
    for source, (k, tested) in asked.items():

        def score(labels: Floats, rows: Mask, k: int = k, tested: Rows = tested) -> Floats:
            nonlocal inside
            whole = bool((rows == train).all())
            trainer = inside if whole and inside else _fine_tuned(corpus, base, labels, rows, seed, schedule)
            inside = trainer if whole else inside
            scores: Floats = trainer.logits([corpus.texts[row] for row in tested])[:, k]
            return scores

        fits = _fits(source, sources, train, corpus.targets, masked)
        found.append(_left_out(source, corpus.outputs[k], corpus.targets[tested, k], fits, score, seed, resamples))
    return found


def _asked(corpus: Corpus, sources: Iterable[str], seed: int) -> dict[str, tuple[int, Rows]]:
    """By source the output (its index) that it is tested on, and at most TESTED rows of its test part that answer it.

    A source that answers nothing both ways is left away. Its rows are the same whichever others are asked for.
    """
    test = corpus.where("test")
    theirs = corpus.sources[test]
    found = {}
    for source in dict.fromkeys(sources):
        rows = test[theirs == source]
        if name := question(corpus.targets[rows], corpus.outputs):
            k = corpus.outputs.index(name)
            rows = rows[np.isfinite(corpus.targets[rows, k])]
            found[source] = k, np.sort(np.random.default_rng(seed).permutation(rows)[:TESTED])
    return found


def _fits(
    source: str, sources: npt.NDArray[np.str_], train: Mask, targets: Floats, masked: Floats
) -> dict[str, tuple[Floats, Mask]]:
    """For each field of LeftOut the labels, and the rows that may be learnt from."""
    others = train & (sources != source)
    return {
        "inside": (masked, train),
        "naive": (np.nan_to_num(targets), others & (sources != AUTHORED)),
        "ours": (masked, others),
    }


def _left_out(
    source: str,
    name: str,
    truth: Floats,
    fits: Mapping[str, tuple[Floats, Mask]],
    score: Callable[[Floats, Mask], Floats],
    seed: int,
    resamples: int,
) -> LeftOut:
    figures = {kind: with_interval(_auc, truth, score(*fit), seed, resamples) for kind, fit in fits.items()}
    return LeftOut(source, name, len(truth), int(truth.sum()), **figures)


def _fine_tuned(corpus: Corpus, base: str, labels: Floats, rows: Mask, seed: int, schedule: Schedule) -> Trainer:
    """A trainer that has run on these rows alone, towards these labels."""
    splits = corpus.splits.copy()
    splits[(splits == "train") & ~rows] = "dropped"
    with TemporaryDirectory() as folder:
        trainer = Trainer(replace(corpus, splits=splits), base, schedule, seed, Path(folder))
        trainer.targets = labels
        trainer.run()
    return trainer


def _linear(embeddings: Floats, labels: Floats, chosen: Mask, tested: Mask) -> Floats:
    heads = fit_heads(embeddings[chosen], labels[chosen, None], strength=0.05)
    score: Floats = (embeddings[tested] @ heads.weights + heads.bias)[:, 0]
    return score


def _auc(truth: Floats, score: Floats) -> float:
    return float(roc_auc_score(truth, score))
