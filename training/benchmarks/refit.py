"""The recipe on a suite's own training folds: what the published models of that suite did, so that figures compare."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from sklearn.metrics import precision_recall_curve
from sklearn.model_selection import StratifiedKFold, train_test_split

from models.errors import MissingData
from training.batches import Schedule
from training.benchmarks.measures import Bootstrap, Figure, f1, precision, recall
from training.corpus import Corpus, Example
from training.encoder import Trainer, base_folder
from training.labels import UNKNOWN

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
FOLDS = 5
CALIBRATED = 0.15  # share of a training part that chooses the epoch and the threshold
console = Console(stderr=True)


def refit(texts: Sequence[str], truth: Floats, seed: int, epochs: int) -> list[Figure]:
    """Cross-validate the recipe on prepared texts: F1, precision and recall over all held-out texts, F1 of each fold.

    Raises MissingData where a class is too rare for the folds.
    """
    rarer = int(min(truth.sum(), (1 - truth).sum()))
    if rarer < 2 * FOLDS:
        raise MissingData(f"{rarer} texts of the rarer class; a refit in {FOLDS} folds needs at least {2 * FOLDS}")
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    flagged, bootstrap = np.zeros(len(truth), np.float32), Bootstrap(seed)
    each = []
    for number, (fitted, held) in enumerate(folds.split(truth, truth), 1):
        console.print(f"fold {number} of {FOLDS}: {len(fitted)} texts to fit, {len(held)} held out", highlight=False)
        flagged[held] = _fold(texts, truth, fitted, held, seed, epochs)
        each.append(bootstrap.figure(f"spam F1 fold {number}", f1, truth[held], flagged[held]))
        console.print(f"fold {number} of {FOLDS}: F1 {each[-1].value}", highlight=False)
    pooled = {"spam F1": f1, "spam precision": precision, "spam recall": recall}
    return [*(bootstrap.figure(name, metric, truth, flagged) for name, metric in pooled.items()), *each]


def _fold(texts: Sequence[str], truth: Floats, fitted: Indices, held: Indices, seed: int, epochs: int) -> Floats:
    """Which held-out texts a model of the others flags."""
    train, calibrate = train_test_split(fitted, test_size=CALIBRATED, stratify=truth[fitted], random_state=seed)
    # Every training text is seen in every epoch: there is but one source to balance.
    schedule = Schedule(epochs=epochs, per_source=len(train), draws={})
    with tempfile.TemporaryDirectory() as folder:
        corpus = fitting_corpus(texts, truth, train, calibrate)
        trainer = Trainer(corpus, base_folder(None), schedule, seed, Path(folder))
        trainer.run()
    cut = best_cut(trainer.logits([texts[i] for i in calibrate])[:, 0], truth[calibrate])
    found = trainer.logits([texts[i] for i in held])[:, 0] >= cut
    return found.astype(np.float32)


def fitting_corpus(texts: Sequence[str], truth: Floats, train: Indices, calibrate: Indices) -> Corpus:
    """A corpus of one source and one output; the held-out fold is in it as test, which training never reads."""
    splits = np.full(len(texts), "test", dtype="<U9")
    splits[train], splits[calibrate] = "train", "calibrate"
    return Corpus(
        [Example("sms-spam", str(i), text, UNKNOWN) for i, text in enumerate(texts)],
        list(texts),
        ["spam"],
        truth[:, None].astype(np.float32),
        np.arange(len(texts)),
        splits,
    )


def best_cut(logits: Floats, truth: Floats) -> float:
    """The logit from which flagging gives the highest F1; unlike a probability it never rounds to 1."""
    found, recalled, cuts = precision_recall_curve(truth, logits)
    scores = 2 * found * recalled / np.maximum(found + recalled, 1e-9)
    return float(cuts[int(np.argmax(scores[:-1]))])
