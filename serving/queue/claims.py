"""Claims: the next case for a reviewer under a lease, with a token that fences off whoever held it before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, case, select, update

from models.policy import SPECIALIST, Policy
from models.score import Priority
from serving.accounts.auth import Identity
from serving.errors import ClaimLapsed
from serving.quality import golden
from serving.queue import fronts
from serving.queue.cases import withdraw_copies
from serving.queue.claim_log import NO_CLAIM, Ending, begin, end, lapse
from serving.queue.placing import place, special
from serving.queue.reach import Reach, may_open, reach
from serving.queue.stages import APPEAL, FIRST, GOLDEN
from serving.store import Store
from serving.store.events import record
from serving.store.ids import new_id
from serving.store.tables import cases, people

FREED_AT_ONCE = 100  # lapsed leases; the next claim frees the next ones
# A golden case is one reviewer's alone: given back, it waits for nobody.
_WAITS_AGAIN = {"status": case((cases.c.stage == GOLDEN, "withdrawn"), else_="open"), **NO_CLAIM}


@dataclass(frozen=True)
class Claim:
    """A lease on a case. `token` grows with every claim of the case, so that an old holder's decision is refused."""

    id: str
    token: int
    expires_at: datetime
    case_id: str


def claim(
    store: Store,
    policy: Policy,
    who: Identity,
    *,
    lease: timedelta,
    now: datetime,
    lanes: Sequence[str] = (),
    languages: Sequence[str] = (),
    bundle: str | None = None,
    alone: bool = False,
) -> Claim | None:
    """Lease the next case of the given lanes and languages (none given: all that this one may be given), or None.

    Of the lanes' first cases it is the one that loses most by waiting; see Policy.urgency. `bundle` is noted as the
    model whose hints the reviewer is about to see. With `alone` a person who holds a case already gets that one.
    """

    def work(connection: Connection) -> Claim | None:
        if alone:  # and of two such claims at once, the second waits for the first
            connection.execute(select(people.c.id).where(people.c.id == who.id).with_for_update())
            if held := _last_held(connection, who, now):
                return held
        free_lapsed(connection, now)
        within = reach(connection, policy, who, now, lanes, languages)
        row = _next(connection, policy, who, within, now, now + lease)
        if row is None:
            return None
        begin(connection, row, bundle)
        return Claim(row.claim_id, row.fence, row.claim_expires_at, row.id)

    return store.retrying(work)


def _next(
    connection: Connection, policy: Policy, who: Identity, within: Reach, now: datetime, until: datetime
) -> Row[Any] | None:
    skills = {"languages": within.languages or (), "categories": within.categories or ()}
    limits: dict[str, Any] = {"now": now, "until": until, "last": within.last_claim, **skills}
    for lanes in within.tries:
        cells = fronts.by_urgency(connection, policy, who.id, within.cells(who, lanes), now)
        if cells:
            row = golden.draw(connection, policy, who, lanes=lanes, **limits)
            if row is not None:
                return row
        for cell in cells:
            row = fronts.take(connection, who.id, cell, new_id(now), now, until)
            if row is not None:
                return row
    return None


_LAPSED: Select[Any] = (
    select(cases.c.id, cases.c.claim_id, cases.c.claim_expires_at)
    .where(cases.c.claim_expires_at <= bindparam("now", type_=cases.c.claim_expires_at.type))
    .order_by(cases.c.claim_expires_at)
    .limit(FREED_AT_ONCE)
    .with_for_update(skip_locked=True)
)


def free_lapsed(connection: Connection, now: datetime) -> None:
    """Put cases back whose lease ran out; without any, it is one seek in an index."""
    rows = connection.execute(_LAPSED, {"now": now}).all()
    if rows:
        lapse(connection, rows)
        lapsed = cases.c.id.in_([row.id for row in rows])
        connection.execute(update(cases).where(lapsed).values(_WAITS_AGAIN))


def held_by(store: Store, who: Identity, now: datetime) -> Claim | None:
    """The claim that a reviewer took last and still holds, if any."""
    with store.read() as connection:
        return _last_held(connection, who, now)


