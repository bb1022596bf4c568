"""What a threshold is wanted for, in words such as "maximum recall @ precision >= 0.9", and the metrics they name."""

import re
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt

from models.errors import InvalidIntent

Metric = Literal["precision", "recall", "f1", "specificity", "false_positive_rate", "flagged_share", "reviews_per_day"]
Floats = npt.NDArray[np.float64]
Counted = npt.NDArray[np.int64]
TARGETS = ("recall", "precision", "f1", "specificity")  # of the others nobody wants more for its own sake
LIMITS = (*TARGETS, "false_positive_rate", "reviews_per_day")
GRAMMAR = (
    "an intent is `maximum TARGET`, or `maximum TARGET @ METRIC >= NUMBER` (or <=), such as "
    f"`maximum recall @ precision >= 0.9`; TARGET is one of {', '.join(TARGETS)}, METRIC one of {', '.join(LIMITS)}, "
    "NUMBER between 0 and 1 except for reviews_per_day"
)
_SHAPE = re.compile(
    rf"maximum\s+(?P<target>{'|'.join(TARGETS)})"
    rf"(\s*@\s*(?P<metric>{'|'.join(LIMITS)})\s*(?P<operator>>=|<=)\s*(?P<bound>\d{{1,12}}(\.\d{{0,12}})?|\.\d{{1,12}}))?",
    re.ASCII,
)
CONFIDENCE = 0.9  # with which a bound is to hold before a threshold is given for it; one-sided
DRAWS = 2000
SEED = 7
_BLOCK = 256  # thresholds whose draws are held at once, so that thousands do not take gigabytes
_FUZZ = 1e-9  # 0.9 as a quotient of weighted counts may come out a hair below 0.9


def plain(number: float) -> str:
    """A number in plain decimals: 0.9, 400, 0.000001."""
    return np.format_float_positional(number, trim="-")


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric."""

    metric: Metric
    operator: Literal[">=", "<="]
    bound: float

    def met(self, values: Floats | float) -> Any:
        """Which values keep the bound; an undefined one (NaN) does not."""
        if self.operator == ">=":
            return values >= self.bound - _FUZZ
        return values <= self.bound * (1 + _FUZZ) + _FUZZ

    def limit(self, counts: "Counts", conditions: "Conditions") -> Floats:
        """The metric [n] at its worst with 90 % confidence: its lower limit where it is to be high, else its upper."""
        return counts.limit(self.metric, 1 - CONFIDENCE if self.operator == ">=" else CONFIDENCE, conditions)

    def __str__(self) -> str:
        return f"{self.metric} {self.operator} {plain(self.bound)}"


@dataclass(frozen=True)
class Intent:
    """The metric to make as high as possible, and the bound to keep."""

    target: Metric
    constraint: Constraint | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an intent. Raises InvalidIntent, which gives the grammar."""
        found = _SHAPE.fullmatch(text.strip())
        if found is None:
            raise InvalidIntent(GRAMMAR, field="intent")
        target = cast(Metric, found["target"])
        if found["metric"] is None:
            return cls(target)
        bound = float(found["bound"])
        if bound > 1 and found["metric"] != "reviews_per_day":
            raise InvalidIntent(f"{found['metric']} lies between 0 and 1; {GRAMMAR}", field="intent")
        operator = cast(Literal[">=", "<="], found["operator"])
        return cls(target, Constraint(cast(Metric, found["metric"]), operator, bound))

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that it names, each once."""
        return list(dict.fromkeys([self.target, *([self.constraint.metric] if self.constraint else [])]))

    def __str__(self) -> str:
        return f"maximum {self.target}" + (f" @ {self.constraint}" if self.constraint else "")


@dataclass(frozen=True)
class Conditions:
    """Where a threshold is to work: the share of reports that are positive (None: as in the sample), reports a day."""

    prevalence: float | None = None
    reports_per_day: float | None = None


@dataclass(frozen=True)
class Counts:
    """How many of a sample's positives and negatives each of n thresholds flags [n], and how many there are."""

    flagged_positives: Counted
    flagged_negatives: Counted
    positives: np.int64
    negatives: np.int64

    def metrics(self, conditions: Conditions) -> dict[Metric, Floats]:
        """All metrics [n], NaN where undefined.

        At a stated prevalence π a positive weighs π/πₛ and a negative (1-π)/(1-πₛ), πₛ being that of the sample. That
        is right under label shift, where positives score as in the sample, and so do negatives, and only their shares
        differ (Saerens, Latinne and Decaestecker 2002, Neural Computation 14(1), 21-41).
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            recall, false_alarms = self.flagged_positives / self.positives, self.flagged_negatives / self.negatives
            return self._metrics(recall, false_alarms, conditions)

    def limit(self, metric: Metric, level: float, conditions: Conditions) -> Floats:
        """The `level` quantile [n] of a metric, given the counts; NaN where it is undefined.

        Recall and false-positive rate are drawn from Beta(k + 1/2, n - k + 1/2), Jeffreys' interval (Brown, Cai and
        DasGupta 2001, Statistical Science 16(2), 101-133), and the metric follows; the prevalence is not drawn. As
        there, the limit never leaves the metric itself outside: 0 of n has 0 as its lower one.
        """
        rng, value = np.random.default_rng(SEED), self.metrics(conditions)[metric]
        found = np.empty_like(value)
        for start in range(0, len(value), _BLOCK):
            part = slice(start, start + _BLOCK)
            recall = _drawn(rng, self.flagged_positives[part], self.positives)
            false_alarms = _drawn(rng, self.flagged_negatives[part], self.negatives)
            with np.errstate(divide="ignore", invalid="ignore"):
                drawn = self._metrics(recall, false_alarms, conditions)[metric]
            found[part] = np.quantile(drawn, level, axis=0)
        return np.minimum(found, value) if level < 0.5 else np.maximum(found, value)

    def _metrics(self, recall: Floats, false_alarms: Floats, conditions: Conditions) -> dict[Metric, Floats]:
        share: Floats | float = self.positives / (self.positives + self.negatives)
        if conditions.prevalence is not None:
            share = conditions.prevalence
        hits = share * recall
        flagged = hits + (1 - share) * false_alarms
        return {
            "precision": hits / flagged,
            "recall": recall,
            "f1": 2 * hits / (flagged + share),
            "specificity": 1 - false_alarms,
            "false_positive_rate": false_alarms,
            "flagged_share": flagged,
            "reviews_per_day": flagged * (np.nan if conditions.reports_per_day is None else conditions.reports_per_day),
        }


def _drawn(rng: np.random.Generator, flagged: Counted, n: np.int64) -> Floats:
    return rng.beta(flagged + 0.5, n - flagged + 0.5, (DRAWS, len(flagged)))
