"""The contents that are reported in one run of the world: their truth, their views, and how long a review takes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serving.simulation.curves import SHAPES, SLOW, Curves, Floats, Ints
from serving.simulation.staffing import staffed_hours
from serving.simulation.world import Scenario, World

Bools = npt.NDArray[np.bool_]
NONE = -1  # no category


@dataclass(frozen=True)
class Cases:
    """n reported contents in the order of their first reports; hours since the beginning, minutes of review.

    `lot` [n] in 0..1 thins arrivals: at a share of the greatest utilisation, the cases below that share come.
    `earlier` [n] is how many violations the subject had before.
    """

    arrival: Floats
    kind: Ints
    stated: Bools
    violating: Bools
    category: Ints
    severity: Ints
    earlier: Ints
    views: Floats
    curves: Curves
    minutes: Floats
    lot: Floats

    def __len__(self) -> int:
        return len(self.arrival)


def mean_minutes(world: World, severity: Floats) -> float:
    """Mean minutes of a review where severities 0 to 4 have these shares."""
    return float(severity @ np.array(world.review.minutes)) * math.exp(world.review.spread**2 / 2)


def severity_mix(world: World, base: Sequence[int]) -> Floats:
    """Shares of severities 0 to 4, `base` being what each category of the world usually is."""
    found = np.zeros(5)
    found[0] = 1 - world.violating
    total = sum(world.categories.values())
    for level, weight in zip(base, world.categories.values(), strict=True):
        part = world.violating * weight / total
        found[max(level - 1, 1)] += part * world.severity.lower
        found[min(level + 1, 4)] += part * world.severity.higher
        found[level] += part * (1 - world.severity.lower - world.severity.higher)
    return found


def cases_per_week(world: World, base: Sequence[int], utilisation: float) -> float:
    """How many cases a week keep the staff busy for this share of its time."""
    minutes = mean_minutes(world, severity_mix(world, base))
    return utilisation * staffed_hours(world) * 60 / minutes / world.weeks


def draw(world: World, scenario: Scenario, base: Sequence[int], seed: int, most: float) -> Cases:
    """Draw the cases of a run, as many as utilisation `most` takes; `base` is what severity each category usually is.

    The same seed gives the same cases. Each kind of draw has a stream of its own, so that scenarios differ in nothing
    but what they say.
    """
    arrivals, truth, looks, work = (np.random.default_rng([seed, number]) for number in range(4))
    arrival = _arrivals(world, cases_per_week(world, base, most), arrivals)
    n = len(arrival)
    violating, category, severity = _truth(world, base, n, truth)
    kind, stated, views, curves = _contents(world, scenario, severity, looks)
    earlier = np.where(violating, world.prior_violations.if_violating, world.prior_violations.if_not)
    return Cases(
        arrival=arrival,
        kind=kind,
        stated=stated,
        violating=violating,
        category=category,
        severity=severity,
        views=views,
        curves=curves,
        earlier=work.poisson(earlier),
        minutes=np.array(world.review.minutes)[severity] * work.lognormal(0, world.review.spread, n),
        lot=work.random(n),
    )


def _arrivals(world: World, per_week: float, rng: np.random.Generator) -> Floats:
    """A Poisson process whose rate changes by the hour."""
    weights = np.outer(world.arrivals.days, world.arrivals.hours).ravel()
    hourly = np.tile(weights / weights.sum() * per_week, world.weeks)
    counts = rng.poisson(hourly)
    return np.sort(np.repeat(np.arange(len(hourly)), counts) + rng.random(counts.sum()))


def _truth(world: World, base: Sequence[int], n: int, rng: np.random.Generator) -> tuple[Bools, Ints, Ints]:
    """Whether each violates, what, and how severely."""
    violating = rng.random(n) < world.violating
    category = np.where(violating, pick(list(world.categories.values()), n, rng), NONE)
    step = rng.choice([-1, 0, 1], n, p=_steps(world))
    severity = np.clip(np.array(base)[category] + step, 1, 4)
    return violating, category, np.where(violating, severity, 0)


def _steps(world: World) -> list[float]:
    return [world.severity.lower, 1 - world.severity.lower - world.severity.higher, world.severity.higher]


def _contents(
    world: World, scenario: Scenario, severity: Ints, rng: np.random.Generator
) -> tuple[Ints, Bools, Floats, Curves]:
    """Of each its kind, whether its views are stated, all the views that it will ever have, and how they come."""
    n, kinds = len(severity), list(world.kinds.values())
    kind = pick([each.share for each in kinds], n, rng)
    stated = rng.random(n) < np.array([each.stated for each in kinds])[kind]
    standard = (severity - severity.mean()) / (severity.std() or 1.0)
    size = scenario.link * standard + math.sqrt(1 - scenario.link**2) * rng.standard_normal(n)
    median, spread = (np.array([getattr(each, name) for each in kinds])[kind] for name in ("median_views", "spread"))
    shape, lot = np.empty(n, np.int64), rng.random(n)
    for number, each in enumerate(kinds):
        mix = np.cumsum([getattr(each, name) for name in SHAPES])
        shape[kind == number] = np.searchsorted(mix / mix[-1], lot[kind == number], side="right")
    curves, wide = world.curves, rng.lognormal(0, world.curves.spread, (2, n))
    scale = np.where(shape == SLOW, curves.slow.offset_hours, curves.fast.half_life_hours) * wide[0]
    return (
        kind,
        stated & scenario.stated,
        median * np.exp(spread * size),
        Curves(
            shape=shape,
            scale=scale,
            delay=curves.burst.delay_hours * wide[1],
            exponent=curves.slow.exponent,
            last=curves.slow.days * 24,
            early=curves.burst.early,
            width=curves.burst.width_hours,
        ),
    )


def pick(weights: Sequence[float], n: int, rng: np.random.Generator) -> Ints:
    """n draws of a place in a list of weights."""
    share = np.cumsum(weights)
    return np.searchsorted(share / share[-1], rng.random(n), side="right")
