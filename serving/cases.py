"""Reading cases: a case with its content, its reports, its score and its decisions, as far as a role may see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from models import Report, Score
from models.score import Priority
from serving.auth import Identity
from serving.errors import NotFound
from serving.schemas import CaseOut, ContentOut, Decision, ReportAnswer, ReportOut
from serving.store import Store
from serving.store.events import record
from serving.store.tables import cases, contents, decisions, reports, scores

MAX_REPORTS = 100  # a case shows its newest reports; `report_count` says how many there are


def read_case(store: Store, case_id: str, who: Identity, now: datetime) -> CaseOut:
    """A case as this caller may see it. Raises NotFound. A specialist's look at a specialist case is logged."""
    with store.read() as connection:
        row = get(connection, case_id)
        blind = row.blind and who.role != "intake"
        # A case whose decision was imported has no report, and so no score.
        score = leading_score(connection, row) if not blind and count_reports(connection, case_id) else None
        case = view(connection, row, score, with_content=may_see(row, who))
    if row.lane == "specialist" and who.is_specialist:
        with store.write() as connection:
            record(connection, now, "specialist_opened", case_id, who.id)
    return case


def read_report(store: Store, report_id: str) -> ReportAnswer:
    """What became of a report. Raises NotFound."""
    with store.read() as connection:
        found = connection.execute(
            select(reports.c.case_id, cases.c.status, scores.c.score)
            .join(cases, cases.c.id == reports.c.case_id)
            .join(scores, scores.c.score_id == reports.c.score_id)
            .where(reports.c.report_id == report_id)
        ).one_or_none()
        if found is None:
            raise NotFound("no report has this id", field="report_id")
        return ReportAnswer(
            report_id=report_id,
            case_id=found.case_id,
            status=found.status,
            score=Score.model_validate(found.score),
            decisions=decisions_of(connection, found.case_id),
        )


def may_see(case: Row[Any], who: Identity) -> bool:
    """Whether the caller may see a case's content: reviewers may, and of specialist cases only specialists."""
    return who.is_specialist or (who.role in ("reviewer", "qa", "admin") and case.lane != "specialist")


def get(connection: Connection, case_id: str) -> Row[Any]:
    """A case's row. Raises NotFound."""
    row = connection.execute(select(cases).where(cases.c.id == case_id)).one_or_none()
    if row is None:
        raise NotFound("no case has this id", field="case_id")
    return row


def view(connection: Connection, case: Row[Any], score: Score | None, *, with_content: bool) -> CaseOut:
    """Put a case together around the score to show."""
    return CaseOut(
        id=case.id,
        status=case.status,
        content_version=case.content_version,
        content=_content(connection, case) if with_content else None,
        report_count=count_reports(connection, case.id),
        reports=_reports(connection, case.id, with_notes=with_content),
        score=score,
        blind=case.blind,
        due_at=case.due_at,
        reopened=case.reopened,
        decisions=decisions_of(connection, case.id),
    )


def leading_score(connection: Connection, case: Row[Any]) -> Score:
    """The stored score of the case's most severe report, with the priority of the whole case."""
    row = connection.execute(_most_severe(case)).one()
    return with_priority(Score.model_validate(row.score), case)


def leading_report(connection: Connection, case: Row[Any]) -> tuple[Report, datetime]:
    """The case's most severe report, and when it came."""
    row = connection.execute(_most_severe(case)).one()
    return Report.model_validate(row.body), row.received_at


def with_priority(score: Score, case: Row[Any]) -> Score:
    """A score that carries the priority of the whole case."""
    return score.model_copy(update={"priority": Priority.model_validate(case.priority_detail)})


def _most_severe(case: Row[Any]) -> Any:
    return (
        select(reports.c.body, reports.c.received_at, scores.c.score)
        .join(scores, scores.c.score_id == reports.c.score_id)
        .where(reports.c.case_id == case.id, reports.c.content_version == case.content_version)
        .order_by(
            func.coalesce(scores.c.expected_severity, -1).desc(),
            func.coalesce(scores.c.violation_probability, -1).desc(),
            reports.c.received_at,
            reports.c.report_id,
        )
        .limit(1)
    )


def count_reports(connection: Connection, case_id: str) -> int:
    """How many reports a case has."""
    return connection.execute(
        select(func.count()).select_from(reports).where(reports.c.case_id == case_id)
    ).scalar_one()


def _content(connection: Connection, case: Row[Any]) -> ContentOut:
    row = connection.execute(
        select(contents).where(contents.c.case_id == case.id, contents.c.version == case.content_version)
    ).one()
    return ContentOut(
        id=case.content_id,
        version=row.version,
        text=row.text,
        url=row.url,
        kind=case.kind,
        language=case.language,
        context=row.context,
        attachments=row.attachments,
    )


def _reports(connection: Connection, case_id: str, *, with_notes: bool) -> list[ReportOut]:
    rows = connection.execute(
        select(reports)
        .where(reports.c.case_id == case_id)
        .order_by(reports.c.received_at.desc(), reports.c.report_id)
        .limit(MAX_REPORTS)
    )
    return [
        ReportOut(
            report_id=row.report_id,
            content_version=row.content_version,
            received_at=row.received_at,
            reason=row.body.get("reason"),
            note=row.body.get("note") if with_notes else None,
            source=row.body.get("source", "user"),
            score_id=row.score_id,
        )
        for row in rows
    ]


def decisions_of(connection: Connection, case_id: str) -> list[Decision]:
    """A case's decisions, oldest first."""
    return read_decisions(connection, decisions.c.case_id == case_id)


def read_decisions(connection: Connection, condition: Any, limit: int | None = None) -> list[Decision]:
    """The decisions that fit a condition, in order."""
    rows: Sequence[Row[Any]] = connection.execute(
        select(decisions, cases.c.content_id)
        .join(cases, cases.c.id == decisions.c.case_id)
        .where(condition)
        .order_by(decisions.c.seq)
        .limit(limit)
    ).all()
    return [Decision.model_validate(row, from_attributes=True) for row in rows]
