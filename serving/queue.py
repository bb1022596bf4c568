"""The queue: the next case for a reviewer, under a lease, with a token that fences off whoever held it before."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, select, update

from models.taxonomy import Lane
from serving.auth import Identity
from serving.errors import ClaimLapsed
from serving.store import Store
from serving.store.events import record
from serving.store.tables import cases, decisions

LANES: tuple[Lane, ...] = get_args(Lane)  # most urgent first
UNKNOWN_LANGUAGE = "und"


@dataclass(frozen=True)
class Claim:
    """A lease on a case. `token` grows with every claim of the case, so that an old holder's decision is refused."""

    id: str
    token: int
    expires_at: datetime
    case_id: str


def claim(
    store: Store,
    who: Identity,
    *,
    lease: timedelta,
    now: datetime,
    lanes: Sequence[str] = (),
    languages: Sequence[str] = (),
    bundle: str | None = None,
) -> Claim | None:
    """Lease the next case of the given lanes and languages (none given: all that the role may see), or None.

    `bundle` is noted as the model whose hints the reviewer is about to see.
    """

    def work(connection: Connection) -> Claim | None:
        free_lapsed(connection, now)
        for lane in LANES:
            if (lanes and lane not in lanes) or (lane == "specialist" and not who.is_specialist):
                continue
            if row := _take(connection, who, lane, languages, now, now + lease):
                held = _claim_of(row)
                kind = "specialist_opened" if lane == "specialist" else "claimed"
                record(connection, now, kind, row.id, who.id, claim_id=held.id, bundle=bundle)
                return held
        return None

    return store.retrying(work)


def _take(
    connection: Connection, who: Identity, lane: str, languages: Sequence[str], now: datetime, until: datetime
) -> Row[Any] | None:
    """Claim a lane's first open case in one statement, so that no two reviewers ever get the same."""
    waiting = cases.alias("waiting")
    wanted = [waiting.c.status == "open", waiting.c.lane == lane, ~_gave_up(waiting, who)]
    if languages:
        wanted.append(func.coalesce(waiting.c.language, UNKNOWN_LANGUAGE).in_(languages))
    first = (
        select(waiting.c.id)
        .where(*wanted)
        .order_by(waiting.c.priority.desc(), waiting.c.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)  # PostgreSQL alone; SQLite has one writer at a time
        .scalar_subquery()
    )
    values = {
        "status": "claimed",
        "claim_id": uuid.uuid4().hex,
        "claimed_by": who.id,
        "claimed_at": now,
        "claim_expires_at": until,
        "fence": cases.c.fence + 1,
        "updated_at": now,
    }
    return connection.execute(update(cases).where(cases.c.id == first).values(values).returning(cases)).one_or_none()


def _gave_up(waiting: Any, who: Identity) -> ColumnElement[bool]:
    """Whether this reviewer could not decide this very version before: then it is for somebody else."""
    return (
        select(decisions.c.seq)
        .where(
            and_(
                decisions.c.case_id == waiting.c.id,
                decisions.c.content_version == waiting.c.content_version,
                decisions.c.reviewer == who.id,
                decisions.c.outcome == "cannot_decide",
            )
        )
        .exists()
    )


def free_lapsed(connection: Connection, now: datetime) -> None:
    """Put the cases back whose lease ran out."""
    connection.execute(
        update(cases)
        .where(cases.c.status == "claimed", cases.c.claim_expires_at <= now)
        .values(status="open", **NO_CLAIM)
    )


NO_CLAIM: dict[str, None] = {"claim_id": None, "claimed_by": None, "claimed_at": None, "claim_expires_at": None}


def held_by(store: Store, who: Identity, now: datetime) -> Claim | None:
    """The claim that a reviewer took last and still holds, if any."""
    with store.read() as connection:
        row = connection.execute(
            select(cases)
            .where(cases.c.status == "claimed", cases.c.claimed_by == who.id, cases.c.claim_expires_at > now)
            .order_by(cases.c.claimed_at.desc())
            .limit(1)
        ).one_or_none()
    return _claim_of(row) if row else None


def extend(store: Store, who: Identity, claim_id: str, token: int, *, lease: timedelta, now: datetime) -> Claim:
    """Hold a case for another lease from now. Raises ClaimLapsed."""
    with store.write() as connection:
        row = held_case(connection, who, claim_id, token, now)
        connection.execute(update(cases).where(cases.c.id == row.id).values(claim_expires_at=now + lease))
    return Claim(claim_id, token, now + lease, row.id)


def release(store: Store, who: Identity, claim_id: str, token: int, *, now: datetime) -> str:
    """Put a case back undecided; return its id. Raises ClaimLapsed."""
    with store.write() as connection:
        row = held_case(connection, who, claim_id, token, now)
        connection.execute(update(cases).where(cases.c.id == row.id).values(status="open", updated_at=now, **NO_CLAIM))
        record(connection, now, "released", row.id, who.id, claim_id=claim_id)
    return str(row.id)


def held_case(connection: Connection, who: Identity, claim_id: str, token: int, now: datetime) -> Row[Any]:
    """The case under a claim that this caller holds with this token. Raises ClaimLapsed."""
    row = connection.execute(select(cases).where(cases.c.claim_id == claim_id).with_for_update()).one_or_none()
    mine = row is not None and row.status == "claimed" and row.claimed_by == who.id and row.fence == token
    if row is None or not mine or row.claim_expires_at <= now:
        raise ClaimLapsed("the claim ran out, was released, or is not yours; claim the next case", field="claim_id")
    return row


def _claim_of(row: Row[Any]) -> Claim:
    return Claim(row.claim_id, row.fence, row.claim_expires_at, row.id)


@dataclass(frozen=True)
class LaneCount:
    """How many cases of a lane wait, how many are past due, and when the next one is."""

    lane: str
    waiting: int
    breached: int
    next_due: datetime | None


def overview(store: Store, now: datetime) -> list[LaneCount]:
    """The waiting cases per lane, most urgent lane first."""
    breached = func.sum(case((cases.c.due_at <= now, 1), else_=0))
    with store.write() as connection:
        free_lapsed(connection, now)
        rows = connection.execute(
            select(cases.c.lane, func.count(), breached, func.min(cases.c.due_at))
            .where(cases.c.status == "open")
            .group_by(cases.c.lane)
        ).all()
    found = {row[0]: row for row in rows}
    return [LaneCount(*found[lane]) if lane in found else LaneCount(lane, 0, 0, None) for lane in LANES]


def top(store: Store, limit: int, *, specialist: bool) -> Sequence[Row[Any]]:
    """The first waiting cases in the order in which they are claimed; never text. Specialist cases only if asked."""
    found: list[Row[Any]] = []
    with store.read() as connection:
        for lane in LANES:
            if lane == "specialist" and not specialist:
                continue
            query = select(cases).where(cases.c.status == "open", cases.c.lane == lane)
            query = query.order_by(cases.c.priority.desc(), cases.c.created_at).limit(limit - len(found))
            found.extend(connection.execute(query))
    return found
