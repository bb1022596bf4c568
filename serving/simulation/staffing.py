"""Who is at work when: the shifts of the teams as hours since the beginning of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import numpy as np

from models.working_time import worked
from serving.simulation.curves import Floats
from serving.simulation.world import Team, World

START = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday; no clock changes soon after it
Stretches = Sequence[tuple[float, float]]  # from and until, in hours since the beginning, in order


def reviewers(teams: Sequence[Team], hours: float) -> list[Stretches]:
    """The stretches that each reviewer works in a run of so many hours."""
    found: list[Stretches] = []
    for team in teams:
        stretches = []
        for start, end in worked([team.shift], START):
            since, until = ((moment - START).total_seconds() / 3600 for moment in (start, end))
            if since >= hours:
                break
            stretches.append((since, min(until, hours)))
        found += [stretches] * team.reviewers
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
        lengths = self.until - self.since
        reached = np.cumsum(lengths)
        return np.asarray(np.interp(moment, knots, np.ravel([reached - lengths, reached], order="F")))
