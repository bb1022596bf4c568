"""Evaluation on the test part: every figure with its n and a 95 % bootstrap interval, text alone, no metadata."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, cohen_kappa_score, roc_auc_score

from models.bundle import Threshold
from models.calibration import Platt
from models.severity import from_exceedance
from training.calibrate import probabilities
from training.corpus import AUTHORED, SEVERITIES, Corpus

Floats = npt.NDArray[np.float32]
Metric = Callable[[Floats, Floats], float]
MIN_CLAIM = 50  # positives below which only the interval is stated
BINS = 15


def calibration_error(truth: Floats, probability: Floats) -> float:
    """Expected calibration error with equal-mass bins (Nguyen and O'Connor 2015)."""
    order = np.argsort(probability, kind="stable")
    bins = np.array_split(order, BINS)
    gaps = [len(b) * abs(truth[b].mean() - probability[b].mean()) for b in bins if len(b)]
    return float(sum(gaps) / len(truth))


def with_interval(metric: Metric, truth: Floats, value: Floats, seed: int, resamples: int) -> dict[str, Any]:
    """A metric with its percentile-bootstrap interval; null where one class is absent."""
    if len(truth) == 0 or truth.min() == truth.max():
        return {"value": None, "interval": None}
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        rows = rng.integers(0, len(truth), len(truth))
        if truth[rows].min() < truth[rows].max():
            found.append(metric(truth[rows], value[rows]))
    low, high = np.quantile(found, [0.025, 0.975])
    return {"value": round(metric(truth, value), 4), "interval": [round(float(low), 4), round(float(high), 4)]}


def binary(truth: Floats, probability: Floats, threshold: float, seed: int, resamples: int) -> dict[str, Any]:
    """All figures of one yes-or-no output."""
    metrics: dict[str, Metric] = {
        "average_precision": lambda t, p: float(average_precision_score(t, p)),
        "roc_auc": lambda t, p: float(roc_auc_score(t, p)),
        "f1": lambda t, p: float(2 * t[p >= threshold].sum() / max(t.sum() + (p >= threshold).sum(), 1)),
        "precision": lambda t, p: float(t[p >= threshold].mean()) if (p >= threshold).any() else 0.0,
        "recall": lambda t, p: float((p[t == 1] >= threshold).mean()),
        "calibration_error": calibration_error,
        "brier": lambda t, p: float(((p - t) ** 2).mean()),
    }
    positives = int(truth.sum())
    figures = {name: with_interval(metric, truth, probability, seed, resamples) for name, metric in metrics.items()}
    return {"n": len(truth), "positives": positives, "claim": positives >= MIN_CLAIM, **figures}


def evaluate(
    corpus: Corpus,
    rows: npt.NDArray[np.int64],
    logits: Floats,
    calibration: Mapping[str, Platt],
    thresholds: Mapping[str, Threshold],
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    """Evaluate raw outputs `logits` [len(rows), outputs] of the test rows."""
    truth, sources = corpus.targets[rows], corpus.sources[rows]
    names = list(calibration)
    values = {name: probabilities(calibration[name], logits[:, k]) for k, name in enumerate(names)}

    def one(name: str, mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
        known = np.isfinite(truth[:, names.index(name)]) & mask
        threshold = thresholds[name].value if name in thresholds else 0.5
        return binary(truth[known, names.index(name)], values[name][known], threshold, seed, resamples)

    every = np.ones(len(rows), dtype=bool)
    by_source = {}
    for source in dict.fromkeys(sources.tolist()):
        name = question(truth[sources == source], names)
        by_source[source] = {"output": name, **one(name, sources == source)} if name else {"output": None}
    own = sources == AUTHORED
    return {
        "violation": one("violation", every),
        "categories": {name: one(name, every) for name in names if name in thresholds},
        "authored": {
            "violation": one("violation", own),
            "categories": {name: one(name, own) for name in names if name in thresholds},
        },
        "sources": by_source,
        "severity": severity_figures(
            corpus, rows[own], {name: value[own] for name, value in values.items()}, seed, resamples
        ),
    }


def question(truth: Floats, names: list[str]) -> str | None:
    """The output that a source's test rows speak of with both answers, the one with most positives; else None."""
    best, most = None, 0
    for k, name in enumerate(names):
        known = truth[np.isfinite(truth[:, k]), k]
        if name not in SEVERITIES and 0 < known.sum() < len(known) and known.sum() >= most:
            best, most = name, int(known.sum())
    return best


def severity_figures(
    corpus: Corpus, rows: npt.NDArray[np.int64], values: Mapping[str, Floats], seed: int, resamples: int
) -> dict[str, Any]:
    """Agreement of the expected severity, rounded, with the authors' severity on our own corpus."""
    graded = np.array([corpus.examples[row].labels.severity for row in rows.tolist()], dtype=np.float32)
    expected = [
        from_exceedance(float(values["violation"][i]), [float(values[name][i]) for name in SEVERITIES]).expected
        for i in range(len(rows))
    ]
    level = np.floor(np.array(expected) + 0.5).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a resample may hold one class alone
        kappa = with_interval(_kappa, graded, level, seed, resamples)
    within = with_interval(lambda t, p: float((np.abs(t - p) <= 1).mean()), graded, level, seed, resamples)
    return {"n": len(rows), "quadratic_kappa": kappa, "within_one": within}


def _kappa(graded: Floats, level: Floats) -> float:
    return float(cohen_kappa_score(graded, level, weights="quadratic"))
