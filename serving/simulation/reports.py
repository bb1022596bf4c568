"""The reports on the contents of one run: when they come, by whom, and for which reason."""

from dataclasses import dataclass

import numpy as np

from serving.simulation.cases import Bools, Cases, pick
from serving.simulation.curves import Floats, Ints
from serving.simulation.world import World

UNKNOWN = -1  # of a reporter without history


@dataclass(frozen=True)
class Reporters:
    """Everybody who reports: reports `filed` and `upheld` (-1 without history), age of the account in days."""

    filed: Ints
    upheld: Ints
    account_days: Floats


@dataclass(frozen=True)
class Reports:
    """m reports in the order in which they come: on which case, when, by whom, and for which reason (a category).

    `created` [n] is when each case's content was published, hours since the beginning. `views` [m] and `per_hour` [m]
    are what the platform then counts.
    """

    case: Ints
    time: Floats
    reporter: Ints
    reason: Ints
    created: Floats
    views: Ints
    per_hour: Ints
    reporters: Reporters


def draw_reports(world: World, cases: Cases, seed: int) -> Reports:
    """Draw the reports on the cases of a run; the first on each comes when the case does."""
    counting, timing, people, wrongs, who, why, noise = (np.random.default_rng([seed, 10 + k]) for k in range(7))
    counts = _counts(world, cases, counting)
    case = np.repeat(np.arange(len(cases)), counts)
    ages = cases.curves.of(case).age(timing.random(len(case)))
    first = np.minimum.reduceat(ages, np.cumsum(counts) - counts)
    created = cases.arrival - first
    pool, right = _reporters(world, people)
    reporter = _who(right, cases.violating[case], who)
    late_case, late_time = _brigades(world, cases, wrongs)
    case, time = np.concatenate([case, late_case]), np.concatenate([created[case] + ages, late_time])
    reporter = np.concatenate([reporter, _newcomers(world, len(late_case), wrongs)])
    order = np.argsort(time, kind="stable")
    order = order[time[order] < world.hours]
    case, time = case[order], time[order]
    views, per_hour = _counted(cases, created, case, time, noise)
    return Reports(case, time, reporter[order], _reasons(world, cases, case, why), created, views, per_hour, pool)


def views_at(cases: Cases, created: Floats, time: float | Floats) -> Floats:
    """Views [n] that the content of each case has had by a moment."""
    return cases.views * cases.curves.share(np.asarray(time - created))


def _counts(world: World, cases: Cases, rng: np.random.Generator) -> Ints:
    """How many reports each gathers on its own, one at least."""
    known = world.reports
    median = np.array([kind.median_views for kind in world.kinds.values()])[cases.kind]
    mean = np.where(cases.violating, known.mean_if_violating, known.mean_if_not)
    mean = mean * (cases.views / median) ** known.by_views
    return np.asarray(
        1 + np.minimum(rng.poisson(mean * rng.gamma(known.dispersion, 1 / known.dispersion, len(cases))), known.most)
    )


def _reporters(world: World, rng: np.random.Generator) -> tuple[Reporters, Floats]:
    """Everybody, brigades' newcomers last, and how often each of the others is right."""
    known, brigade = world.reporters, world.brigades
    right = rng.beta(*known.right, known.number)
    filed = np.ceil(rng.lognormal(np.log(known.filed_median), known.filed_spread, known.number)).astype(np.int64)
    upheld = rng.binomial(filed, right)
    without = rng.random(known.number) < known.no_history
    newcomers = rng.poisson(2, known.number)
    pool = Reporters(
        np.concatenate([np.where(without, UNKNOWN, filed), newcomers]),
        np.concatenate([np.where(without, UNKNOWN, upheld), rng.binomial(newcomers, brigade.right)]),
        np.concatenate(
            [
                rng.lognormal(np.log(known.age_median), known.age_spread, known.number),
                rng.uniform(0, 2 * brigade.account_days, known.number),
            ]
        ),
    )
    return pool, right


def _who(right: Floats, violating: Bools, rng: np.random.Generator) -> Ints:
    """Who files each report: by how often they are right where the content violates, else by how often they are not."""
    lot = rng.random(len(violating))
    found = np.empty(len(violating), np.int64)
    for chosen, weight in ((violating, right), (~violating, 1 - right)):
        share = np.cumsum(weight)
        found[chosen] = np.searchsorted(share / share[-1], lot[chosen], side="right")
    return found


def _brigades(world: World, cases: Cases, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """The further reports of brigades: on which case, and when."""
    known = world.brigades
    hit = np.flatnonzero(rng.random(len(cases)) < np.where(cases.violating, known.if_violating, known.if_not))
    case = np.repeat(hit, np.maximum(rng.poisson(known.mean, len(hit)), known.least))
    return case, cases.arrival[case] + rng.uniform(0, known.hours, len(case))


def _newcomers(world: World, n: int, rng: np.random.Generator) -> Ints:
    return world.reporters.number + rng.integers(0, world.reporters.number, n)


def _reasons(world: World, cases: Cases, case: Ints, rng: np.random.Generator) -> Ints:
    any_reason = pick(list(world.categories.values()), len(case), rng)
    right = cases.violating[case] & (rng.random(len(case)) < world.right_reason)
    return np.where(right, cases.category[case], any_reason)


def _counted(cases: Cases, created: Floats, case: Ints, time: Floats, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """What a platform counts when a report comes: all views, and those of the last hour."""
    total, curves, age = cases.views[case], cases.curves.of(case), time - created[case]
    until = total * curves.share(age)
    lately = rng.poisson(until - total * curves.share(age - 1))
    return np.maximum(until.astype(np.int64), lately), lately
