"""What surrounds a case: the reports on it, whom it is by, how far it has spread, and why it waits where it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from models import Report
from models.policy import SPECIALIST, Policy
from models.report import Reporter, Subject
from models.taxonomy import Category, Taxonomy
from serving.accounts.auth import Identity
from serving.inert import brief
from serving.pages import plain
from serving.queue.brigades import is_unproven
from serving.queue.cases import ABOUT, MAX_REPORTS, get, report_of, shown, told_times
from serving.queue.stages import ASIDE, GOLDEN, QA, SECOND
from serving.review import alike, second_looks
from serving.review.second_looks import VERDICTS
from serving.store.tables import cases, decisions, reports

OWN_LOOK = (SECOND, QA, GOLDEN)  # at these stages a page does not say what others concluded
OTHERS = 10  # further cases of the same subject that a page lists


@dataclass(frozen=True)
class Complaint:
    """One report: why, in whose words, and what is known of whoever sent it."""

    reason: str
    note: str
    source: str
    received_at: datetime
    version: int
    reporter: list[str]
    unproven: bool


@dataclass(frozen=True)
class Around:
    """Everything around a case that holds whether or not its hints are shown."""

    row: Row[Any]
    complaints: list[Complaint]
    subject: list[str]
    subject_cases: Sequence[Row[Any]]
    subject_verdicts: tuple[int, int]  # violations, of so many verdicts here
    exposure: list[str]
    reasons: list[Category]  # the categories that its reporters named
    waiting_alike: int
    precedents: list[alike.Precedent]
    why_qa: str  # as why_qa says; empty if it is not QA's


def read(connection: Connection, policy: Policy, taxonomy: Taxonomy, who: Identity, case_id: str) -> Around:
    """What surrounds a case that this reviewer holds. Raises NotFound."""
    row = get(connection, case_id)
    found = [
        (report_of(entry.body, {}), entry)
        for entry in connection.execute(
            select(*ABOUT)
            .where(reports.c.case_id == shown(row))
            .order_by(reports.c.received_at.desc(), reports.c.report_id)
            .limit(MAX_REPORTS)
        )
    ]
    told, subject_id = told_times(connection, row), get(connection, shown(row)).subject_id
    named = (taxonomy.of_reason(report.reason) for report, _ in found)
    return Around(
        row=row,
        complaints=[
            _complaint(policy, report, entry.content_version, told(entry.received_at)) for report, entry in found
        ],
        subject=next((facts for report, _ in found if (facts := subject_facts(report.subject))), []),
        subject_cases=_others(connection, row, subject_id, who),
        subject_verdicts=_verdicts(connection, row, subject_id),
        exposure=next((facts for report, _ in found if (facts := _exposure(report))), []),
        reasons=list({category.key: category for category in named if category}.values()),
        waiting_alike=len(alike.waiting(connection, row)),
        # A look of one's own: what others found is not shown.
        precedents=[] if row.stage in OWN_LOOK else alike.decided(connection, row),
        why_qa=why_qa(second_looks.opinions(connection, row)) if row.stage == QA else "",
    )


def why_qa(opinions: Sequence[Row[Any]]) -> str:
    """Why a case is QA's to decide, in words, from the opinions on it."""
    if len(opinions) == 2 and opinions[1].role == SECOND and opinions[1].outcome != "escalate":
        return "Two reviewers disagree here."
    return "It was escalated."


def _complaint(policy: Policy, report: Report, version: int, received_at: datetime) -> Complaint:
    return Complaint(
        reason=plain(report.reason) or "No reason given",
        note=brief(report.note or ""),
        source="" if report.source == "user" else plain(report.source),
        received_at=received_at,
        version=version,
        reporter=reporter_facts(report.reporter),
        unproven=is_unproven(policy, report),
    )


def reporter_facts(reporter: Reporter) -> list[str]:
    """What a report says of whoever sent it."""
    filed, upheld = reporter.reports_filed, reporter.reports_upheld
    return [
        *(["trusted flagger"] if reporter.trusted_flagger else []),
        *(["its target"] if reporter.is_target else []),
        *_age(reporter.account_age_days),
        *([f"{upheld:,} of {filed:,} reports upheld"] if filed and upheld is not None else []),
    ]


def subject_facts(subject: Subject) -> list[str]:
    """What a report says of whoever made the content."""
    prior, followers = subject.prior_violations, subject.followers
    return [
        *_age(subject.account_age_days),
        *([f"{prior:,} earlier violation{'' if prior == 1 else 's'}"] if prior is not None else []),
        *([f"{followers:,} follower{'' if followers == 1 else 's'}"] if followers is not None else []),
    ]


def _age(days: float | None) -> list[str]:
    if days is None:
        return []
    return [f"account {days / 365:.0f} years old" if days >= 730 else f"account {days:.0f} days old"]


def _exposure(report: Report) -> list[str]:
    known = report.exposure
    return [
        *([f"{known.views:,} views so far"] if known.views is not None else []),
        *([f"{known.views_per_hour:,.0f} an hour now"] if known.views_per_hour is not None else []),
        *([f"reported by {known.distinct_reporters:,}"] if known.distinct_reporters is not None else []),
    ]


def _others(connection: Connection, row: Row[Any], subject_id: str | None, who: Identity) -> Sequence[Row[Any]]:
    """The subject's other cases that wait, the most urgent first, as far as this reviewer may open them."""
    if subject_id is None:
        return []
    query = select(cases).where(_elsewhere(row, subject_id), cases.c.status.in_(("open", "claimed")))
    if not who.is_specialist:
        query = query.where(cases.c.lane != SPECIALIST)
    return connection.execute(query.order_by(cases.c.due_at).limit(OTHERS)).all()


def _elsewhere(row: Row[Any], subject_id: str) -> ColumnElement[bool]:
    """A subject's cases but for the one that is shown, be it as itself or as a golden copy."""
    return (cases.c.subject_id == subject_id) & cases.c.id.not_in((row.id, shown(row)))


def _verdicts(connection: Connection, row: Row[Any], subject_id: str | None) -> tuple[int, int]:
    """How many of the last verdicts here on the subject's other cases found a violation, and of how many."""
    if subject_id is None:
        return 0, 0
    outcomes = (
        connection.execute(
            select(decisions.c.outcome)
            .join(cases, cases.c.id == decisions.c.case_id)
            .where(_elsewhere(row, subject_id), cases.c.lane != SPECIALIST)
            .where(decisions.c.outcome.in_(VERDICTS), decisions.c.retracted_at.is_(None))
            .where(decisions.c.role.not_in(ASIDE))
            .limit(MAX_REPORTS)
        )
        .scalars()
        .all()
    )
    return outcomes.count("violation"), len(outcomes)
