"""How many reviewers, by hour of the week, hold the service levels: Erlang-C to begin with, simulation to make sure."""

import math
from dataclasses import dataclass

import numpy as np

from models.errors import FrontlineError
from models.policy import LANES, Lane, Policy
from serving.simulation.curves import Floats, Ints
from serving.simulation.engine import serve
from serving.simulation.queues import Lanes
from serving.simulation.scores import Places
from serving.simulation.staffing import START, Stretches, due

WEEK, WEEKS = 168, 4  # hours of a week; a run lasts so many weeks, of which the first is not measured
LAST = 72.0  # hours at the end of a run that are not measured either
BLOCK = 4  # hours: nobody comes to work for less
WORKING = 5  # days of a week
PATIENT = 12.0  # hours: lanes with a longer service level need not be worked as they come
MOST = 10_000  # reviewers
BUSIEST = 0.95  # share of hours in which reviewers have a case; more, and queues grow with every chance swing
SURE = 1.645  # standard errors below a share that nineteen draws of twenty keep above


class UnreachableTarget(FrontlineError):
    """A service level that no number of reviewers holds."""

    code, status = "unreachable_target", 422


@dataclass(frozen=True)
class Demand:
    """Cases an hour [168, lanes], from Monday 00:00 UTC, in the order of LANES; minutes of a review by lane [lanes],
    and the spread of their logarithm.
    """

    arrivals: Floats
    minutes: Floats
    spread: float

    @property
    def hours(self) -> float:
        """Hours of work a week."""
        return float((self.arrivals * self.minutes).sum()) / 60


@dataclass(frozen=True)
class Staff:
    """Reviewers by hour of the week [168], and of each lane in which any come the share of cases decided in time.

    `holds`: in every lane that share reaches the target, and would in nineteen draws of twenty; and the work fills no
    more than 95 % of the hours.
    """

    reviewers: Ints
    in_time: dict[str, float]
    holds: bool

    @property
    def hours(self) -> int:
        """Hours of work a week."""
        return int(self.reviewers.sum())


