"""Looking at the queue: what waits in each lane, and what comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, literal_column, select

from models.policy import LANES, SPECIALIST, Policy
from serving.queue.claims import free_lapsed
from serving.queue.stages import FIRST
from serving.store import Store
from serving.store.tables import cases

MOST_COUNTED = 10_000  # of a lane; counting a million takes longer than a page may
_WAITS = cases.c.status == literal_column("'open'")  # written out, or the indexes of waiting cases would not fit


@dataclass(frozen=True)
class LaneCount:
    """How many cases of a lane wait, how many are past due, and when the next one is; MOST_COUNTED means at least so
    many.
    """

    lane: str
    waiting: int
    breached: int
    next_due: datetime | None


def lanes(store: Store, now: datetime) -> list[LaneCount]:
    """The waiting cases per lane, most urgent lane first."""
    with store.write() as connection:
        free_lapsed(connection, now)
    with store.read() as connection:  # counting takes a while, and nobody shall wait for it
        return [_count(connection, lane, now) for lane in LANES]


def counted(number: int) -> str:
    """A number of cases in words for people: from MOST_COUNTED on there may be more."""
    return f"{number:,}+" if number >= MOST_COUNTED else f"{number:,}"


def _count(connection: Connection, lane: str, now: datetime) -> LaneCount:
    def number(*conditions: ColumnElement[bool]) -> int:
        some = select(cases.c.lane).where(_WAITS, cases.c.lane == lane, *conditions).limit(MOST_COUNTED).subquery()
        return connection.execute(select(func.count()).select_from(some)).scalar_one()

    due = select(cases.c.due_at).where(_WAITS, cases.c.lane == lane).order_by(cases.c.due_at).limit(1)
    return LaneCount(lane, number(), number(cases.c.due_at <= now), connection.execute(due).scalar_one_or_none())


def top(store: Store, policy: Policy, limit: int, now: datetime, *, specialist: bool) -> Sequence[Row[Any]]:
    """The first waiting cases in the order in which they are claimed; never text. Specialist cases only if asked."""
    found: list[Row[Any]] = []
    with store.read() as connection:
        for lane in (lane for lane in LANES if specialist or lane != SPECIALIST):
            query = select(cases).where(_WAITS, cases.c.stage == FIRST, cases.c.lane == lane)
            found += connection.execute(query.order_by(cases.c.rank.desc()).limit(limit))
    return sorted(found, key=lambda row: -policy.urgency(row.lane, row.rank, now))[:limit]
