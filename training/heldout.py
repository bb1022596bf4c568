"""What the bundle keeps of its held-out texts, and the thresholds that it starts with."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.bundle import Threshold
from models.calibration import Platt
from models.errors import NoThreshold
from models.heldout import PARTS, HeldOut
from models.intents import Intent
from models.thresholds import choose
from training.calibrate import probabilities

Floats = npt.NDArray[np.float32]
MOST = 20_000  # rows of a part: about 0.9 MB
DEFAULT = Intent("f1")


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


def default_threshold(probability: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> Threshold:
    """The threshold of highest F1, or 0.5 where there are too few answers to choose by."""
    try:
        return Threshold(value=choose(DEFAULT, probability, truth), intent=str(DEFAULT))
    except NoThreshold as reason:
        return Threshold(value=0.5, intent=f"0.5: {reason}")
