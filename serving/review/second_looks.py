"""Second looks: another reviewer's opinion on a share of the decided cases, and QA where the two disagree."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Row, select

from models.policy import Policy
from models.score import Priority
from serving.queue.draws import drawn
from serving.queue.placing import place
from serving.queue.stages import APPEAL, ASIDE, FIRST, GOLDEN, QA, SECOND
from serving.store.tables import decisions

VERDICTS = ("violation", "no_violation")
STATUS_AFTER = {"violation": "decided", "no_violation": "decided", "cannot_decide": "open"}
STEPS = 2  # of severity, from which on two opinions differ


class Verdict(Protocol):
    """What was concluded, whoever concluded it."""

    @property
    def outcome(self) -> str:
        """Whether there is a violation."""

    @property
    def categories(self) -> list[str]:
        """Of which categories."""

    @property
    def severity(self) -> int | None:
        """How severe, 0 to 4."""


def agree(one: Verdict | Row[Any], other: Verdict | Row[Any]) -> bool:
    """Whether two opinions are the same in what matters: the outcome, a category in common where it is a violation, and
    severities less than two steps apart where both name one.
    """
    if one.outcome != other.outcome:
        return False
    if one.outcome == "violation" and not set(one.categories) & set(other.categories):
        return False
    return one.severity is None or other.severity is None or abs(one.severity - other.severity) < STEPS


def standing(connection: Connection, case_id: str) -> Row[Any] | None:
    """The decision that stands for a case: the last verdict, or where there is none the last decision; without second
    opinions and those that were taken back.
    """
    return connection.execute(
        select(decisions)
        .where(decisions.c.case_id == case_id, decisions.c.role.not_in(ASIDE), decisions.c.retracted_at.is_(None))
        .order_by(decisions.c.outcome.in_(VERDICTS).desc(), decisions.c.seq.desc())
        .limit(1)
    ).one_or_none()


def is_drawn(policy: Policy, case: Row[Any]) -> bool:
    """Whether another reviewer looks at a case too: a fixed draw from its id, its version, and how often it came back.

    Specialist cases stay with those who have to see them.
    """
    ids = f"double.v1 {case.id} {case.content_version} {case.reopened}"
    return case.lane != "specialist" and drawn(ids) < policy.quality.double_share


def after(policy: Policy, case: Row[Any], first: Row[Any] | None, given: Verdict, now: datetime) -> dict[str, Any]:
    """The columns of a case that say where it goes with a decision; `first` is the one that stood before.

    What two reviewers agree on is closed, and the first decision stands. Where they disagree QA decides, and until then
    the first decision stands as well: the feed shows it, and what QA decides supersedes it. Whoever acts on the feed so
    never waits for a second look, and never acts on an opinion that only raised a doubt. What one escalates is QA's.
    """
    if case.stage == GOLDEN:
        return {"status": "decided"}
    if given.outcome == "escalate":
        return {"status": "open", "stage": case.stage if case.stage == APPEAL else QA}
    if case.stage == FIRST and given.outcome in VERDICTS and is_drawn(policy, case):
        return _on_to(SECOND, policy, case, now)
    if case.stage == SECOND and given.outcome != "cannot_decide":
        if first is not None and agree(first, given):
            return {"status": "decided"}
        return _on_to(QA, policy, case, now)
    return {"status": STATUS_AFTER[given.outcome]}


def _on_to(stage: str, policy: Policy, case: Row[Any], now: datetime) -> dict[str, Any]:
    """Another stage, in the same lane; its clock starts anew, as what was decided is acted on already."""
    priority = Priority.model_validate(case.priority_detail)
    priority = priority.model_copy(update={"due_at": policy.due(case.lane, now)})
    return {"status": "open", "stage": stage} | place(policy, priority, now)


def opinions(connection: Connection, case: Row[Any]) -> Sequence[Row[Any]]:
    """The two opinions that QA decides between, the first one first."""
    rows = connection.execute(
        select(decisions)
        .where(
            decisions.c.case_id == case.id,
            decisions.c.content_version == case.content_version,
            decisions.c.outcome != "cannot_decide",
            decisions.c.retracted_at.is_(None),
        )
        .order_by(decisions.c.seq.desc())
        .limit(2)
    ).all()
    return rows[::-1]
