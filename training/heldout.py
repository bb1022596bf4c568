"""What the bundle keeps of its held-out texts, and the thresholds that it starts with."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.bundle import Threshold
from models.calibration import Platt
from models.heldout import PARTS, HeldOut, Probabilities, Truth
from models.thresholds import MIN_POSITIVES
from training.calibrate import probabilities

Floats = npt.NDArray[np.float32]
MOST = 20_000  # rows of a part: about 0.9 MB


def held_out(
    outputs: Sequence[str],
    calibration: Mapping[str, Platt],
    calibrated: tuple[Floats, Floats],
    tested: tuple[Floats, Floats],
    seed: int,
) -> HeldOut:
    """The answers for `outputs`, the first columns of each part's raw outputs [n, columns] and targets [n, columns].

    Rows of which nothing is known are left out; of more than 20,000 a uniform sample stays, so that every source keeps
    its share.
    """
    rng, parts = np.random.default_rng(seed), {}
    for part, (logits, targets) in zip(PARTS, (calibrated, tested), strict=True):
        truth = targets[:, : len(outputs)]
        rows = np.flatnonzero(np.isfinite(truth).any(axis=1))
        if len(rows) > MOST:
            rows = np.sort(rng.choice(rows, MOST, replace=False))
        values = [probabilities(calibration[name], logits[rows, k]) for k, name in enumerate(outputs)]
        parts[part] = np.column_stack(values), truth[rows]
    return HeldOut.of(outputs, parts)


def default_thresholds(held: HeldOut, learned: Sequence[str]) -> dict[str, Threshold]:
    """The threshold that each category starts with."""
    return {name: default_threshold(*held.sample("calibration", name)) for name in learned}


def default_threshold(probability: Probabilities, truth: Truth) -> Threshold:
    """The threshold of highest F1 that calibrated probabilities [n] lead one to expect.

    It is half of that F1 (Lipton, Elkan and Narayanaswamy 2014). Counting the answers instead would follow the luck of
    a few positives: where 35 are known, F1 is nearly flat and its highest point anywhere. 0.5 where there are fewer
    than 10 positives or negatives, by which nothing was calibrated well.
    """
    positives = int(truth.sum())
    if min(positives, len(truth) - positives) < MIN_POSITIVES:
        return Threshold(value=0.5, intent=f"0.5: {positives} of {len(truth)} known answers are positive")
    ordered = np.sort(probability)[::-1]
    flagged = np.arange(1, len(ordered) + 1)
    f1 = 2 * np.cumsum(ordered) / (flagged + ordered.sum())
    return Threshold(value=float(f1.max() / 2), intent="maximum expected f1")
