"""From an intent to a threshold: chosen on the calibration part of the held-out answers, measured on the test part."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from models.bundle import Bundle
from models.errors import InvalidIntent, NoThreshold
from models.heldout import Probabilities, Truth
from models.intents import CONFIDENCE, GRAMMAR, Conditions, Constraint, Counts, Intent, plain
from models.score import ModelRef, Probability

MIN_POSITIVES = 10  # fewer cannot choose a threshold
ENDS = (0.025, 0.975)


class ThresholdRequest(BaseModel):
    """What is asked: an intent for a category (or `violation`), and where the threshold is to work."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"intent": "maximum recall @ precision >= 0.5", "category": "hate", "prevalence": 0.03}]
        },
    )

    intent: Annotated[str, Field(description=GRAMMAR)]
    category: Annotated[str, Field(description="A category that the bundle learnt, or `violation`.")]
    prevalence: Annotated[float | None, Field(ge=0, le=1, description="Share of your reports that are positive.")] = (
        None
    )
    reports_per_day: Annotated[float | None, Field(ge=0, le=10**12)] = None


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class Figure(_Out):
    """A metric with its 95 % interval (Jeffreys); null where undefined. The calibration part has no intervals."""

    value: float | None
    interval: tuple[float, float] | None


class Statistics(_Out):
    """What the threshold gives, at the stated prevalence; `reviews_per_day` where reports per day are stated."""

    precision: Figure
    recall: Figure
    f1: Figure
    specificity: Figure
    false_positive_rate: Figure
    flagged_share: Figure
    reviews_per_day: Figure


class PartFigures(_Out):
    """One part of the held-out answers: how many are known, how many of those positive, and the statistics."""

    n: int
    positives: int
    statistics: Statistics


class ThresholdAnswer(_Out):
    """The threshold, what it gives, and in words how that was found and what to beware of."""

    model: ModelRef
    category: str
    intent: str
    threshold: Probability
    prevalence: Probability | None
    reports_per_day: float | None
    calibration: PartFigures
    test: PartFigures
    constraint_met_on_test: Annotated[
        bool | None,
        Field(
            description="Whether the whole 95 % interval on the test part keeps the bound; null without a bound. Where "
            "the value keeps it and the interval does not, this is false, and a warning says so."
        ),
    ]
    explanation: list[str]
    warnings: list[str]


def answer(bundle: Bundle, asked: ThresholdRequest) -> ThresholdAnswer:
    """Find the threshold that was asked for, from the bundle's held-out answers.

    Raises InvalidIntent, NoThreshold where none does what is asked, MissingData where the bundle keeps no answers.
    """
    intent, conditions = Intent.parse(asked.intent), Conditions(asked.prevalence, asked.reports_per_day)
    held = bundle.heldout()
    if asked.category not in held.outputs:
        raise InvalidIntent(f"the category must be one of {', '.join(held.outputs)}", field="category")
    chosen_on, measured_on = held.sample("calibration", asked.category), held.sample("test", asked.category)
    threshold = choose(intent, *chosen_on, conditions)
    calibration = measure(threshold, *chosen_on, conditions, intervals=False)
    test = measure(threshold, *measured_on, conditions, intervals=True)
    return ThresholdAnswer(
        model=bundle.ref,
        category=asked.category,
        intent=str(intent),
        threshold=threshold,
        prevalence=asked.prevalence,
        reports_per_day=asked.reports_per_day,
        calibration=calibration,
        test=test,
        constraint_met_on_test=_met(intent.constraint, test),
        explanation=[
            _choice(intent, threshold, calibration),
            _correction(asked.prevalence, calibration, test),
            _RELIANCE,
            *_metadata(asked.category, bundle.manifest.metadata_cap),
        ],
        warnings=_warnings(intent.constraint, test),
    )


def choose(intent: Intent, probability: Probabilities, truth: Truth, conditions: Conditions = Conditions()) -> float:
    """The threshold, one of the probabilities [n], that fulfils an intent on a sample.

    A bound must be kept with 90 % confidence: of many thresholds the best of those that merely measured well would
    mostly have been lucky. Of equally good ones, that of highest recall plus specificity. Raises InvalidIntent where
    reports_per_day is needed and absent, NoThreshold where there are fewer than 10 positives or negatives, or where
    none keeps the bound.
    """
    if "reviews_per_day" in intent.metrics and conditions.reports_per_day is None:
        raise InvalidIntent("a bound on reviews_per_day needs reports_per_day", field="reports_per_day")
    positives = int(truth.sum())
    for count, name in ((positives, "positives"), (len(truth) - positives, "negatives")):
        if count < MIN_POSITIVES:
            raise NoThreshold(f"{count} {name} are too few to choose a threshold by; it takes {MIN_POSITIVES}")
    thresholds, counts = _every_threshold(probability, truth)
    metrics = counts.metrics(conditions)
    allowed = np.isfinite(metrics[intent.target])
    if intent.constraint:
        allowed &= intent.constraint.met(intent.constraint.limit(counts, conditions))
    if not allowed.any():
        raise NoThreshold(_unreachable(intent, counts, conditions))
    best = np.lexsort((metrics["recall"] + metrics["specificity"], metrics[intent.target], allowed))[-1]
    return float(thresholds[best])


def _every_threshold(probability: Probabilities, truth: Truth) -> tuple[Probabilities, Counts]:
    """Each distinct probability as a threshold, with what it flags."""
    thresholds, place = np.unique(probability, return_inverse=True)

    def flagged(kept: Truth) -> npt.NDArray[np.int64]:
        return np.cumsum(np.bincount(place[kept], minlength=len(thresholds))[::-1])[::-1]

    return thresholds, Counts(flagged(truth), flagged(~truth), truth.sum(), (~truth).sum())


