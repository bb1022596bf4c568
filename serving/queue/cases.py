"""Reading cases: a case with its content, its reports, its score and its decisions, as far as a role may see them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from models import Report, Score
from models.score import Priority
from serving.accounts.auth import Identity
from serving.errors import NotFound
from serving.queue.claim_log import NO_CLAIM, end
from serving.queue.stages import APPEAL, ASIDE, FIRST, QA, SECOND, role_in
from serving.schemas import AppealOut, CaseOut, ContentOut, Decision, ReportAnswer, ReportOut, Status
from serving.store import Store
from serving.store.events import record
from serving.store.tables import UNKNOWN_LANGUAGE, appeals, cases, claims, contents, decisions, golden, reports, scores

# What is shown of reports: not their content, which may be long.
ABOUT = (reports.c.report_id, reports.c.content_version, reports.c.received_at, reports.c.score_id, reports.c.body)
MAX_REPORTS = 100  # a case shows its newest reports; `report_count` says how many there are


def read_case(store: Store, case_id: str, who: Identity, now: datetime) -> CaseOut:
    """A case as this caller may see it. Raises NotFound. A specialist's look at a specialist case is logged."""
    with store.read() as connection:
        row = get(connection, case_id)
        blind = row.blind and who.role != "intake"
        # A case whose decision was imported has no report, and so no score.
        score = leading_score(connection, row) if not blind and count_reports(connection, shown(row)) else None
        source = row if row.copy_of is None else get(connection, row.copy_of)
        made = _told_decisions(connection, row, who)
        case = view(connection, row, score, with_content=may_see(source, who), decisions=made)
    if source.lane == "specialist" and who.is_specialist:
        with store.write() as connection:
            record(connection, now, "specialist_opened", case_id, who.id)
    return case


def read_report(store: Store, report_id: str, who: Identity) -> ReportAnswer:
    """What became of a report. Raises NotFound."""
    with store.read() as connection:
        kept = connection.execute(
            select(reports.c.case_id, scores.c.score)
            .join(scores, scores.c.score_id == reports.c.score_id)
            .where(reports.c.report_id == report_id)
        ).one_or_none()
        if kept is None:
            raise NotFound("no report has this id", field="report_id")
        case = _own_copy(connection, kept.case_id, who) or get(connection, kept.case_id)
        return ReportAnswer(
            report_id=report_id,
            case_id=case.id,
            status=status_of(case),
            score=None if case.blind and who.role != "intake" else _told_score(case, kept.score),
            decisions=_told_decisions(connection, case, who),
        )


def _own_copy(connection: Connection, case_id: str, who: Identity) -> Row[Any] | None:
    """The copy of a golden case that this caller was given, who is not told that it is one."""
    given = select(claims.c.case_id).where(claims.c.case_id == cases.c.id, claims.c.reviewer == who.id)
    return connection.execute(select(cases).where(cases.c.copy_of == case_id, given.exists()).limit(1)).one_or_none()


def _told_score(case: Row[Any], kept: object) -> Score:
    score = Score.model_validate(kept)
    return with_priority(score, case) if case.copy_of else score


def may_see(case: Row[Any], who: Identity) -> bool:
    """Whether the caller may see a case's content: reviewers may, and of specialist cases only specialists."""
    return who.is_specialist or (who.role in ("reviewer", "qa", "admin") and case.lane != "specialist")


def withheld(connection: Connection, case: Row[Any], who: Identity) -> bool:
    """Whether the decisions on a case are kept from this caller: reviewers see none on a case that waits for another
    opinion, nor on a golden one. QA may ask for the opinions that it decides between.
    """
    if who.role == "intake":
        return False
    if case.status in ("open", "claimed") and (case.stage == SECOND or (case.stage == QA and who.role != "qa")):
        return True
    known = select(golden.c.case_id).where(golden.c.case_id == case.id)
    return who.role in ("reviewer", "specialist") and connection.execute(known).first() is not None


