"""Calibration on texts that no model was trained on: Platt scaling, intervals, distance limit."""

import warnings

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from venn_abers import VennAbers

from models.calibration import Band, Platt, logit, sigmoid

Floats = npt.NDArray[np.float32]
RESAMPLES = 50
GRID = 41  # points of an interval curve
IN_DISTRIBUTION = 0.99  # share of the calibration texts that the distance limit lets pass


def fit_platt(raw: Floats, truth: Floats) -> Platt:
    """Fit Platt scaling; one class alone calibrates nothing."""
    if truth.min() == truth.max():
        return Platt(slope=1, intercept=0)
    # The light penalty keeps a perfectly separated small sample finite.
    model = LogisticRegression(C=100.0).fit(raw[:, None], truth)
    return Platt(slope=max(float(model.coef_[0, 0]), 0.05), intercept=float(model.intercept_[0]))


def fit_band(raw: Floats, truth: Floats, groups: npt.NDArray[np.str_], platt: Platt, seed: int) -> Band | None:
    """Venn-Abers intervals over resamples of whole groups (the sources); they always hold the Platt point.

    None where no resample holds both classes.
    """
    grid = np.unique(np.quantile(raw, np.linspace(0, 1, GRID)))
    point = np.array([platt.log_odds(float(value)) for value in grid])
    rng = np.random.default_rng(seed)
    names, low, high = np.unique(groups), [], []
    for _ in range(RESAMPLES):
        rows = np.concatenate([np.flatnonzero(groups == name) for name in rng.choice(names, len(names))])
        rows = rng.choice(rows, len(rows))
        if 0 < truth[rows].sum() < len(rows):
            found = _venn_abers(_two_columns(raw[rows], platt), truth[rows], _two_columns(grid, platt))
            low.append(found[:, 0])
            high.append(found[:, 1])
    if not low:
        return None
    lower = np.minimum([logit(float(p)) for p in np.quantile(low, 0.025, axis=0)], point)
    upper = np.maximum([logit(float(p)) for p in np.quantile(high, 0.975, axis=0)], point)
    return Band(
        raw=grid.round(5).tolist(),
        low=np.maximum.accumulate(lower).round(4).tolist(),
        high=np.maximum.accumulate(upper).round(4).tolist(),
    )


def _venn_abers(probability: Floats, truth: Floats, asked: Floats) -> Floats:
    """The two Venn-Abers probabilities [n, 2] of each row asked for."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the package divides 0 by 0 and knows it
        _, found = VennAbers().fit(probability, truth, precision=3).predict_proba(asked)
    pair: Floats = found
    return pair


def _two_columns(raw: Floats, platt: Platt) -> Floats:
    one = probabilities(platt, raw)
    return np.column_stack([1 - one, one])


def calibrate(outputs: list[str], logits: Floats, targets: Floats) -> dict[str, Platt]:
    """Fit one calibrator an output from its known targets; an output without any stays as it is."""
    found = {}
    for k, name in enumerate(outputs):
        known = np.isfinite(targets[:, k])
        found[name] = fit_platt(logits[known, k], targets[known, k]) if known.any() else Platt(slope=1, intercept=0)
    return found


def probabilities(calibrator: Platt, raw: Floats) -> Floats:
    """Calibrated probabilities of raw outputs."""
    return np.array([sigmoid(calibrator.log_odds(float(value))) for value in raw], dtype=np.float32)


def distance_limit(distances: Floats) -> float:
    """Distance beyond which a text is out of distribution."""
    return float(np.quantile(distances, IN_DISTRIBUTION))
