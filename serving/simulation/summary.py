"""Figures over seeds: means with 95 % intervals, how much less harm ours lets happen, how near it is to the oracle."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

from serving.simulation.measure import HARM
from serving.simulation.ranking import ORACLE, OURS, UNLIMITED
from serving.simulation.run import Figures

Setting = tuple[str, float]  # scenario and utilisation
FEW = (12.7062, 4.3027, 3.1824, 2.7764)


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds with its 95 % interval; the interval is None where one seed alone says something."""

    value: float
    interval: tuple[float, float] | None
    n: int


def estimate(values: Sequence[float]) -> Estimate:
    """The mean with Student's interval; NaN, which is where a run had nothing to measure, is left out."""
    found = [value for value in values if not math.isnan(value)]
    if not found:
        return Estimate(float("nan"), None, 0)
    mean, n = fmean(found), len(found)
    if n == 1:
        return Estimate(mean, None, 1)
    half = student(n - 1) * stdev(found) / math.sqrt(n)
    return Estimate(mean, (mean - half, mean + half), n)


def student(degrees: int) -> float:
    """The 97.5 % quantile of Student's t: tabled up to four degrees of freedom, then by its expansion (Abramowitz and
    Stegun 26.7.5)."""
    if degrees <= len(FEW):
        return FEW[degrees - 1]
    z = NormalDist().inv_cdf(0.975)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + math.fsum(term / degrees ** (k + 1) for k, term in enumerate(terms))


@dataclass(frozen=True)
class Summary:
    """One setting: of each policy its figures; of each other one by which share ours lets less harm happen, seed by
    seed; and the share of the way from the best of them to the oracle that ours goes (NaN without oracle).

    `best` is the policy without knowledge of the truth that, ours aside, lets least harm happen on the whole.
    """

    scenario: str
    utilisation: float
    policies: dict[str, dict[str, Estimate]]
    less_harm: dict[str, Estimate]
    best: str
    gap_closed: Estimate


def summarise(figures: Sequence[Figures]) -> list[Summary]:
    """Summarise replications, setting by setting."""
    settings: dict[Setting, dict[str, list[Figures]]] = defaultdict(lambda: defaultdict(list))
    for each in sorted(figures, key=lambda each: each.seed):
        settings[each.scenario, each.utilisation][each.policy].append(each)
    return [_summary(setting, policies) for setting, policies in settings.items()]


def _summary(setting: Setting, found: dict[str, list[Figures]]) -> Summary:
    harm = {name: [each.figures[HARM] for each in runs] for name, runs in found.items()}
    others = [name for name in harm if name not in (OURS, ORACLE, UNLIMITED)]
    best = min(others, key=lambda name: fmean(harm[name]))
    return Summary(
        *setting,
        policies={
            name: {what: estimate([each.figures[what] for each in runs]) for what in runs[0].figures}
            for name, runs in found.items()
        },
        less_harm={
            name: estimate([1 - ours / other for ours, other in zip(harm[OURS], harm[name], strict=True)])
            for name in others
        },
        best=best,
        gap_closed=_gap_closed(harm[best], harm[OURS], harm.get(ORACLE)),
    )


def _gap_closed(best: Sequence[float], ours: Sequence[float], oracle: Sequence[float] | None) -> Estimate:
    """A ratio of sums with its interval by the jackknife over seeds, as single seeds may have hardly any gap."""
    if oracle is None or sum(best) == sum(oracle):
        return Estimate(float("nan"), None, 0)
    n = len(best)
    whole = (sum(best) - sum(ours)) / (sum(best) - sum(oracle))
    if n < 3:
        return Estimate(whole, None, n)
    left_out = [
        (sum(best) - best[k] - sum(ours) + ours[k]) / (sum(best) - best[k] - sum(oracle) + oracle[k]) for k in range(n)
    ]
    half = student(n - 1) * math.sqrt((n - 1) / n * sum((each - fmean(left_out)) ** 2 for each in left_out))
    return Estimate(whole, (whole - half, whole + half), n)
