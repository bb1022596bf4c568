"""Golden cases: decided cases with a known answer, mixed into the work so that reviewers can see how they do."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select

from models.policy import SPECIALIST, Policy
from models.score import Priority
from serving.accounts.auth import Identity
from serving.errors import Forbidden, InvalidRequest, NotFound
from serving.queue import cases as reading
from serving.queue.draws import drawn
from serving.queue.placing import place
from serving.queue.stages import GOLDEN, QA
from serving.review.second_looks import VERDICTS, standing
from serving.store import Store
from serving.store.events import record
from serving.store.ids import new_id
from serving.store.tables import cases, claims, contents, decisions, events, golden

KEEPERS = ("qa", "admin")  # the roles that say which cases are golden
SHOWN = 20  # decided cases that may become golden
PRACTISED = "practised"  # the event of somebody having practised with a golden case


@dataclass(frozen=True)
class Answer:
    """The known answer to a golden case."""

    case_id: str
    content_version: int
    outcome: str
    categories: list[str]
    severity: int | None
    why: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """From a row that has all columns of the table."""
        return cls(*(getattr(row, field.name) for field in fields(cls)))


def add(store: Store, policy: Policy, who: Identity, case_id: str, why: str, now: datetime) -> None:
    """Make a decided case golden, with the decision that stands as its answer and `why` as what reviewers learn from.

    Again with another `why` or decision: it replaces the old answer. Raises Forbidden, NotFound, or InvalidRequest
    where the case can have no known answer.
    """
    check_keeper(who)
    with store.write() as connection:
        case = reading.get(connection, case_id)
        answer = standing(connection, case_id)
        if reason := _unfit(connection, policy, case, answer):
            raise InvalidRequest(f"this case cannot be golden: {reason}", field="case_id")
        assert answer is not None  # noqa: S101  (or it were unfit)
        connection.execute(delete(golden).where(golden.c.case_id == case_id))
        connection.execute(
            insert(golden).values(
                case_id=case_id,
                content_version=answer.content_version,
                outcome=answer.outcome,
                categories=answer.categories,
                severity=answer.severity,
                why=why,
                added_by=who.id,
                added_at=now,
            )
        )
        record(connection, now, "golden_added", case_id, who.id)


def remove(store: Store, who: Identity, case_id: str, now: datetime) -> None:
    """Make a case golden no more; answers to it count no longer. Raises Forbidden or NotFound."""
    check_keeper(who)
    with store.write() as connection:
        if not connection.execute(delete(golden).where(golden.c.case_id == case_id)).rowcount:
            raise NotFound("no golden case has this id", field="case_id")
        record(connection, now, "golden_removed", case_id, who.id)


def listed(store: Store) -> Sequence[Row[Any]]:
    """All golden cases, the newest first, each with the case's `kind`, `lane`, and how often it was `answered`."""
    copy, answered = cases.alias("copy"), func.count(decisions.c.seq)
    made = and_(decisions.c.case_id == copy.c.id, decisions.c.retracted_at.is_(None))
    times = select(answered).select_from(copy.join(decisions, made)).where(copy.c.copy_of == golden.c.case_id)
    with store.read() as connection:
        return connection.execute(
            select(golden, cases.c.kind, cases.c.lane, times.scalar_subquery().label("answered"))
            .join(cases, cases.c.id == golden.c.case_id)
            .order_by(golden.c.added_at.desc(), golden.c.case_id)
        ).all()


def candidates(store: Store, who: Identity) -> Sequence[Row[Any]]:
    """The decisions that somebody made as QA lately on cases that are not golden yet, the newest first."""
    known = select(golden.c.case_id).where(golden.c.case_id == decisions.c.case_id)
    with store.read() as connection:
        return connection.execute(
            select(decisions)
            .join(claims, (claims.c.case_id == decisions.c.case_id) & (claims.c.id == decisions.c.claim_id))
            .join(cases, cases.c.id == decisions.c.case_id)
            .where(claims.c.reviewer == who.id, decisions.c.role == QA, decisions.c.outcome.in_(VERDICTS))
            .where(decisions.c.retracted_at.is_(None), cases.c.lane != SPECIALIST, ~known.exists())
            .order_by(claims.c.claimed_at.desc())
            .limit(SHOWN)
        ).all()


def check_keeper(who: Identity) -> None:
    """Raises Forbidden for a role that keeps no golden cases."""
    if who.role not in KEEPERS:
        raise Forbidden(f"the role {who.role} keeps no golden cases; these do: {', '.join(KEEPERS)}")


def _unfit(connection: Connection, policy: Policy, case: Row[Any], answer: Row[Any] | None) -> str:
    """Why a case cannot be golden; empty if it can."""
    if case.lane == SPECIALIST:
        return "specialist cases never are"
    if case.copy_of is not None:
        return "it is a copy of one that is"
    if case.status != "decided" or answer is None or answer.outcome not in VERDICTS:
        return "no decision stands that says whether it is a violation"
    if answer.content_version != case.content_version:
        return "its content changed since it was decided"
    if any(policy.of(category).floor == SPECIALIST for category in answer.categories):
        return "its category is the specialists' alone"
    if not reading.count_reports(connection, case.id):
        return "it has no report, as its decision was imported"
    return ""


