"""Near duplicates: cases whose prepared text is the same, those that wait and those that were decided."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from models.policy import SPECIALIST
from serving.queue.stages import ASIDE, FIRST
from serving.review.second_looks import VERDICTS
from serving.store.tables import cases, contents, decisions, reports

MOST = 100  # near duplicates that are decided at once
EARLIER = 5  # decided ones that a page shows


@dataclass(frozen=True)
class Precedent:
    """What was decided on the same text before."""

    outcome: str
    categories: list[str]
    severity: int | None
    decided_at: datetime


def _hash_of(connection: Connection, case: Row[Any]) -> str | None:
    """The prepared text's hash of a case's current version; None without a text, and for specialist cases."""
    if case.lane == SPECIALIST:
        return None
    current = (contents.c.case_id == case.id) & (contents.c.version == case.content_version)
    return connection.execute(select(contents.c.prepared_hash).where(current)).scalar_one_or_none()


def waiting(connection: Connection, case: Row[Any], among: Collection[str] | None = None) -> Sequence[Row[Any]]:
    """Open cases with the same text as one, at most MOST; of specialist cases and second looks none ever.

    Each with its number of reports.
    """
    same = _hash_of(connection, case)
    if same is None or case.stage != FIRST:
        return []
    count = select(func.count()).where(reports.c.case_id == cases.c.id).correlate(cases).scalar_subquery()
    query = (
        select(cases, count.label("report_count"))
        .join(contents, (contents.c.case_id == cases.c.id) & (contents.c.version == cases.c.content_version))
        .where(contents.c.prepared_hash == same, cases.c.id != case.id)
        .where(cases.c.status == "open", cases.c.stage == FIRST, cases.c.lane != SPECIALIST)
        .order_by(cases.c.created_at, cases.c.id)
        .limit(MOST)
    )
    if among is not None:
        # Whoever is about to claim one of them goes first.
        query = query.where(cases.c.id.in_(among)).with_for_update(of=cases, skip_locked=True)
    return connection.execute(query).all()


def decided(connection: Connection, case: Row[Any]) -> list[Precedent]:
    """The last decisions on the same text in other cases, newest first; of specialist cases none ever."""
    same = _hash_of(connection, case)
    if same is None:
        return []
    seen = (contents.c.case_id == decisions.c.case_id) & (contents.c.version == decisions.c.content_version)
    rows = connection.execute(
        select(decisions)
        .join(contents, seen)
        .join(cases, cases.c.id == decisions.c.case_id)
        .where(contents.c.prepared_hash == same, cases.c.id != case.id, cases.c.lane != SPECIALIST)
        .where(decisions.c.outcome.in_(VERDICTS), decisions.c.retracted_at.is_(None))
        .where(decisions.c.role.not_in(ASIDE))
        .order_by(decisions.c.created_at.desc(), decisions.c.seq.desc())
        .limit(EARLIER)
    )
    return [Precedent(row.outcome, row.categories, row.severity, row.created_at) for row in rows]