def measure(
    threshold: float, probability: Probabilities, truth: Truth, conditions: Conditions, *, intervals: bool
) -> PartFigures:
    """What a threshold gives on a sample [n], with its 95 % intervals or without."""
    flagged = probability >= threshold
    hits, false_alarms = (np.array([(flagged & kind).sum()]) for kind in (truth, ~truth))
    counts = Counts(hits, false_alarms, truth.sum(), (~truth).sum())
    figures = {}
    for name, value in counts.metrics(conditions).items():
        ends = [float(counts.limit(name, level, conditions)[0]) for level in ENDS] if intervals else []
        figures[name] = _figure(float(value[0]), ends)
    return PartFigures(n=len(truth), positives=int(truth.sum()), statistics=Statistics(**figures))


def _figure(value: float, ends: Sequence[float]) -> Figure:
    if np.isnan(value):
        return Figure(value=None, interval=None)
    return Figure(value=_short(value), interval=(_short(ends[0]), _short(ends[1])) if ends else None)


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _unreachable(intent: Intent, counts: Counts, conditions: Conditions) -> str:
    constraint = intent.constraint
    metric = constraint.metric if constraint else intent.target
    value = counts.metrics(conditions)[metric]
    if constraint is None or not np.isfinite(value).any():
        return f"{metric} is undefined at every threshold of the calibration part"
    which, best = ("highest", np.nanmax) if constraint.operator == ">=" else ("lowest", np.nanmin)
    return (
        f"no threshold gives {constraint} with {CONFIDENCE:.0%} confidence on the calibration part "
        f"({counts.positives} positives, {counts.negatives} negatives): the {which} {metric} that can be relied on so "
        f"is {best(constraint.limit(counts, conditions)):.4g}, the {which} measured {best(value):.4g}"
    )


def _met(constraint: Constraint | None, test: PartFigures) -> bool | None:
    if constraint is None:
        return None
    interval = getattr(test.statistics, constraint.metric).interval
    return interval is not None and all(constraint.met(end) for end in interval)


def _choice(intent: Intent, threshold: float, part: PartFigures) -> str:
    reached = " and ".join(f"{name} {getattr(part.statistics, name).value:.4g}" for name in intent.metrics)
    sure = f" that keep `{intent.constraint}` with {CONFIDENCE:.0%} confidence (one-sided)" if intent.constraint else ""
    return (
        f"Of all thresholds{sure}, {plain(threshold)} fulfils `{intent}` best on the calibration part "
        f"({part.n} texts, {part.positives} positive), with {reached}; the intervals are those of the test part."
    )


def _correction(prevalence: float | None, calibration: PartFigures, test: PartFigures) -> str:
    shares = [part.positives / part.n if part.n else 0.0 for part in (calibration, test)]
    if prevalence is None:
        return (
            "No prevalence was stated: precision, F1, flagged share and reviews are those of the samples, of which "
            f"{shares[0]:.1%} (calibration) and {shares[1]:.1%} (test) is positive; where less is, precision is lower."
        )
    weights = " and ".join(
        f"{prevalence / share:.3g} and {(1 - prevalence) / (1 - share):.3g} times on the {name} part"
        for name, share in zip(("calibration", "test"), shares, strict=True)
        if 0 < share < 1
    )
    return (
        f"Precision, F1, flagged share and reviews hold at a prevalence of {prevalence:.4g}: a positive and a negative "
        f"count {weights}. That is right under label shift, where positives score as in the sample, and so do "
        "negatives, and only their shares differ (Saerens, Latinne and Decaestecker 2002). Recall, specificity and "
        "false-positive rate need no correction, and the scores themselves stay as they are."
    )


_RELIANCE = (
    "Intervals and confidence come from Jeffreys' intervals of recall and false-positive rate (Brown, Cai and DasGupta "
    "2001), with the prevalence taken as exact. They treat the texts as independent, but texts of one source are "
    "alike, and sources are not resampled: on another mix of sources the figures may differ by more."
)


def _metadata(category: str, cap: float) -> list[str]:
    if category != "violation" or not cap:
        return []
    return [
        "The threshold was chosen on what the text alone says, while `violation.probability` of a score also takes in "
        f"the metadata of the report, which may move it by up to {cap:.4g} in log-odds either way."
    ]


def _warnings(constraint: Constraint | None, test: PartFigures) -> list[str]:
    found = [_missed(constraint, getattr(test.statistics, constraint.metric))] if constraint else []
    for n, name in ((test.positives, "positives"), (test.n - test.positives, "negatives")):
        if n < MIN_POSITIVES:
            found.append(f"The test part has {n} {name}: too few to say anything.")
    return [warning for warning in found if warning]


def _missed(constraint: Constraint, figure: Figure) -> str:
    if figure.value is None:
        return f"On the test part {constraint.metric} is undefined, so that `{constraint}` cannot be checked."
    if not constraint.met(figure.value):
        return f"The test part misses `{constraint}`: {constraint.metric} is {figure.value:.4g} there."
    if figure.interval and not all(constraint.met(end) for end in figure.interval):
        low, high = figure.interval
        return (
            f"On the test part {constraint.metric} is {figure.value:.4g}, which keeps `{constraint}`, but its "
            f"interval, {low:.4g} to {high:.4g}, does not."
        )
    return ""
