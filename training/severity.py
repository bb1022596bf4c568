"""How well the severity scale agrees with the people who graded the texts."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import cohen_kappa_score

from models.severity import from_exceedance
from training.corpus import SEVERITIES, Corpus
from training.intervals import Floats, Metric, with_interval

CRITICAL = 4


def severity_figures(
    corpus: Corpus, rows: npt.NDArray[np.int64], values: Mapping[str, Floats], seed: int, resamples: int
) -> dict[str, Any]:
    """Expected severity, rounded, against the graded severity: agreement, near misses, and the gravest level.

    `values` hold calibrated probabilities [len(rows)] of violation and of the severity chain.
    """
    graded = np.array([corpus.examples[row].labels.severity for row in rows.tolist()], dtype=np.float32)
    expected = [
        from_exceedance(float(values["violation"][i]), [float(values[name][i]) for name in SEVERITIES]).expected
        for i in range(len(rows))
    ]
    level = np.floor(np.array(expected) + 0.5).astype(np.float32)
    metrics: dict[str, Metric] = {
        "quadratic_kappa": lambda t, p: float(cohen_kappa_score(t, p, weights="quadratic")),
        "exact": lambda t, p: float((t == p).mean()),
        "off_by_one": lambda t, p: float((np.abs(t - p) == 1).mean()),
        "within_one": lambda t, p: float((np.abs(t - p) <= 1).mean()),
        "critical_recall": lambda t, p: float((p[t == CRITICAL] >= CRITICAL).mean()) if (t == CRITICAL).any() else 0.0,
        # of the texts graded critical, those that come out at least high: they reach a lane of hours, not days
        "critical_at_least_high": lambda t, p: (
            float((p[t == CRITICAL] >= CRITICAL - 1).mean()) if (t == CRITICAL).any() else 0.0
        ),
        "critical_precision": lambda t, p: (
            float((t[p >= CRITICAL] == CRITICAL).mean()) if (p >= CRITICAL).any() else 0.0
        ),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a resample may hold one class alone
        found = {name: with_interval(metric, graded, level, seed, resamples) for name, metric in metrics.items()}
    return {"n": len(rows), "critical": int((graded == CRITICAL).sum()), **found}