def withdraw_copies(connection: Connection, case_id: str, now: datetime) -> None:
    """Take away the copies of a golden case that are in hand, as reviewers may no longer see it."""
    held = (cases.c.copy_of == case_id) & (cases.c.status == "claimed")
    for claim_id in connection.execute(select(cases.c.claim_id).where(held)).scalars().all():
        end(connection, claim_id, now, "withdrawn")
    connection.execute(update(cases).where(held).values(status="withdrawn", updated_at=now, **NO_CLAIM))


def take_from_others(connection: Connection, case: Row[Any], now: datetime) -> dict[str, Any]:
    """End what others have of a case that goes to the specialists; return the columns that it has from then on."""
    withdraw_copies(connection, case.id, now)
    if case.status != "claimed":
        return {"blind": False}
    end(connection, case.claim_id, now, "withdrawn")
    return {"blind": False, "status": "open", **NO_CLAIM}


def get(connection: Connection, case_id: str) -> Row[Any]:
    """A case's row. Raises NotFound."""
    row = connection.execute(select(cases).where(cases.c.id == case_id)).one_or_none()
    if row is None:
        raise NotFound("no case has this id", field="case_id")
    return row


def view(
    connection: Connection, case: Row[Any], score: Score | None, *, with_content: bool, decisions: list[Decision]
) -> CaseOut:
    """Put a case together around the score to show."""
    return CaseOut(
        id=case.id,
        status=status_of(case),
        content_version=case.content_version,
        content=_content(connection, case) if with_content else None,
        report_count=count_reports(connection, shown(case)),
        reports=_reports(connection, case, with_notes=with_content),
        score=score,
        blind=case.blind,
        appeal=_appeal(connection, case) if with_content else None,
        due_at=case.due_at,
        reopened=case.reopened,
        decisions=decisions,
    )


def status_of(case: Row[Any]) -> Status:
    """What became of a case, as callers are told: what waits for QA is escalated."""
    status: Status = case.status
    return "escalated" if status == "open" and case.stage == QA else status


def _appeal(connection: Connection, case: Row[Any]) -> AppealOut | None:
    """The appeal that a case waits for, or is held for."""
    if case.stage != APPEAL or case.status not in ("open", "claimed"):
        return None
    last = select(appeals).where(appeals.c.case_id == case.id).order_by(appeals.c.created_at.desc()).limit(1)
    return AppealOut.model_validate(connection.execute(last).one(), from_attributes=True)


def shown(case: Row[Any]) -> str:
    """The id of the case whose content and reports a case shows: its own, unless it is a copy of a golden one."""
    return str(case.copy_of or case.id)


def leading_score(connection: Connection, case: Row[Any]) -> Score:
    """The stored score of the case's most severe report, with the priority of the whole case."""
    row = connection.execute(_most_severe(case)).one()
    return with_priority(Score.model_validate(row.score), case)


def leading_report(connection: Connection, case: Row[Any]) -> tuple[Report, datetime]:
    """The case's most severe report, and when it came."""
    row = connection.execute(_most_severe(case)).one()
    return report_of(row.body, row.content), row.received_at


def report_of(body: dict[str, Any], content: dict[str, Any] | None) -> Report:
    """A report from what is kept of it; a store of before has its content in the body."""
    return Report.model_validate({"content": content, **body})


def with_priority(score: Score, case: Row[Any]) -> Score:
    """A score that carries the priority of the whole case."""
    return score.model_copy(update={"priority": Priority.model_validate(case.priority_detail)})


def _most_severe(case: Row[Any]) -> Any:
    return (
        select(reports.c.body, reports.c.content, reports.c.received_at, scores.c.score)
        .join(scores, scores.c.score_id == reports.c.score_id)
        .where(reports.c.case_id == shown(case), reports.c.content_version == case.content_version)
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
        select(contents, cases.c.content_id)
        .join(cases, cases.c.id == contents.c.case_id)
        .where(contents.c.case_id == shown(case), contents.c.version == case.content_version)
    ).one()
    return ContentOut(
        id=row.content_id,
        version=row.version,
        text=row.text,
        url=row.url,
        kind=case.kind,
        language=None if case.language == UNKNOWN_LANGUAGE else case.language,
        context=row.context,
        attachments=row.attachments,
    )


