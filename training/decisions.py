"""Labels from decisions: what reviewers concluded, the newest opinion on each case, ready to learn from."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, select

from models.report import MAX_TEXT
from serving.queue.stages import ASIDE, QA
from serving.review.decisions import IMPORTED
from serving.store import Store
from serving.store.tables import cases, contents, decisions
from training.corpus import DECISIONS, Example
from training.labels import CLEAN, Labels, complete_labels, yes


class Decided(NamedTuple):
    """A decided text and when it was decided."""

    example: Example
    at: datetime


def read_decisions(store: Store, learned: list[str]) -> list[Decided]:
    """The standing decisions with a text, oldest first.

    Left out: superseded ones, those taken back, second opinions and answers to golden cases, all on cases on which two
    reviewers disagree until QA has decided, outcomes without a verdict, and everything about `specialist` cases or
    categories that are never learnt.
    """
    disputed = (cases.c.stage == QA) & cases.c.status.in_(["open", "claimed"])
    superseded = select(decisions.c.supersedes).where(
        decisions.c.supersedes.is_not(None), decisions.c.retracted_at.is_(None)
    )
    query = (
        select(decisions, contents.c.text)
        .join(cases, cases.c.id == decisions.c.case_id)
        .join(
            contents,
            (contents.c.case_id == decisions.c.case_id) & (contents.c.version == decisions.c.content_version),
        )
        .where(decisions.c.outcome.in_(["violation", "no_violation"]), cases.c.lane != "specialist")
        .where(decisions.c.retracted_at.is_(None), decisions.c.seq.not_in(superseded))
        .where(decisions.c.role.not_in(ASIDE), ~disputed)
        .order_by(decisions.c.created_at, decisions.c.seq)  # imported ones are older than their place says
    )
    found = []
    with store.read() as connection:
        for row in connection.execute(query):
            if not row.text or not set(row.categories) <= set(learned):
                continue
            example = Example(DECISIONS, row.decision_id, row.text[:MAX_TEXT], _labels(row))
            found.append(Decided(example, row.created_at))
    return found


def _labels(row: Row[Any]) -> Labels:
    """Reviewers are asked for every category that holds; what an imported violation was not asked for is unknown."""
    if row.outcome == "no_violation":
        return CLEAN
    return yes(row.severity, *row.categories) if row.role == IMPORTED else complete_labels(row.categories, row.severity)
