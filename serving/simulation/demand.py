"""The demand that staff has to meet: from a world, or from what the operator's own store has seen."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import exists, select

from models.errors import MissingData
from models.policy import LANES, Policy
from serving.review.decisions import IMPORTED
from serving.simulation.cases import cases_per_week
from serving.simulation.curves import Floats, Ints
from serving.simulation.run import Plan
from serving.simulation.staff import WEEK, Demand
from serving.store import Store
from serving.store.tables import cases, decisions

FEWEST = 20  # decisions in a lane from which its measured minutes count
LONGEST = 60.0  # minutes; a case that was held for longer was left open over a break
SPREAD = 0.7  # of the logarithm of minutes, where nothing is measured: that of the shipped world


def of_world(plan: Plan, per_week: float | None, seed: int = 1) -> Demand:
    """The demand of a world's first scenario, with so many cases a week or as many as its staff can just decide."""
    world = plan.world
    scene = plan.scene(next(iter(world.scenarios)), seed)
    _, first = np.unique(scene.reports.case, return_index=True)
    lane = scene.places.lane[first]
    if per_week is None:
        base = [plan.bundle.taxonomy[key].base_severity for key in world.categories]
        per_week = cases_per_week(world, base, 1.0)
    weights = np.outer(world.arrivals.days, world.arrivals.hours).ravel()
    share = np.bincount(lane, minlength=len(LANES)) / len(lane)
    minutes = _means(lane, scene.cases.minutes[scene.reports.case[first]], plan.policy)
    return Demand(per_week * np.outer(weights / weights.sum(), share), minutes, world.review.spread)


def of_store(store: Store, policy: Policy, weeks: int, now: datetime) -> Demand:
    """The demand of the last weeks by the store: when cases came, how often they were looked at, and for how long.

    Past decisions that were imported and golden cases did not come as reports, and do not count. A case that waits for
    second looks, QA, an appeal or after coming back counts as often as cases of its lane were looked at in the mean.
    Where fewer than twenty decisions were made in a lane, one look and the policy's `minutes_per_case` count. Raises
    MissingData.
    """
    since = now - timedelta(weeks=weeks)
    imported = exists().where(decisions.c.case_id == cases.c.id, decisions.c.role == IMPORTED)
    with store.read() as connection:
        came = connection.execute(
            select(cases.c.created_at, cases.c.lane).where(
                cases.c.created_at >= since, cases.c.created_at <= now, cases.c.copy_of.is_(None), ~imported
            )
        ).all()
        spent = connection.execute(
            select(cases.c.id, cases.c.lane, decisions.c.seconds_spent, decisions.c.bulk)
            .join(cases, cases.c.id == decisions.c.case_id)
            .where(decisions.c.created_at >= since, cases.c.copy_of.is_(None), decisions.c.role != IMPORTED)
        ).all()
    if not came:
        raise MissingData(f"the store has no cases of the last {weeks} weeks")
    arrivals = np.zeros((WEEK, len(LANES)))
    for moment, lane in came:
        utc = moment.astimezone(UTC)
        arrivals[utc.weekday() * 24 + utc.hour, LANES.index(lane)] += 1
    passed = (now - max(since, min(moment for moment, _ in came))) / timedelta(weeks=1)
    arrivals *= [_looks([(row.id, row.seconds_spent) for row in spent if row.lane == lane]) for lane in LANES]
    alone = [row for row in spent if row.seconds_spent and not row.bulk]
    timed = [(LANES.index(row.lane), row.seconds_spent / 60) for row in alone if row.seconds_spent <= LONGEST * 60]
    lanes, minutes = np.array([lane for lane, _ in timed], np.int64), np.array([each for _, each in timed])
    return Demand(arrivals / max(passed, 1.0), _means(lanes, minutes, policy), _spread(lanes, minutes))


def _looks(made: Sequence[tuple[str, float | None]]) -> float:
    """How often cases were looked at in the mean, from the case and the seconds of decisions: what was decided in bulk
    along with another took none.
    """
    if len(made) < FEWEST:
        return 1.0
    return sum(seconds is not None for _, seconds in made) / len({case for case, _ in made})


def _spread(lane: Ints, minutes: Floats) -> float:
    """The spread of the logarithm of minutes inside lanes; the shipped world's where hardly any are known."""
    if len(minutes) < FEWEST:
        return SPREAD
    logs, (found, place) = np.log(minutes), np.unique(lane, return_inverse=True)
    means = np.bincount(place, logs) / np.bincount(place)
    return float((logs - means[place]).std(ddof=len(found)))


def _means(lane: Ints, minutes: Floats, policy: Policy) -> Floats:
    """Mean minutes by lane; the policy's where hardly any is known."""
    found = [minutes[lane == number] for number in range(len(LANES))]
    return np.array(
        [
            known.mean() if len(known) >= FEWEST else policy.lane(name).minutes_per_case
            for name, known in zip(LANES, found, strict=True)
        ]
    )
