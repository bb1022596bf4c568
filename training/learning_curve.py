"""Where would more rows of our own help? Average precision of each category by the share of rows that taught it."""

import numpy as np
from rich.progress import track
from sklearn.metrics import average_precision_score

from training.corpus import AUTHORED, SEVERITIES, Corpus
from training.heads import fit_heads
from training.leave_out import embed

SHARES = (0.125, 0.25, 0.5, 1.0)  # of the training rows
DRAWS = 5  # random draws of a share, averaged
MIN_POSITIVES = 10  # in the held-out rows
Curve = dict[str, list[float]]


def learning_curve(corpus: Corpus, base: str, seed: int) -> Curve:
    """Mean average precision over draws at each of SHARES, by output, on the authored rows held out for calibration
    and test; linear heads on the frozen base encoder, taught by the authored rows alone.

    The encoder is not fine-tuned, so that the height is not the shipped model's; the slope is what counts.
    """
    rows = np.flatnonzero((corpus.sources == AUTHORED) & (corpus.splits != "dropped"))
    embeddings, targets = embed(base, [corpus.texts[row] for row in rows]), corpus.targets[rows]
    train = np.flatnonzero(corpus.splits[rows] == "train")
    held = np.flatnonzero(corpus.splits[rows] != "train")
    outputs = {
        name: k
        for k, name in enumerate(corpus.outputs)
        if name not in SEVERITIES and np.nansum(targets[held, k]) >= MIN_POSITIVES
    }
    found: dict[str, list[list[float]]] = {name: [[] for _ in SHARES] for name in outputs}
    rng = np.random.default_rng(seed)
    for _ in track(range(DRAWS), "learning curve"):
        order = rng.permutation(train)
        for step, share in enumerate(SHARES):
            chosen = order[: round(share * len(order))]
            heads = fit_heads(embeddings[chosen], targets[chosen], strength=0.05)
            scores = embeddings[held] @ heads.weights + heads.bias
            for name, k in outputs.items():
                found[name][step].append(float(average_precision_score(targets[held, k], scores[:, k])))
    return {name: [round(float(np.mean(draws)), 4) for draws in steps] for name, steps in found.items()}
