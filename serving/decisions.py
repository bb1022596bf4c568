"""Decisions: what a reviewer concluded, kept once, with everything needed to learn from it later."""

import hashlib
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Row, insert, select, update

from models.taxonomy import Taxonomy
from serving.auth import Identity
from serving.cases import read_decisions
from serving.errors import ClaimLapsed, ContentChanged, DecisionConflict, InvalidRequest
from serving.queue import NO_CLAIM, held_case
from serving.schemas import Decision, DecisionFeed, DecisionIn, Outcome
from serving.store import Store
from serving.store.events import record
from serving.store.tables import cases, decisions, events

LOCK = 7_305_002
IMPORTED = "import"  # the role of decisions that were made elsewhere
STATUS_AFTER = {"violation": "decided", "no_violation": "decided", "cannot_decide": "open", "escalate": "escalated"}


def decide(store: Store, taxonomy: Taxonomy, who: Identity, given: DecisionIn, now: datetime) -> Decision:
    """Keep a decision on a claimed case and end the claim.

    The same decision again gives the same answer. Raises DecisionConflict, ClaimLapsed, ContentChanged or
    InvalidRequest.
    """
    check(given, taxonomy)
    body_hash = hashlib.sha256(f"{who.id} {given.model_dump_json()}".encode()).hexdigest()

    def work(connection: Connection) -> Decision:
        # One at a time, so that `seq` grows in the order of commits and a reader of the feed misses none.
        store.serialise(connection, LOCK)
        known = connection.execute(
            select(decisions.c.seq, decisions.c.body_hash).where(decisions.c.decision_id == given.decision_id)
        ).one_or_none()
        if known is None:
            seq = _insert(connection, taxonomy, who, given, body_hash, now)
        elif known.body_hash == body_hash:
            seq = known.seq
        else:
            message = "this decision_id was used for another decision; send this one under a new decision_id"
            raise DecisionConflict(message, field="decision_id")
        return read_decisions(connection, decisions.c.seq == seq)[0]

    return store.retrying(work)


def feed(store: Store, after: int, limit: int) -> DecisionFeed:
    """The decisions after a cursor, in order, without the imported ones: those were acted on long ago."""
    with store.read() as connection:
        found = read_decisions(connection, (decisions.c.seq > after) & (decisions.c.role != IMPORTED), limit)
    return DecisionFeed(decisions=found, next=found[-1].seq if found else after)


class Verdict(Protocol):
    """What was concluded, whoever concluded it."""

    @property
    def outcome(self) -> Outcome:
        """Whether there is a violation."""

    @property
    def categories(self) -> list[str]:
        """Of which categories."""

    @property
    def severity(self) -> int | None:
        """How severe, 0 to 4."""


def check(given: Verdict, taxonomy: Taxonomy) -> None:
    """Whether outcome, categories and severity fit together and the taxonomy. Raises InvalidRequest."""
    for category in given.categories:
        if category not in taxonomy.keys:
            known = ", ".join(taxonomy.keys)
            raise InvalidRequest(f"categories holds one that is not in the taxonomy: {known}", field="categories")
    if given.outcome == "violation" and not given.categories:
        raise InvalidRequest("a violation needs at least one category", field="categories")
    if given.outcome == "no_violation" and (given.categories or given.severity):
        raise InvalidRequest("no_violation goes with no categories and severity 0 or null", field="outcome")


def _insert(
    connection: Connection, taxonomy: Taxonomy, who: Identity, given: DecisionIn, body_hash: str, now: datetime
) -> int:
    case = held_case(connection, who, given.claim_id, given.token, now)
    if case.id != given.case_id:
        raise ClaimLapsed("the claim is on another case; claim the next case", field="case_id")
    if case.content_version != given.content_version:
        message = "the content changed since; look at the case again and decide on its current version"
        raise ContentChanged(message, field="content_version")
    last = select(decisions.c.seq).where(decisions.c.case_id == case.id).order_by(decisions.c.seq.desc()).limit(1)
    values = {
        **given.model_dump(exclude={"token"}),
        "body_hash": body_hash,
        "reviewer": who.id,
        "role": who.role,
        "blind": case.blind,
        "bundle": None if case.blind else _bundle_shown(connection, case),
        "seconds_spent": (now - case.claimed_at).total_seconds(),
        "bulk": False,
        "policy_version": taxonomy.version,
        "created_at": now,
        "supersedes": connection.execute(last).scalar_one_or_none(),
    }
    seq = connection.execute(insert(decisions).values(values).returning(decisions.c.seq)).scalar_one()
    after = {"status": STATUS_AFTER[given.outcome], "updated_at": now, **NO_CLAIM}
    connection.execute(update(cases).where(cases.c.id == case.id).values(after))
    record(connection, now, "decided", case.id, who.id, decision_id=given.decision_id, outcome=given.outcome)
    return int(seq)


def _bundle_shown(connection: Connection, case: Row[Any]) -> str | None:
    """The bundle whose hints were shown when the case was claimed."""
    detail = connection.execute(
        select(events.c.detail)
        .where(events.c.case_id == case.id, events.c.kind.in_(("claimed", "specialist_opened")))
        .order_by(events.c.id.desc())
    ).scalars()
    return next((entry["bundle"] for entry in detail if entry.get("claim_id") == case.claim_id), None)
