"""Calibration: a raw output becomes a log-odds that means what it says, with an interval around it."""

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Z95 = 1.959964  # two-sided 95 % of a normal
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
    """Platt scaling (Platt 1999): log-odds = slope · raw + intercept.

    `covariance` holds var(slope), cov, var(intercept) of a bootstrap over sources, so that the interval says how far
    the answer depends on where the calibration texts came from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: Annotated[float, Field(gt=0)]
    intercept: float
    covariance: tuple[float, float, float]

    def log_odds(self, raw: float) -> float:
        """The calibrated log-odds of a raw output."""
        return min(max(self.slope * raw + self.intercept, -LIMIT), LIMIT)

    def half_width(self, raw: float) -> float:
        """Half the 95 % interval of the log-odds, by the delta method."""
        slope, cross, intercept = self.covariance
        return Z95 * math.sqrt(max(slope * raw * raw + 2 * cross * raw + intercept, 0.0))
