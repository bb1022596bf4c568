"""Undo: whoever just decided a case may take that back for a moment, before anybody acts on it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from serving.accounts.auth import Identity
from serving.errors import DecisionFinal, NotFound
from serving.queue.cases import get, shown
from serving.queue.claim_log import NO_CLAIM, begin
from serving.queue.claims import Claim
from serving.queue.reach import may_open
from serving.queue.stages import APPEAL
from serving.queue.withdrawals import status_without
from serving.review.decisions import LOCK, Clock
from serving.store import Store
from serving.store.events import record
from serving.store.ids import new_id
from serving.store.tables import cases, decisions, events


def retract(store: Store, who: Identity, decision_id: str, clock: Clock, *, lease: timedelta) -> Claim | None:
    """Take one's own decision back while that is possible, and hold its case again under a new claim.

    The near duplicates that were decided along with it wait again. What was withdrawn meanwhile is withdrawn; where the
    case itself was, there is no claim. Again, while the case is still in hand, it changes nothing. Raises NotFound or
    DecisionFinal.
    """

    def work(connection: Connection) -> Claim | None:
        mine = decisions.c.reviewer == who.id
        claim_id = select(decisions.c.claim_id).where(mine, decisions.c.decision_id == decision_id).scalar_subquery()
        held = select(decisions.c.case_id).where(mine, decisions.c.claim_id == claim_id)
        # The cases first, as in `decide`; and only then the time, or the feed might have shown the decision meanwhile.
        connection.execute(select(cases.c.id).where(cases.c.id.in_(held)).order_by(cases.c.id).with_for_update()).all()
        store.serialise(connection, LOCK)
        now = clock()
        first = connection.execute(select(decisions).where(mine, decisions.c.decision_id == decision_id)).one_or_none()
        if first is None:
            raise NotFound("no decision of yours has this id", field="decision_id")
        if first.retracted_at is not None:
            return _held_since(connection, first, who, now)
        if first.final_at is None or first.final_at <= now:
            raise DecisionFinal("the decision is final by now; a new one on the same case would replace it")
        together = (decisions.c.claim_id == first.claim_id) & (decisions.c.final_at > now)
        together &= decisions.c.retracted_at.is_(None)
        for decision in connection.execute(select(decisions).where(mine, together, decisions.c.seq != first.seq)).all():
            _take_back(connection, decision, who, now, {"status": "open", **NO_CLAIM})
        return _hold_again(connection, first, who, now, now + lease)

    return store.retrying(work)


def undoable(connection: Connection, who: Identity, now: datetime) -> Row[Any] | None:
    """The last decision that someone may still take back, or None."""
    query = (
        select(decisions)
        .where(decisions.c.final_at > now, decisions.c.reviewer == who.id, decisions.c.retracted_at.is_(None))
        .order_by(decisions.c.created_at.desc(), decisions.c.seq)  # of several at once, the one that was in hand
        .limit(1)
    )
    row: Row[Any] | None = connection.execute(query).one_or_none()
    return row


def _held_since(connection: Connection, decision: Row[Any], who: Identity, now: datetime) -> Claim:
    """The claim under which somebody holds the case of a decision that they took back."""
    held = (cases.c.claimed_by == who.id) & (cases.c.claim_expires_at > now)
    case = connection.execute(select(cases).where(cases.c.id == decision.case_id, held)).one_or_none()
    if case is None:
        raise DecisionFinal("the decision was taken back before, and its case has moved on since")
    return Claim(case.claim_id, case.fence, case.claim_expires_at, case.id)


def _hold_again(
    connection: Connection, decision: Row[Any], who: Identity, now: datetime, until: datetime
) -> Claim | None:
    """Give a case back to whoever decided it, unless its content is gone."""
    lease = {"status": "claimed", "claim_id": new_id(now), "claimed_by": who.id, "claimed_at": now}
    lease |= {"claim_expires_at": until, "fence": cases.c.fence + 1}
    row = _take_back(connection, decision, who, now, lease)
    if row.claim_id is None:
        return None
    begin(connection, row, decision.bundle)
    return Claim(row.claim_id, row.fence, until, row.id)


def _take_back(
    connection: Connection, decision: Row[Any], who: Identity, now: datetime, values: dict[str, Any]
) -> Row[Any]:
    """Retract a decision and put its case back where it was, with some other values; return the case."""
    case = connection.execute(select(cases).where(cases.c.id == decision.case_id)).one()
    later = select(decisions.c.seq).where(decisions.c.case_id == case.id, decisions.c.seq > decision.seq)
    moved_on = case.status in ("claimed", "withdrawn") or connection.execute(later.limit(1)).first() is not None
    if moved_on or not may_open(who, get(connection, shown(case)).lane):
        raise DecisionFinal("the case has moved on since, so that this can no longer be undone")
    connection.execute(update(decisions).where(decisions.c.seq == decision.seq).values(retracted_at=now))
    record(connection, now, "retracted", case.id, who.id, decision_id=decision.decision_id)
    before, withdrawn = _since(connection, decision)
    if withdrawn and case.status == "decided" and before["stage"] != APPEAL:
        values = {"status": status_without(connection, case, before["stage"]), **NO_CLAIM}
    changed = update(cases).where(cases.c.id == case.id)
    back = {**_place_before(before, decision, case), **values, "updated_at": now}
    return connection.execute(changed.values(back).returning(cases)).one()


def _since(connection: Connection, decision: Row[Any]) -> tuple[dict[str, Any], bool]:
    """Where a case was in the queue when it was decided, and whether its content was withdrawn since."""
    happened = select(events.c.kind, events.c.detail).where(
        events.c.case_id == decision.case_id, events.c.kind.in_(("decided", "withdrawn"))
    )
    withdrawn = False
    for event in connection.execute(happened.order_by(events.c.id.desc())):
        if event.kind == "decided" and event.detail["decision_id"] == decision.decision_id:
            return event.detail["before"], withdrawn
        withdrawn = withdrawn or event.kind == "withdrawn"
    raise AssertionError("a decision without its event")


def _place_before(before: dict[str, Any], decision: Row[Any], case: Row[Any]) -> dict[str, Any]:
    """The columns of a case that say where it was in the queue; only its stage if more has happened to it since."""
    if case.content_version != decision.content_version:
        return {}
    if case.updated_at != decision.created_at:
        return {"stage": before["stage"]}
    return before | {name: datetime.fromisoformat(before[name]) for name in ("waits_since", "due_at") if before[name]}
