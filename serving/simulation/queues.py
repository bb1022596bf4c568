"""Three queues: with keys that reports alone change, with keys that change as time passes, and Frontline's lanes."""

import heapq
from collections.abc import Callable
from datetime import timedelta

import numpy as np

from models.policy import LANES, Policy
from serving.simulation.curves import Floats, Ints
from serving.simulation.scores import Places
from serving.simulation.staffing import START

Index = Callable[[float, Ints], Floats]  # of a moment and some cases their keys, higher first


class Fixed:
    """The highest key first, a case's key being that of its last report; of equal ones the case that came first."""

    def __init__(self, case: Ints, key: Floats) -> None:
        self._case, self._key = case.tolist(), (-key).tolist()
        self._heap: list[tuple[float, int, int]] = []
        self._last: dict[int, int] = {}  # of each waiting case its last report

    def report(self, number: int) -> None:
        """Put a case in, or move it."""
        case = self._case[number]
        self._last[case] = number
        heapq.heappush(self._heap, (self._key[number], case, number))

    def next(self, now: float) -> int | None:
        """Take the first."""
        while self._heap:
            _, case, number = heapq.heappop(self._heap)
            if self._last.get(case) == number:
                del self._last[case]
                return case
        return None

    def forget(self, case: int) -> None:
        """Take a case out, wherever it stands."""
        self._last.pop(case, None)

    def first(self) -> float | None:
        """The key of the first, which stays."""
        while self._heap:
            key, case, number = self._heap[0]
            if self._last.get(case) == number:
                return -key
            heapq.heappop(self._heap)
        return None


class Live:
    """The highest key first, where keys change as time passes; of equal ones the case that came first."""

    def __init__(self, case: Ints, index: Index) -> None:
        self._case, self._index = case.tolist(), index
        self._waiting: dict[int, None] = {}  # in the order in which they came

    def report(self, number: int) -> None:
        """Put a case in."""
        self._waiting[self._case[number]] = None

    def next(self, now: float) -> int | None:
        """Take the first, by the keys of this very moment."""
        if not self._waiting:
            return None
        waiting = np.fromiter(self._waiting, np.int64, len(self._waiting))
        case = int(waiting[np.argmax(self._index(now, waiting))])
        del self._waiting[case]
        return case


class Lanes:
    """Frontline's queue: inside a lane by `Policy.rank`, across lanes by `Policy.urgency`."""

    def __init__(self, policy: Policy, case: Ints, places: Places) -> None:
        self._policy, self._case, self._lane = policy, case.tolist(), places.lane.tolist()
        self._lanes = [Fixed(case, places.rank) for _ in LANES]
        self._in: dict[int, int] = {}  # of each waiting case its lane

    def report(self, number: int) -> None:
        """Put a case into its lane, or move it there."""
        case, lane = self._case[number], self._lane[number]
        before = self._in.get(case, lane)
        if before != lane:
            self._lanes[before].forget(case)
        self._in[case] = lane
        self._lanes[lane].report(number)

    def next(self, now: float) -> int | None:
        """Take the first case of the lane that has most to lose by waiting."""
        moment = START + timedelta(hours=now)
        heads = [
            (self._policy.urgency(name, rank, moment), lane)
            for name, lane in zip(LANES, self._lanes, strict=True)
            if (rank := lane.first()) is not None
        ]
        return max(heads, key=lambda head: head[0])[1].next(now) if heads else None
