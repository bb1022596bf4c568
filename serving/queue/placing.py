"""Where a case goes in the queue, and the columns that say so."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from models import Score, Severity
from models.policy import SPECIALIST, Policy
from models.score import Priority
from serving.store.tables import NO_CATEGORY


def place(policy: Policy, priority: Priority, since: datetime) -> dict[str, Any]:
    """The columns of a case that say where in the queue it has waited since then."""
    return {
        "lane": priority.lane,
        "priority": priority.value,
        "priority_detail": priority.model_dump(mode="json"),
        "rank": policy.rank(priority.lane, priority.value, since),
        "waits_since": since,
        "due_at": priority.due_at,
    }


def content_of(*scores: Score) -> dict[str, Any]:
    """The columns of a case that say what it holds: the category of the report of most harm, and the worst severity and
    all flagged categories of any, of all on what the content says now.
    """
    first = max(scores, key=lambda score: score.priority.value)
    likeliest = first.categories[0] if first.categories else None
    named = likeliest is not None and (likeliest.flagged or likeliest.probability)
    return {
        "category": likeliest.category if likeliest and named else NO_CATEGORY,
        "severity": max((level_of(score) for score in scores if score.severity), default=None),
        "flagged": sorted({each.category for score in scores for each in score.categories if each.flagged}),
    }


def joined(case: Row[Any], score: Score, *, leads: bool) -> dict[str, Any]:
    """These columns after one more report on the same content, which `leads` if it is of most harm."""
    said = content_of(score)
    known = [level for level in (case.severity, said["severity"]) if level is not None]
    return {"category": said["category"] if leads else case.category, "severity": max(known, default=None)}


def special(priority: Priority, due_at: datetime) -> Priority:
    """A priority as the specialists', due by then at the latest."""
    return priority.model_copy(update={"lane": SPECIALIST, "due_at": min(priority.due_at, due_at)})


def kept_special(case: Row[Any], priority: Priority, due_at: datetime) -> Priority:
    """The new priority of a case: one that specialists had goes to nobody else, as its past is shown."""
    return special(priority, due_at) if case.lane == SPECIALIST != priority.lane else priority


def level_of(score: Score) -> int:
    """The severity of a score, 0 to 4; 0 where the model abstains."""
    return int(Severity[score.severity.level.upper()]) if score.severity else 0
