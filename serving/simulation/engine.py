"""The discrete-event engine: reports come, reviewers come and go, and a queue says whom they serve next."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from serving.simulation.curves import Floats, Ints
from serving.simulation.staffing import Stretches

NEVER = math.inf


class Queue(Protocol):
    """What waits, and in which order."""

    def report(self, number: int) -> None:
        """A report came in, on a case that waits from now on or already does."""

    def next(self, now: float) -> int | None:
        """Take the next case out of the queue; None where nothing waits."""


@dataclass(frozen=True)
class Outcome:
    """When the review of each of n cases began and was decided, in hours; infinite where it was not."""

    begun: Floats
    decided: Floats


def serve(
    queue: Queue,
    reports: Sequence[int],
    case: Ints,
    time: Floats,
    minutes: Floats,
    staff: Sequence[Stretches],
    hours: float,
) -> Outcome:
    """Play one run of so many hours.

    `reports` are the numbers of those that come, in order; `case` and `time` say of each report on which case and when,
    `minutes` of each case how long its review takes, `staff` when each reviewer works. A reviewer who has begun a case
    finishes it; nobody waits while a case does.
    """
    desk = _Desk(queue, minutes / 60, staff)
    cases, times = case.tolist(), time.tolist()
    for number in reports:
        now, which = times[number], cases[number]
        desk.work(now)
        if not desk.taken[which]:
            queue.report(number)
            while desk.idle and not desk.taken[which]:
                desk.look(desk.idle.pop(), now)
    desk.work(hours)
    return Outcome(desk.begun, desk.decided)


class _Desk:
    """The reviewers: who is at work, who has a case and until when."""

    def __init__(self, queue: Queue, spent: Floats, staff: Sequence[Stretches]) -> None:
        self.begun, self.decided = np.full(len(spent), NEVER), np.full(len(spent), NEVER)
        self.taken = bytearray(len(spent))
        self.idle: list[int] = []
        self._queue, self._spent = queue, spent.tolist()
        self._shifts = [iter(stretches) for stretches in staff]
        self._until = [-NEVER] * len(staff)
        self._free = [(0.0, who) for who in range(len(staff))]  # when, who; a heap

    def work(self, until: float) -> None:
        """Let everything happen that does before a moment."""
        while self._free and self._free[0][0] < until:
            now, who = heapq.heappop(self._free)
            self.look(who, now)

    def look(self, who: int, now: float) -> None:
        """Someone is free: give them a case, send them home until their next shift, or let them wait."""
        if now >= self._until[who] and not self._at_work(who, now):
            return
        found = self._queue.next(now)
        if found is None:
            self.idle.append(who)
            return
        done = now + self._spent[found]
        self.taken[found], self.begun[found], self.decided[found] = 1, now, done
        heapq.heappush(self._free, (done, who))

    def _at_work(self, who: int, now: float) -> bool:
        """Whether someone's next shift has begun; where it has not, they come back when it does."""
        shift = next((each for each in self._shifts[who] if each[1] > now), None)
        if shift is None:
            return False
        self._until[who] = shift[1]
        if shift[0] > now:
            heapq.heappush(self._free, (shift[0], who))
        return shift[0] <= now