def _last_held(connection: Connection, who: Identity, now: datetime) -> Claim | None:
    held = select(cases).where(
        cases.c.status == "claimed", cases.c.claimed_by == who.id, cases.c.claim_expires_at > now
    )
    if not who.is_specialist:  # any more: the role counts from the next request on
        held = held.where(cases.c.lane != SPECIALIST)
    row = connection.execute(held.order_by(cases.c.claimed_at.desc()).limit(1)).one_or_none()
    return Claim(row.claim_id, row.fence, row.claim_expires_at, row.id) if row else None


def held_case(connection: Connection, who: Identity, claim_id: str, token: int, now: datetime) -> Row[Any]:
    """The case under a claim that this caller holds with this token. Raises ClaimLapsed."""
    row = connection.execute(select(cases).where(cases.c.claim_id == claim_id).with_for_update()).one_or_none()
    mine = row is not None and row.status == "claimed" and row.claimed_by == who.id and row.fence == token
    if row is None or not mine or row.claim_expires_at <= now or not may_open(who, row.lane):
        raise ClaimLapsed("the claim ran out, was released, or is not yours; claim the next case", field="claim_id")
    return row


def extend(store: Store, who: Identity, claim_id: str, token: int, *, lease: timedelta, now: datetime) -> Claim:
    """Hold a case for another lease from now. Raises ClaimLapsed."""
    with store.write() as connection:
        row = held_case(connection, who, claim_id, token, now)
        connection.execute(update(cases).where(cases.c.id == row.id).values(claim_expires_at=now + lease))
    return Claim(claim_id, token, now + lease, row.id)


def release(store: Store, who: Identity, claim_id: str, token: int, *, now: datetime) -> str:
    """Put a case back undecided; return its id. Raises ClaimLapsed."""
    return _give_back(store, who, claim_id, token, "released", None, now)


def skip(store: Store, who: Identity, claim_id: str, token: int, reason: str, now: datetime) -> str:
    """Leave a case to others; this version of it does not come back. Return its id. Raises ClaimLapsed."""
    return _give_back(store, who, claim_id, token, "skipped", reason, now)


def _give_back(
    store: Store, who: Identity, claim_id: str, token: int, ending: Ending, reason: str | None, now: datetime
) -> str:
    with store.write() as connection:
        row = held_case(connection, who, claim_id, token, now)
        connection.execute(update(cases).where(cases.c.id == row.id).values(updated_at=now, **_WAITS_AGAIN))
        end(connection, claim_id, now, ending, reason, row.content_version)
        record(connection, now, ending, row.id, who.id, claim_id=claim_id)
    return str(row.id)


def transfer(store: Store, policy: Policy, who: Identity, claim_id: str, token: int, reason: str, now: datetime) -> str:
    """Hand a case to the specialists, who alone may see it from now on; return its id. Raises ClaimLapsed."""
    with store.write() as connection:
        row = held_case(connection, who, claim_id, token, now)
        values = _WAITS_AGAIN if row.stage == GOLDEN else {**_WAITS_AGAIN, **_to_specialists(policy, row, now)}
        connection.execute(update(cases).where(cases.c.id == row.id).values(updated_at=now, **values))
        withdraw_copies(connection, row.id, now)
        end(connection, claim_id, now, "transferred", reason, row.content_version)
        record(connection, now, "transferred", row.id, who.id, claim_id=claim_id)
    return str(row.id)


def _to_specialists(policy: Policy, row: Row[Any], now: datetime) -> dict[str, Any]:
    """Where a case is from now on; it is due as one that came now, or before."""
    moved = special(Priority.model_validate(row.priority_detail), policy.due(SPECIALIST, now))
    # An appeal stays one: whoever decided the case before, a specialist too, is not asked again.
    stage = APPEAL if row.stage == APPEAL else FIRST
    return {**place(policy, moved, row.waits_since or now), "stage": stage, "blind": False}
