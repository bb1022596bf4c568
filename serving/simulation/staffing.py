"""Who is at work when: the shifts of the teams as hours since the beginning of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import numpy as np

from models.policy import Lane, Policy
from models.working_time import Shift, worked
from serving.simulation.curves import Floats
from serving.simulation.world import Team, World

START = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday; no clock changes soon after it
ROUNDING = 1e-9  # hours, that what falls on the end of a stretch is not taken for the beginning of the next
Stretches = Sequence[tuple[float, float]]  # from and until, in hours since the beginning, in order


def reviewers(teams: Sequence[Team], hours: float) -> list[Stretches]:
    """The stretches that each reviewer works in a run of so many hours."""
    return [stretches([team.shift], hours) for team in teams for _ in range(team.reviewers)]


def stretches(shifts: Sequence[Shift], hours: float) -> Stretches:
    """The stretches in which any of some shifts works in a run of so many hours."""
    found = []
    for start, end in worked(shifts, START):
        since, until = ((moment - START).total_seconds() / 3600 for moment in (start, end))
        if since >= hours:
            break
        found.append((since, min(until, hours)))
    return found


def staffed_hours(world: World) -> float:
    """Hours that all reviewers together are at work in a run."""
    return sum(end - start for one in reviewers(world.teams, world.hours) for start, end in one)


@dataclass(frozen=True)
class Cover:
    """When anybody is at work: from and until [k] of stretches without overlap, in order, hours since the beginning."""

    since: Floats
    until: Floats

    @classmethod
    def of(cls, staff: Sequence[Stretches]) -> Self:
        """Of the stretches of all reviewers."""
        merged: list[list[float]] = []
        for start, end in sorted(stretch for one in staff for stretch in one):
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([start, end])
        return cls(*(np.array(column) for column in zip(*merged, strict=True)))

    def next(self, moment: Floats) -> Floats:
        """The first moment [n] from each on at which somebody is at work; infinite where there is none."""
        which = np.searchsorted(self.until, moment, side="right")
        return np.asarray(np.maximum(moment, np.append(self.since, np.inf)[which]))

    def hours(self, moment: Floats) -> Floats:
        """For how many hours [n] up to each moment anybody was at work."""
        knots = np.ravel([self.since, self.until], order="F")
        reached = self._reached()
        return np.asarray(np.interp(moment, knots, np.ravel([reached - (self.until - self.since), reached], order="F")))

    def after(self, moment: Floats, hours: float) -> Floats:
        """The first moment [n] at which somebody was at work for so many hours since each; infinite where never."""
        left = self.hours(moment) + hours - ROUNDING
        reached = self._reached()
        which = np.searchsorted(reached, left)
        return np.asarray(np.append(self.until, np.inf)[which] - (np.append(reached, 0.0)[which] - left) + ROUNDING)

    def _reached(self) -> Floats:
        """Hours at work by the end of each stretch [k]."""
        return np.cumsum(self.until - self.since)


def due(policy: Policy, lane: Lane, arrival: Floats, hours: float) -> Floats:
    """When cases of a lane that came at some moments [n] are due; infinite after a run of so many hours."""
    level = policy.lane(lane)
    if level.clock == "always":
        return arrival + level.service_level_hours
    return Cover.of([stretches(policy.working_hours, hours)]).after(arrival, level.service_level_hours)
