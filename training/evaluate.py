"""Evaluation on the test part: each category's figures with n and 95 % bootstrap intervals; text alone, no metadata."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from models.bundle import Threshold
from models.calibration import Platt
from training.calibrate import probabilities
from training.corpus import AUTHORED, SEVERITIES, Corpus
from training.intervals import Floats, Metric, with_interval
from training.severity import severity_figures
from training.slices import identity_slices

MIN_CLAIM = 50  # positives below which only the interval is stated
BINS = 15
# A prevalence as on a live platform, stated so that figures can be read at it: 3 % of reported texts violate, and one
# in two hundred is of any one category. Assumed, not measured; `frontline thresholds --prevalence` takes your own.
REAL = {"violation": 0.03}
REAL_CATEGORY = 0.005


def calibration_error(truth: Floats, probability: Floats) -> float:
    """Expected calibration error: mean absolute gap over equal-mass bins (the bins of Nguyen and O'Connor 2015)."""
    order = np.argsort(probability, kind="stable")
    bins = np.array_split(order, BINS)
    gaps = [len(b) * abs(truth[b].mean() - probability[b].mean()) for b in bins if len(b)]
    return float(sum(gaps) / len(truth))


def reliability(truth: Floats, probability: Floats) -> list[dict[str, float]]:
    """The equal-mass bins behind the calibration error: mean probability, share that holds, n."""
    order = np.argsort(probability, kind="stable")
    return [
        {"probability": round(float(probability[b].mean()), 4), "share": round(float(truth[b].mean()), 4), "n": len(b)}
        for b in np.array_split(order, BINS)
        if len(b)
    ]


def at_prevalence(truth: Floats, probability: Floats, prevalence: float) -> float:
    """Average precision if positives were `prevalence` of the texts, each class looking as it does here."""
    share = truth.mean()
    weights = np.where(truth == 1, prevalence / share, (1 - prevalence) / (1 - share))
    return float(average_precision_score(truth, probability, sample_weight=weights))


def binary(
    truth: Floats, probability: Floats, threshold: float, seed: int, resamples: int, prevalence: float = REAL_CATEGORY
) -> dict[str, Any]:
    """All figures of one yes-or-no output; `prevalence` is the real one that the second average precision is at."""
    metrics: dict[str, Metric] = {
        "average_precision": lambda t, p: float(average_precision_score(t, p)),
        "average_precision_at_prevalence": lambda t, p: at_prevalence(t, p, prevalence),
        "roc_auc": lambda t, p: float(roc_auc_score(t, p)),
        "f1": lambda t, p: float(2 * t[p >= threshold].sum() / max(t.sum() + (p >= threshold).sum(), 1)),
        "precision": lambda t, p: float(t[p >= threshold].mean()) if (p >= threshold).any() else 0.0,
        "recall": lambda t, p: float((p[t == 1] >= threshold).mean()),
        "calibration_error": calibration_error,
        "brier": lambda t, p: float(((p - t) ** 2).mean()),
    }
    positives = int(truth.sum())
    figures = {name: with_interval(metric, truth, probability, seed, resamples) for name, metric in metrics.items()}
    return {
        "n": len(truth),
        "positives": positives,
        "claim": positives >= MIN_CLAIM,
        "prevalence": prevalence,
        **figures,
        "reliability": reliability(truth, probability),
    }


def macro(found: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Mean average precision of the categories that have one."""
    values = [row["average_precision"]["value"] for row in found.values()]
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None


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
    learned = [name for name in names if name in thresholds]

    def one(name: str, mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
        known = np.isfinite(truth[:, names.index(name)]) & mask
        threshold = thresholds[name].value if name in thresholds else 0.5
        prevalence = REAL.get(name, REAL_CATEGORY)
        return binary(truth[known, names.index(name)], values[name][known], threshold, seed, resamples, prevalence)

    def whole(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
        categories = {name: one(name, mask) for name in learned}
        return {"violation": one("violation", mask), "categories": categories, "macro": macro(categories)}

    own = sources == AUTHORED
    by_source = {}
    for source in dict.fromkeys(sources.tolist()):
        name = question(truth[sources == source], names)
        by_source[source] = {"output": name, **one(name, sources == source)} if name else {"output": None}
    return {
        **whole(np.ones(len(rows), dtype=bool)),
        "authored": whole(own),
        "sources": by_source,
        "severity": severity_figures(corpus, rows[own], _only(values, own), seed, resamples),
        "identities": _identities([corpus.texts[row] for row in rows], truth, names, values),
    }


def _identities(
    texts: Sequence[str], truth: Floats, names: list[str], values: Mapping[str, Floats]
) -> dict[str, dict[str, Any]]:
    return identity_slices(texts, truth[:, names.index("hate")], values["hate"]) if "hate" in names else {}


def _only(values: Mapping[str, Floats], mask: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    return {name: value[mask] for name, value in values.items()}


def question(truth: Floats, names: list[str]) -> str | None:
    """The output that a source's test rows speak of with both answers, the one with most positives; else None."""
    best, most = None, 0
    for k, name in enumerate(names):
        known = truth[np.isfinite(truth[:, k]), k]
        if name not in SEVERITIES and 0 < known.sum() < len(known) and known.sum() >= most:
            best, most = name, int(known.sum())
    return best
