"""Brigades: many reports on one case in a burst, nearly all by reporters who are new or seldom right."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from models import Report
from models.policy import Policy
from serving.queue.cases import report_of
from serving.store.tables import reports

MOST_READ = 200  # reports; more of a burst tell no more


def is_unproven(policy: Policy, report: Report) -> bool:
    """Whether a report's reporter is new, or was seldom right; of an unknown one neither is said."""
    reporter = report.reporter
    if reporter.trusted_flagger or report.source != "user":
        return False
    age, known = reporter.account_age_days, policy.brigades
    new = age is not None and age < known.new_account_days
    return new or policy.reporters.weight(reporter.reports_filed, reporter.reports_upheld) < known.least_weight


def is_brigade(connection: Connection, policy: Policy, case_id: str, report: Report, now: datetime) -> bool:
    """Whether an unproven reporter's report is one of a brigade on its case."""
    if not is_unproven(policy, report):
        return False
    since = now - timedelta(hours=policy.brigades.window_hours)
    rows = connection.execute(
        select(reports.c.body)
        .where(reports.c.case_id == case_id, reports.c.received_at > since)
        .order_by(reports.c.received_at.desc())
        .limit(MOST_READ)
    )
    return is_burst(policy, [report, *(report_of(body, {}) for body in rows.scalars())])


def is_burst(policy: Policy, burst: Sequence[Report]) -> bool:
    """Whether the reports that one case got within the window make a brigade."""
    known = policy.brigades
    unproven = sum(is_unproven(policy, each) for each in burst)
    return len(burst) >= known.reports and unproven >= known.share * len(burst)
