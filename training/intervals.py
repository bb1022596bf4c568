"""A figure with its bootstrap interval: resample the texts, measure again, take the middle 95 %."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Metric = Callable[[Floats, Floats], float]


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