def draw(
    connection: Connection,
    policy: Policy,
    who: Identity,
    *,
    now: datetime,
    until: datetime,
    lanes: Sequence[str],
    languages: Sequence[str] = (),
    categories: Sequence[str] = (),
    last: str | None = None,
) -> Row[Any] | None:
    """Now and then, a golden case that this reviewer has not had, as a case of its own, claimed for them; or None.

    It comes at a claim with the probability `quality.golden_share`, if any golden case is left that the reviewer may
    take: of these lanes, and of these languages and categories where any are given. Whether and which follows from the
    ids of the reviewer and of their last claim alone, so that asking again while nothing waits draws nothing new.
    `last` is the id of that claim, if it is known. The caller writes the new claim down, which tells that
    they had it.
    """
    share = policy.quality.golden_share
    if not share:
        return None
    if last is None:
        newest = select(claims.c.id).where(claims.c.reviewer == who.id).order_by(claims.c.claimed_at.desc()).limit(1)
        last = connection.execute(newest).scalar_one_or_none()
    turn = f"golden.v1 {who.id} {last}"
    if drawn(turn) >= share:
        return None
    left = _unseen(connection, who, lanes, languages, categories)
    if not left:
        return None
    chosen = min(left, key=lambda row: drawn(f"{turn} {row.id}"))
    # Of two claims of one reviewer at once the second waits here, and then finds that they had it.
    connection.execute(select(golden.c.case_id).where(golden.c.case_id == chosen.id).with_for_update()).all()
    if _had(connection, who, [chosen]):
        return None
    return _copy(connection, policy, who, chosen, now, until)


def _unseen(
    connection: Connection, who: Identity, lanes: Sequence[str], languages: Sequence[str], categories: Sequence[str]
) -> list[Row[Any]]:
    """The golden cases that a reviewer may take and has neither had, nor practised with, nor decided, nor added."""
    # By their ids: few cases are golden, and from the lanes SQLite would look through all that there are.
    wanted: list[ColumnElement[bool]] = [cases.c.id.in_(select(golden.c.case_id))]
    wanted += [cases.c.lane.in_(lanes), cases.c.lane != SPECIALIST]
    if languages:
        wanted.append(cases.c.language.in_(languages))
    if categories:
        wanted.append(cases.c.category.in_(categories))
    mine = select(decisions.c.seq).where(decisions.c.case_id == golden.c.case_id, decisions.c.reviewer == who.id)
    practised = select(events.c.id).where(
        events.c.case_id == golden.c.case_id, events.c.kind == PRACTISED, events.c.actor == who.id
    )
    rows = connection.execute(
        select(cases, golden.c.content_version.label("answered_version"))
        .join(golden, golden.c.case_id == cases.c.id)
        .where(*wanted, golden.c.added_by != who.id, ~mine.exists(), ~practised.exists())
    ).all()
    had = _had(connection, who, rows)
    return [row for row in rows if (row.id, row.answered_version) not in had]


def _had(connection: Connection, who: Identity, rows: Sequence[Row[Any]]) -> set[tuple[str, int]]:
    """Of which of some golden cases, and of which versions, a reviewer has had a copy."""
    query = (
        select(cases.c.copy_of, cases.c.content_version)
        .join(claims, claims.c.case_id == cases.c.id)
        .where(cases.c.copy_of.in_([row.id for row in rows]), claims.c.reviewer == who.id)
    )
    return {(row.copy_of, row.content_version) for row in connection.execute(query)}


def _copy(
    connection: Connection, policy: Policy, who: Identity, case: Row[Any], now: datetime, until: datetime
) -> Row[Any]:
    """A case that shows the content of another, already claimed. It has waited for a while, as others have."""
    service_level = timedelta(hours=policy.lane(case.lane).service_level_hours)
    created = now - drawn(f"golden-age.v1 {case.id} {who.id}") * service_level
    due = policy.due(case.lane, created - reading.delay(connection, case.id))
    priority = Priority.model_validate(case.priority_detail).model_copy(update={"lane": case.lane, "due_at": due})
    values = {
        **place(policy, priority, created),
        **{name: getattr(case, name) for name in ("kind", "language", "category", "severity", "brigade", "blind")},
        "id": new_id(created),  # as that of a case that came then
        "copy_of": case.id,
        "content_version": case.answered_version,
        "stage": GOLDEN,
        "status": "claimed",
        "claim_id": new_id(now),
        "claimed_by": who.id,
        "claimed_at": now,
        "claim_expires_at": until,
        "fence": 1,
        "created_at": created,
        "updated_at": now,
    }
    return connection.execute(insert(cases).values(values).returning(cases)).one()


def content_of(connection: Connection, case_id: str, version: int) -> Row[Any] | None:
    """One version of the content of a golden case, unless it has become the specialists' since."""
    return connection.execute(
        select(contents)
        .join(cases, cases.c.id == contents.c.case_id)
        .where(contents.c.case_id == case_id, contents.c.version == version, cases.c.lane != SPECIALIST)
    ).one_or_none()
