"""On call: a message to whoever is on call when urgent cases will soon be due and nobody is there for them.

Nobody is there for a lane's cases at one stage when none of those whose role takes them (and of the critical lane, who
chose it) was active within `care.on_call_minutes`: neither claimed a case nor, of people, used a page. Their languages,
their categories and how much they have borne that day are not asked for. Each case is told of once while it waits; if
the message cannot be delivered, or its sender dies over it, it is sent again after RETRY.
"""

import json
import time
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, func, literal_column, or_, select

from models.policy import SPECIALIST, Lane, Policy
from serving.accounts.people import Profile
from serving.logs import log, where
from serving.queue.claims import free_lapsed
from serving.queue.reach import STAGES
from serving.queue.stages import APPEAL, FIRST, QA, SECOND
from serving.store import Store
from serving.store.events import record
from serving.store.tables import cases, claims, events, people, sessions, tokens

LOCK = 7_305_003
LANES: tuple[Lane, ...] = (SPECIALIST, "critical")
CHECK_SECONDS = 15.0
SEND_SECONDS = 5.0  # within which the receiver answers
RETRY = timedelta(minutes=1)
PAST = timedelta(days=1)  # of what was due before that somebody else has heard by now
MOST = 100  # cases in one message
BEGUN, ALERTED = "on_call_begun", "on_call_alerted"
Send = Callable[[str, bytes], None]


def post(url: str, body: bytes) -> None:
    """Send JSON to a webhook. Raises OSError."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  (settings check it)
    with urllib.request.urlopen(request, timeout=SEND_SECONDS):  # noqa: S310
        pass


class Lookout:
    """Looks now and then, and tells a webhook, if there is one; of several workers the first to look does."""

    def __init__(self, url: str, send: Send = post) -> None:
        self._url, self._send = url, send
        self._next = 0.0

    def look(self, store: Store, policy: Policy) -> None:
        """Look if it is time to; what goes wrong is logged."""
        if not self._url or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + CHECK_SECONDS
        try:
            alert(store, policy, self._url, datetime.now(UTC), self._send)
        except Exception as error:  # whatever it is, the next look is due all the same
            log.error("on_call_failed", reason=type(error).__qualname__, where=where(error))


def alert(store: Store, policy: Policy, url: str, now: datetime, send: Send = post) -> int:
    """Send one message about all cases that need one; return how many they are. Raises OSError.

    The message holds ids, lanes and due times, and never a text.
    """
    store.retrying(lambda connection: free_lapsed(connection, now))  # else it would wait for the next who claims one
    with store.read() as connection:
        if not _unattended(connection, policy, now):
            return 0
    found = store.retrying(lambda connection: _begin(store, connection, policy, now))
    if not found:
        return 0
    told = [{"case_id": row.id, "lane": row.lane, "due_at": row.due_at.isoformat()} for row in found]
    send(url, json.dumps({"event": "nobody_on_shift", "sent_at": now.isoformat(), "cases": told}).encode())
    with store.write() as connection:
        for row in found:
            record(connection, now, ALERTED, row.id, None)
    log.warning("on_call_alerted", cases=len(found))
    return len(found)


def _begin(store: Store, connection: Connection, policy: Policy, now: datetime) -> list[Row[Any]]:
    """The cases to tell of, noted as begun, so that no other worker tells of them too."""
    store.serialise(connection, LOCK)
    found = _unattended(connection, policy, now)
    for row in found:
        record(connection, now, BEGUN, row.id, None)
    return found


def _unattended(connection: Connection, policy: Policy, now: datetime) -> list[Row[Any]]:
    """The urgent cases that will soon be due, that nobody was told of, and that nobody is there for."""
    parts = [(lane, stage) for lane in LANES for stage in (FIRST, SECOND, QA, APPEAL)]
    return [row for lane, stage in parts for row in _unattended_in(connection, policy, lane, stage, now)]


def _unattended_in(connection: Connection, policy: Policy, lane: Lane, stage: str, now: datetime) -> Sequence[Row[Any]]:
    soon = timedelta(minutes=policy.care.on_call_minutes)
    told = exists().where(
        events.c.case_id == cases.c.id,
        or_(
            (events.c.kind == ALERTED) & (events.c.at >= func.coalesce(cases.c.waits_since, cases.c.created_at)),
            (events.c.kind == BEGUN) & (events.c.at > now - RETRY),
        ),
    )
    due = (cases.c.due_at <= now + soon, cases.c.due_at > now - PAST)
    waits = cases.c.status == literal_column("'open'")  # written out, or the index of waiting cases would not fit
    columns = (cases.c.id, cases.c.lane, cases.c.due_at)
    query: Select[Any] = select(*columns).where(waits, cases.c.lane == lane, cases.c.stage == stage, *due, ~told)
    rows = connection.execute(query.order_by(cases.c.due_at).limit(MOST)).all()
    return rows if rows and not _is_attended(connection, lane, stage, now - soon) else ()


def _is_attended(connection: Connection, lane: Lane, stage: str, since: datetime) -> bool:
    """Whether somebody whose role takes a lane's cases at a stage was active since a moment."""
    takers = [role for role, stages in STAGES.items() if stage in stages]
    roles = ["specialist"] if lane == SPECIALIST else takers
    persons = select(people.c.id, people.c.profile).where(people.c.role.in_(roles), people.c.disabled_at.is_(None))
    machines = select(tokens.c.id).where(tokens.c.role.in_(roles), tokens.c.revoked_at.is_(None))
    willing = [
        row.id
        for row in connection.execute(persons)
        if lane != "critical" or Profile.model_validate(row.profile).critical
    ]
    able = [*willing, *connection.execute(machines).scalars()]
    seen = select(sessions.c.person_id).where(sessions.c.person_id.in_(willing), sessions.c.seen_at > since).limit(1)
    busy = select(claims.c.id).where(claims.c.reviewer.in_(able), claims.c.claimed_at > since).limit(1)
    return any(connection.execute(query).first() is not None for query in (seen, busy))
