"""Calibration: a raw output becomes a log-odds that means what it says, with an interval around it."""

import math
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

LIMIT = 12.0  # log-odds beyond this claim more than any data here could show


def sigmoid(x: float) -> float:
    """Log-odds → probability, without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def logit(p: float) -> float:
    """Probability → log-odds, held within ±LIMIT."""
    floor = sigmoid(-LIMIT)
    p = min(max(p, floor), 1 - floor)
    return math.log(p / (1 - p))


class Platt(BaseModel):
    """Platt scaling (Platt 1999): log-odds = slope · raw + intercept."""

    # Not extra=forbid: older bundles also hold a covariance.
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    slope: Annotated[float, Field(gt=0)]
    intercept: float

    def log_odds(self, raw: float) -> float:
        """The calibrated log-odds of a raw output."""
        return min(max(self.slope * raw + self.intercept, -LIMIT), LIMIT)


class Band(BaseModel):
    """An interval around the calibrated log-odds, as two curves over the raw output, straight between the points.

    The curves are the 2.5 % quantile of the lower and the 97.5 % quantile of the upper Venn-Abers probability (Vovk,
    Petej and Fedorova 2015) over resampled sources: how far the answer depends on where the calibration texts came
    from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    raw: Annotated[list[float], Field(min_length=2)]
    low: list[float]
    high: list[float]

    def at(self, raw: float) -> tuple[float, float]:
        """Lower and upper log-odds at a raw output; beyond the ends, those of the ends."""
        return float(np.interp(raw, self.raw, self.low)), float(np.interp(raw, self.raw, self.high))
