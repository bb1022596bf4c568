"""Calibration on texts that no model was trained on: Platt scaling, thresholds, out-of-distribution limit."""

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve

from models.bundle import Threshold
from models.calibration import Platt, sigmoid

Floats = npt.NDArray[np.float32]
RESAMPLES = 50
MIN_POSITIVES = 10  # fewer cannot choose a threshold
IN_DISTRIBUTION = 0.99  # share of the calibration texts that the distance limit lets pass


def fit_platt(raw: Floats, truth: Floats, groups: npt.NDArray[np.str_], seed: int) -> Platt:
    """Fit Platt scaling; its covariance comes from a bootstrap over whole groups (the sources)."""
    slope, intercept = _fit(raw, truth)
    rng = np.random.default_rng(seed)
    names, found = np.unique(groups), []
    for _ in range(RESAMPLES):
        rows = np.concatenate([np.flatnonzero(groups == name) for name in rng.choice(names, len(names))])
        rows = rng.choice(rows, len(rows))
        if 0 < truth[rows].sum() < len(rows):
            found.append(_fit(raw[rows], truth[rows]))
    covariance = np.cov(np.array(found).T) if len(found) > 2 else np.eye(2)
    return Platt(
        slope=slope,
        intercept=intercept,
        covariance=(float(covariance[0, 0]), float(covariance[0, 1]), float(covariance[1, 1])),
    )


def _fit(raw: Floats, truth: Floats) -> tuple[float, float]:
    if truth.min() == truth.max():
        return 1.0, 0.0  # one class alone calibrates nothing
    # The light penalty keeps a perfectly separated small sample finite.
    model = LogisticRegression(C=100.0).fit(raw[:, None], truth)
    return max(float(model.coef_[0, 0]), 0.05), float(model.intercept_[0])


def two_sided(targets: Floats, sources: npt.NDArray[np.str_]) -> Floats:
    """The targets without those of a source that answers an output with yes alone, or with no alone.

    Such a source would calibrate its own style: where every text is a violation, the style would be the violation.
    """
    kept = targets.copy()
    for source in np.unique(sources):
        rows = sources == source
        answers = targets[rows]
        one_sided = ~((answers == 0).any(axis=0) & (answers == 1).any(axis=0))
        kept[np.ix_(rows, one_sided)] = np.nan
    return kept


def calibrate(
    outputs: list[str], logits: Floats, targets: Floats, groups: npt.NDArray[np.str_], seed: int
) -> dict[str, Platt]:
    """Fit one calibrator an output from its known targets; an output without any stays as it is."""
    found = {}
    for k, name in enumerate(outputs):
        known = np.isfinite(targets[:, k])
        found[name] = (
            fit_platt(logits[known, k], targets[known, k], groups[known], seed)
            if known.any()
            else Platt(slope=1, intercept=0, covariance=(0, 0, 1))
        )
    return found


def probabilities(calibrator: Platt, raw: Floats) -> Floats:
    """Calibrated probabilities of raw outputs."""
    return np.array([sigmoid(calibrator.log_odds(float(value))) for value in raw], dtype=np.float32)


def choose_threshold(probability: Floats, truth: Floats) -> Threshold:
    """The threshold of highest F1, or 0.5 where there are too few positives to choose one."""
    positives = int(truth.sum())
    if positives < MIN_POSITIVES or positives == len(truth):
        return Threshold(value=0.5, intent=f"0.5: {positives} positives are too few to choose by")
    precision, recall, cuts = precision_recall_curve(truth, probability)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    return Threshold(value=round(float(cuts[int(np.argmax(f1[:-1]))]), 4), intent="maximum f1")


def distance_limit(distances: Floats) -> float:
    """Distance beyond which a text is out of distribution."""
    return float(np.quantile(distances, IN_DISTRIBUTION))