def erlang_c(servers: int, load: float) -> float:
    """The chance that a case has to wait: Erlang's second formula, for a load in servers (Erlang 1917)."""
    if load >= servers:
        return 1.0
    blocked = 1.0
    for k in range(1, servers + 1):  # Erlang's first formula, by its recursion
        blocked = load * blocked / (k + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def waits_longer(servers: int, per_hour: float, minutes: float, hours: float) -> float:
    """The chance that a case of an M/M/c queue waits longer than so many hours."""
    load = per_hour * minutes / 60
    if load >= servers:
        return 1.0
    return erlang_c(servers, load) * math.exp(-(servers - load) * 60 / minutes * hours)


def enough(per_hour: float, minutes: float, hours: float, target: float) -> int:
    """The fewest reviewers with whom this share of cases waits no longer than so many hours.

    Raises UnreachableTarget where it takes more than anybody has.
    """
    if not per_hour:
        return 0
    least = int(per_hour * minutes / 60) + 1
    for n in range(least, MOST):
        if waits_longer(n, per_hour, minutes, hours) <= 1 - target:
            return n
    raise UnreachableTarget(f"more than {MOST:,} reviewers at once would be needed; check the cases and the minutes")


def begin(demand: Demand, policy: Policy, target: float) -> Ints:
    """A first answer, each hour by itself: impatient lanes as they come, the others spread evenly over the week."""
    levels = np.array([policy.lane(lane).service_level_hours for lane in LANES])
    impatient = levels <= PATIENT
    work = demand.arrivals * demand.minutes / 60
    rest = work[:, ~impatient].sum(1).mean()
    found = []
    for hour in range(WEEK):
        urgent = demand.arrivals[hour] * impatient
        total = float(urgent.sum())
        minutes = float(urgent @ demand.minutes) / total if total else 1.0
        level = float(levels[urgent > 0].min()) if total else 1.0
        found.append(enough(total, minutes, level, target))
    return np.asarray(np.maximum(found, np.ceil(work[:, impatient].sum(1) + rest).astype(np.int64)))


def needed(demand: Demand, policy: Policy, target: float, seed: int = 1) -> Staff:
    """The staff that holds the service levels, the same on all working days and on both days of a weekend.

    From the first answer more until simulation says that all lanes reach the target, then fewer, block by block, as
    long as they still do. What fitted those weeks alone is taken back until other weeks hold as well, and the shares in
    time are those of these. Raises UnreachableTarget where reviews alone take too long.
    """
    seeds = seed, seed + 1
    for each in seeds:
        _check_reachable(demand, policy, target, each)
    days = begin(demand, policy, target).reshape(7, -1, BLOCK).max(2)
    blocks = np.array([days[:WORKING].max(0), days[WORKING:].max(0)])
    while not all(simulate(demand, policy, _hourly(blocks), target, each).holds for each in seeds):
        blocks = blocks + 1
    tried = [blocks]
    for place in _by_hours(blocks):
        while blocks[place]:
            fewer = blocks.copy()
            fewer[place] -= 1
            if not simulate(demand, policy, _hourly(fewer), target, seed).holds:
                break
            blocks = fewer
            tried.append(blocks)
    staff = simulate(demand, policy, _hourly(tried.pop()), target, seed + 1)
    while not staff.holds:  # the first that was tried does
        staff = simulate(demand, policy, _hourly(tried.pop()), target, seed + 1)
    return staff


def _by_hours(blocks: Ints) -> list[tuple[int, int]]:
    """The places of blocks [2, blocks a day], those first in which most hours are worked."""
    hours = blocks * np.array([[WORKING], [7 - WORKING]])
    return [(int(place) // blocks.shape[1], int(place) % blocks.shape[1]) for place in np.argsort(-hours, axis=None)]


def _hourly(blocks: Ints) -> Ints:
    """Blocks of a working day and of a day of the weekend [2, blocks a day] as the hours of a week [168]."""
    working, weekend = np.repeat(blocks, BLOCK, axis=1)
    return np.concatenate([*[working] * WORKING, *[weekend] * (7 - WORKING)])


def simulate(demand: Demand, policy: Policy, reviewers: Ints, target: float, seed: int) -> Staff:
    """What a staff [168] comes to in a run."""
    lane, arrival, minutes = _cases(demand, np.random.default_rng(seed))
    doubling = np.array([level.doubling_hours for level in policy.lanes])
    ranks = np.array([policy.rank(name, 0, START) for name in LANES])  # all of a lane weigh the same, the least
    case = np.arange(len(lane))
    places = Places(lane, np.zeros(len(lane)), ranks[lane] - arrival / doubling[lane])
    outcome = serve(
        Lanes(policy, case, places), case.tolist(), case, arrival, minutes, stretches(reviewers), WEEKS * WEEK
    )
    in_time, late = _in_time(policy, target, lane, arrival, outcome.decided)
    # A staff that cannot keep up fails patient lanes only after longer than a run lasts.
    return Staff(reviewers, in_time, not late and bool(demand.hours <= BUSIEST * reviewers.sum()))


def _in_time(
    policy: Policy, target: float, lane: Ints, arrival: Floats, decided: Floats
) -> tuple[dict[str, float], list[Lane]]:
    """Shares of cases decided in time, by lane, and the lanes that do not surely reach the target."""
    # The first week fills the queue, and of the last three days some cases could not be decided in time yet.
    run = float(WEEKS * WEEK)
    measured = (arrival >= WEEK) & (arrival < run - LAST)
    in_time: dict[str, float] = {}
    late: list[Lane] = []
    for number, name in enumerate(LANES):
        until = due(policy, name, arrival, run)
        kept = (decided <= until)[measured & (lane == number) & (until < run)]
        if len(kept):
            in_time[name] = share = float(kept.mean())
            if share - SURE * math.sqrt(share * (1 - share) / len(kept)) < target:
                late.append(name)
    return in_time, late


def _check_reachable(demand: Demand, policy: Policy, target: float, seed: int) -> None:
    """Raise UnreachableTarget where a lane misses the target even if each review begins at once."""
    lane, arrival, minutes = _cases(demand, np.random.default_rng(seed))
    in_time, late = _in_time(policy, target, lane, arrival, arrival + minutes / 60)
    if late:
        name = late[0]
        raise UnreachableTarget(
            f"no staff decides {target:.1%} of lane {name} within its {policy.lane(name).service_level_hours:g} hours: "
            f"the reviews alone take longer, and if each began at once {in_time[name]:.1%} would end in time; raise "
            "the lane's service_level_hours in the policy, or lower --target"
        )


def stretches(reviewers: Ints) -> list[Stretches]:
    """The stretches of each reviewer over a run where so many [168] work in each hour of a week."""
    hourly = np.tile(reviewers, WEEKS)
    found: list[Stretches] = []
    for who in range(int(hourly.max(initial=0))):
        edges = np.flatnonzero(np.diff(np.r_[0, hourly > who, 0]))
        found.append([(float(start), float(end)) for start, end in edges.reshape(-1, 2)])
    return found


def _cases(demand: Demand, rng: np.random.Generator) -> tuple[Ints, Floats, Floats]:
    """Lane, arrival and minutes of the cases of a run, in the order in which they come."""
    counts = rng.poisson(np.tile(demand.arrivals, (WEEKS, 1)))
    hours, lanes = (np.repeat(places.ravel(), counts.ravel()) for places in np.indices(counts.shape))
    arrival = hours + rng.random(len(hours))
    order = np.argsort(arrival)
    lane = lanes[order]
    minutes = demand.minutes[lane] * rng.lognormal(-(demand.spread**2) / 2, demand.spread, len(lane))
    return lane, arrival[order], minutes