def told_times(connection: Connection, case: Row[Any]) -> Callable[[datetime], datetime]:
    """When to say that a report came, from when it did: nothing else, but for a copy of a golden case. Its first report
    came as long before the copy as it really did before the case, and the others as long after that as they really did,
    or sooner so that none is yet to come.
    """
    if case.copy_of is None:
        return lambda moment: moment
    ends = select(func.min(reports.c.received_at), func.max(reports.c.received_at))
    first, last = connection.execute(ends.where(reports.c.case_id == case.copy_of)).one()
    begins = case.created_at - delay(connection, case.copy_of)
    pace = min(1.0, max(case.updated_at - begins, timedelta(0)) / max(last - first, timedelta(seconds=1)))
    return lambda moment: begins + pace * (moment - first)


def delay(connection: Connection, case_id: str) -> timedelta:
    """How long after its first report came a case was kept."""
    first = select(func.min(reports.c.received_at)).where(reports.c.case_id == case_id).scalar_subquery()
    created, received = connection.execute(select(cases.c.created_at, first).where(cases.c.id == case_id)).one()
    return created - received  # type: ignore[no-any-return]


def _reports(connection: Connection, case: Row[Any], *, with_notes: bool) -> list[ReportOut]:
    told = told_times(connection, case)
    rows = connection.execute(
        select(*ABOUT)
        .where(reports.c.case_id == shown(case))
        .order_by(reports.c.received_at.desc(), reports.c.report_id)
        .limit(MAX_REPORTS)
    )
    return [
        ReportOut(
            report_id=row.report_id,
            content_version=row.content_version,
            received_at=told(row.received_at),
            reason=row.body.get("reason"),
            note=row.body.get("note") if with_notes else None,
            source=row.body.get("source", "user"),
            score_id=row.score_id,
        )
        for row in rows
    ]


def decisions_of(connection: Connection, case_id: str) -> list[Decision]:
    """A case's decisions, oldest first, without second opinions and those that were taken back."""
    told = decisions.c.retracted_at.is_(None) & decisions.c.role.not_in(ASIDE)
    return read_decisions(connection, told & (decisions.c.case_id == case_id))


def _told_decisions(connection: Connection, case: Row[Any], who: Identity) -> list[Decision]:
    """A case's decisions as far as this caller may know them; of a copy of a golden case, as of any other."""
    if withheld(connection, case, who):
        return []
    if case.copy_of is None or who.role == "intake":
        return decisions_of(connection, case.id)
    mine = (decisions.c.case_id == case.id) & decisions.c.retracted_at.is_(None) & (decisions.c.reviewer == who.id)
    return [as_told(decision, who) for decision in read_decisions(connection, mine)]


def as_told(decision: Decision, who: Identity) -> Decision:
    """A decision as whoever made it is told of it: not that it was a test of theirs or of another's."""
    if decision.role not in ASIDE:
        return decision
    return decision.model_copy(update={"role": role_in(FIRST, who.role), "selection_probability": None})


def read_decisions(connection: Connection, condition: Any, limit: int | None = None) -> list[Decision]:
    """The decisions that fit a condition, in order."""
    source = cases.alias("source")
    rows: Sequence[Row[Any]] = connection.execute(
        select(decisions, source.c.content_id)
        .join(cases, cases.c.id == decisions.c.case_id)
        .join(source, source.c.id == func.coalesce(cases.c.copy_of, cases.c.id))
        .where(condition)
        .order_by(decisions.c.seq)
        .limit(limit)
    ).all()
    return [Decision.model_validate(row, from_attributes=True) for row in rows]
