"""Labels from decisions: what reviewers concluded, the newest opinion on each case, ready to learn from."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from models.report import MAX_TEXT
from serving.store import Store
from serving.store.tables import cases, contents, decisions
from training.corpus import Example, authored_labels

DECISIONS = "decisions"


class Decided(NamedTuple):
    """A decided text and when it was decided."""

    example: Example
    at: datetime


def read_decisions(store: Store, learned: list[str]) -> list[Decided]:
    """The standing decisions with a text, oldest first.

    Left out: superseded ones, outcomes without a verdict, and everything about `specialist` cases or categories that
    are never learnt.
    """
    query = (
        select(decisions, contents.c.text)
        .join(cases, cases.c.id == decisions.c.case_id)
        .join(
            contents,
            (contents.c.case_id == decisions.c.case_id) & (contents.c.version == decisions.c.content_version),
        )
        .where(decisions.c.outcome.in_(["violation", "no_violation"]), cases.c.lane != "specialist")
        .where(decisions.c.seq.not_in(select(decisions.c.supersedes).where(decisions.c.supersedes.is_not(None))))
        .order_by(decisions.c.created_at, decisions.c.seq)  # imported ones are older than their place says
    )
    found = []
    with store.read() as connection:
        for row in connection.execute(query):
            if not row.text or not set(row.categories) <= set(learned):
                continue
            violation = row.outcome == "violation"
            labels = authored_labels(row.categories if violation else [], (row.severity or 0) if violation else 0)
            found.append(Decided(Example(DECISIONS, row.decision_id, row.text[:MAX_TEXT], labels), row.created_at))
    return found
