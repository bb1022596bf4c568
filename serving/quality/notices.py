"""Notices: what changed for reviewers, which they read before their next case, with golden cases to practise on."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, insert, select, update

from models import Bundle
from models.policy import SPECIALIST, Policy
from serving.accounts.auth import Identity
from serving.errors import InvalidRequest, NotFound
from serving.quality import changes
from serving.quality.changes import Change
from serving.quality.golden import PRACTISED, Answer, content_of
from serving.queue.draws import drawn
from serving.store import Store
from serving.store.events import record
from serving.store.tables import cases, events, golden, notices, notices_read, people

PRACTICE = 5  # golden cases that come with a notice
LISTED = 50  # notices that can be looked at again
Choice = Literal["this", "other", "none"]  # a violation of the notice's category, of another alone, or none


def create(store: Store, policy: Policy, category: str | None, title: str, body: str, now: datetime) -> str:
    """Make a notice that everybody who is here by now has to read; return its id."""
    notice_id = uuid.uuid4().hex
    with store.write() as connection:
        connection.execute(insert(notices).values(_values(policy, notice_id, Change(category, title, [body]), now)))
    return notice_id


def announce_bundle(store: Store, old: Bundle, new: Bundle, policy: Policy, now: datetime) -> None:
    """Make a notice for each category that another bundle changes, once, whichever processes see the change."""
    _announce(store, f"{old.digest} {new.digest}", changes.of_bundles(old, new), policy, now)


def announce_policy(store: Store, old: Policy, new: Policy, now: datetime) -> None:
    """Make a notice of what another policy changes, once, whichever processes see the change."""
    _announce(store, f"{old.digest} {new.digest}", changes.of_policies(old, new), new, now)


def _announce(store: Store, change: str, found: Sequence[Change], policy: Policy, now: datetime) -> None:
    """The ids follow from what changed, and from the day, as what was taken back can be changed again."""
    if not found:
        return

    def work(connection: Connection) -> None:
        for each in found:
            seed = f"notice.v1 {change} {each.category} {now.date()}"
            notice_id = hashlib.sha256(seed.encode()).hexdigest()[:32]
            if connection.execute(select(notices.c.id).where(notices.c.id == notice_id)).first() is None:
                connection.execute(insert(notices).values(_values(policy, notice_id, each, now)))

    store.retrying(work)


def _values(policy: Policy, notice_id: str, change: Change, now: datetime) -> dict[str, Any]:
    return {
        "id": notice_id,
        "category": change.category,
        "title": change.title,
        "body": change.lines,
        "policy_version": policy.version,
        "created_at": now,
    }


def get(connection: Connection, notice_id: str) -> Row[Any]:
    """A notice. Raises NotFound."""
    row = connection.execute(select(notices).where(notices.c.id == notice_id)).one_or_none()
    if row is None:
        raise NotFound("no notice has this id", field="notice")
    return row


def unread(store: Store, who: Identity) -> Row[Any] | None:
    """The oldest notice that somebody has yet to read; those from before they were here are none."""
    read = select(notices_read.c.notice_id).where(
        notices_read.c.notice_id == notices.c.id, notices_read.c.person_id == who.id
    )
    with store.read() as connection:
        since = select(people.c.created_at).where(people.c.id == who.id).scalar_subquery()
        return connection.execute(
            select(notices)
            .where(notices.c.created_at >= since, ~read.exists())
            .order_by(notices.c.created_at, notices.c.id)
            .limit(1)
        ).one_or_none()


def listed(store: Store, who: Identity) -> Sequence[Row[Any]]:
    """The last notices, the newest first, each with one's own `read_at`, `practised` and `right`, null where unread."""
    mine = (notices_read.c.notice_id == notices.c.id) & (notices_read.c.person_id == who.id)
    with store.read() as connection:
        return connection.execute(
            select(notices, notices_read.c.read_at, notices_read.c.practised, notices_read.c.right)
            .join(notices_read, mine, isouter=True)
            .order_by(notices.c.created_at.desc(), notices.c.id)
            .limit(LISTED)
        ).all()


def counted(store: Store) -> Sequence[Row[Any]]:
    """The last notices, the newest first, each with how many `readers` it has had; who they are is not said."""
    readers = select(func.count()).where(notices_read.c.notice_id == notices.c.id).scalar_subquery()
    query = select(notices, readers.label("readers")).order_by(notices.c.created_at.desc(), notices.c.id)
    with store.read() as connection:
        return connection.execute(query.limit(LISTED)).all()


