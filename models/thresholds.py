"""From an intent to a threshold: chosen on the calibration part of the held-out answers, measured on the test part."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from models.bundle import Bundle
from models.errors import InvalidIntent, NoThreshold
from models.heldout import Probabilities, Truth
from models.intents import GRAMMAR, Conditions, Constraint, Counts, Intent, Metric, plain
from models.score import ModelRef, Probability

MIN_POSITIVES = 10  # fewer cannot choose a threshold
RESAMPLES = 2000
SEED = 7


class ThresholdRequest(BaseModel):
    """What is asked: an intent for a category (or `violation`), and where the threshold is to work."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"intent": "maximum recall @ precision >= 0.9", "category": "hate", "prevalence": 0.03}]
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
    """A metric with its 95 % bootstrap interval; null where it is undefined. The calibration part has no intervals."""

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
    constraint_met_on_test: bool | None
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
    calibration = measure(threshold, *chosen_on, conditions, resamples=0)
    test = measure(threshold, *measured_on, conditions, resamples=RESAMPLES)
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
        explanation=[_choice(intent, threshold, calibration), _correction(asked.prevalence, calibration, test)],
        warnings=_warnings(intent.constraint, threshold, *measured_on, test),
    )


def choose(intent: Intent, probability: Probabilities, truth: Truth, conditions: Conditions = Conditions()) -> float:
    """The threshold, one of the probabilities [n], that fulfils an intent on a sample.

    Of equally good ones, that of highest recall plus specificity. Raises InvalidIntent where reports_per_day is needed
    and absent, NoThreshold where there are fewer than 10 positives or negatives, or where none keeps the bound.
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
        allowed &= intent.constraint.met(metrics[intent.constraint.metric])
    if not allowed.any():
        raise NoThreshold(_unreachable(intent, metrics))
    best = np.lexsort((metrics["recall"] + metrics["specificity"], metrics[intent.target], allowed))[-1]
    return float(thresholds[best])


def _every_threshold(probability: Probabilities, truth: Truth) -> tuple[Probabilities, Counts]:
    """Each distinct probability as a threshold, with what it flags."""
    thresholds, place = np.unique(probability, return_inverse=True)

    def flagged(kept: Truth) -> npt.NDArray[np.int64]:
        return np.cumsum(np.bincount(place[kept], minlength=len(thresholds))[::-1])[::-1]

    return thresholds, Counts(flagged(truth), flagged(~truth), truth.sum(), (~truth).sum())


def measure(
    threshold: float, probability: Probabilities, truth: Truth, conditions: Conditions, *, resamples: int
) -> PartFigures:
    """What a threshold gives on a sample, with percentile-bootstrap intervals over its rows."""
    flagged = probability >= threshold
    groups = np.array([(kind & side).sum() for side in (flagged, ~flagged) for kind in (truth, ~truth)])
    points = _counts(groups[None]).metrics(conditions)
    # Drawing rows with replacement draws their four counts from a multinomial: the same bootstrap without the rows.
    shares = groups / max(len(truth), 1)
    drawn = np.random.default_rng(SEED).multinomial(len(truth), shares, resamples if len(truth) else 0)
    resampled = _counts(drawn).metrics(conditions)
    figures = {name: _figure(float(points[name][0]), resampled[name]) for name in points}
    return PartFigures(n=len(truth), positives=int(truth.sum()), statistics=Statistics(**figures))


def _counts(groups: npt.NDArray[np.int64]) -> Counts:
    """From columns flagged positives, flagged negatives, other positives, other negatives."""
    hits, false_alarms, misses, passed = groups.T
    return Counts(hits, false_alarms, hits + misses, false_alarms + passed)


def _figure(value: float, resampled: Probabilities) -> Figure:
    defined = resampled[np.isfinite(resampled)]
    if not np.isfinite(value) or not len(defined):
        return Figure(value=_short(value) if np.isfinite(value) else None, interval=None)
    low, high = np.quantile(defined, [0.025, 0.975])
    return Figure(value=_short(value), interval=(_short(low), _short(high)))


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _unreachable(intent: Intent, metrics: Mapping[Metric, Probabilities]) -> str:
    constraint = intent.constraint
    metric = constraint.metric if constraint else intent.target
    reached = metrics[metric][np.isfinite(metrics[metric])]
    if constraint is None or not len(reached):
        return f"{metric} is undefined at every threshold of the calibration part"
    best = (
        f"highest reachable is {reached.max():.4g}" if constraint.operator == ">=" else f"lowest is {reached.min():.4g}"
    )
    return f"no threshold gives {constraint} on the calibration part; the {best}"


def _met(constraint: Constraint | None, test: PartFigures) -> bool | None:
    if constraint is None:
        return None
    value = getattr(test.statistics, constraint.metric).value
    return value is not None and bool(constraint.met(value))


def _choice(intent: Intent, threshold: float, part: PartFigures) -> str:
    reached = " and ".join(f"{name} {getattr(part.statistics, name).value:.4g}" for name in intent.metrics)
    return (
        f"Of all thresholds, {plain(threshold)} fulfils `{intent}` best on the calibration part "
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


def _warnings(
    constraint: Constraint | None, threshold: float, probability: Probabilities, truth: Truth, test: PartFigures
) -> list[str]:
    found = [_missed(constraint, getattr(test.statistics, constraint.metric))] if constraint else []
    for name, kind in (("positives", truth), ("negatives", ~truth)):
        n, flagged = int(kind.sum()), int((probability[kind] >= threshold).sum())
        if n < MIN_POSITIVES:
            found.append(f"The test part has {n} {name}: too few to say anything.")
        elif flagged in (0, n):
            # A bootstrap of what never happened never happens: Hanley and Lippman-Hand 1983.
            which, other = ("none", "are") if flagged == 0 else ("all", "are not")
            found.append(
                f"Of the {n} {name} of the test part {which} are flagged, so the intervals are too narrow: by the rule "
                f"of three, up to {3 / n:.2%} of such texts {other} flagged all the same."
            )
    return [warning for warning in found if warning]


def _missed(constraint: Constraint, figure: Figure) -> str:
    if figure.value is None:
        return f"On the test part {constraint.metric} is undefined, so that `{constraint}` cannot be checked."
    if not constraint.met(figure.value):
        return f"The test part misses `{constraint}`: {constraint.metric} is {figure.value:.4g} there."
    if figure.interval and not all(constraint.met(end) for end in figure.interval):
        low, high = figure.interval
        return f"The interval of {constraint.metric} on the test part, {low:.4g} to {high:.4g}, misses `{constraint}`."
    return ""