def mark_read(store: Store, who: Identity, notice_id: str, now: datetime) -> None:
    """Note that somebody has read a notice; again changes nothing. Raises NotFound."""

    def work(connection: Connection) -> None:
        get(connection, notice_id)
        if _read(connection, who, notice_id) is None:
            values = {"notice_id": notice_id, "person_id": who.id, "read_at": now, "practised": 0, "right": 0}
            connection.execute(insert(notices_read).values(values))

    store.retrying(work)


def _read(connection: Connection, who: Identity, notice_id: str) -> Row[Any] | None:
    mine = (notices_read.c.notice_id == notice_id) & (notices_read.c.person_id == who.id)
    return connection.execute(select(notices_read).where(mine)).one_or_none()


@dataclass(frozen=True)
class Practice:
    """Somebody's practice with a notice: which golden cases are left, how many were done, and of those were right."""

    notice: Row[Any]
    left: list[Answer]
    practised: int
    right: int


def practice(connection: Connection, who: Identity, notice_id: str) -> Practice:
    """How far somebody is with practising: PRACTICE golden cases, of which everyone gets others. Raises NotFound."""
    notice, mine = get(connection, notice_id), _read(connection, who, notice_id)
    left: list[Answer] = []
    if notice.category is not None:
        done = _practised(connection, who, notice_id)
        fitting = sorted(
            _of_category(connection, who, notice.category),
            key=lambda one: (one.case_id not in done, drawn(f"practice.v1 {notice_id} {who.id} {one.case_id}")),
        )
        left = [answer for answer in fitting[:PRACTICE] if answer.case_id not in done]
    return Practice(notice, left, mine.practised if mine else 0, mine.right if mine else 0)


def _practised(connection: Connection, who: Identity, notice_id: str) -> set[str]:
    rows = connection.execute(
        select(events.c.case_id, events.c.detail)
        .join(golden, golden.c.case_id == events.c.case_id)
        .where(events.c.kind == PRACTISED, events.c.actor == who.id)
    )
    return {row.case_id for row in rows if row.detail["notice"] == notice_id}


def _of_category(connection: Connection, who: Identity, category: str) -> list[Answer]:
    """The golden cases that are violations of a category or look like it, but none that somebody has in hand now."""
    copy = cases.alias("copy")
    tested = select(copy.c.id).where(copy.c.copy_of == cases.c.id, copy.c.claimed_by == who.id)
    rows = connection.execute(
        select(golden, cases.c.category)
        .join(cases, cases.c.id == golden.c.case_id)
        .where(cases.c.lane != SPECIALIST, ~tested.exists())
    )
    return [Answer.of(row) for row in rows if category in row.categories or row.category == category]


def practise(store: Store, who: Identity, notice_id: str, case_id: str, choice: Choice, now: datetime) -> bool:
    """Whether a choice is right for the next practice case of a notice that was read; what came of it is kept for
    whoever practises alone. Raises NotFound, or InvalidRequest if it is not a case that is left.
    """

    def work(connection: Connection) -> bool:
        found = practice(connection, who, notice_id)
        answer = next((answer for answer in found.left if answer.case_id == case_id), None)
        if answer is None or _read(connection, who, notice_id) is None:
            raise InvalidRequest("this is not a practice case that is left to you", field="case_id")
        right = choice == known(answer, found.notice.category)
        record(connection, now, PRACTISED, case_id, who.id, notice=notice_id)
        connection.execute(
            update(notices_read)
            .where(notices_read.c.notice_id == notice_id, notices_read.c.person_id == who.id)
            .values(practised=notices_read.c.practised + 1, right=notices_read.c.right + int(right))
        )
        return right

    return store.retrying(work)


def known(answer: Answer, category: str) -> Choice:
    """The right choice for a golden case with a notice on a category."""
    if answer.outcome == "no_violation":
        return "none"
    return "this" if category in answer.categories else "other"


def text_of(connection: Connection, answer: Answer) -> Row[Any] | None:
    """The content of a practice case, unless it has become the specialists' since."""
    return content_of(connection, answer.case_id, answer.content_version)
