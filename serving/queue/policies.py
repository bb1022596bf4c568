"""The operator's policy: the one in force, what it makes of the cases that wait, and putting another in force."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from models import Score, Scorer
from models.errors import MissingData
from models.policy import SPECIALIST, Policy
from models.priority import of_case
from models.score import Priority
from serving.queue.cases import report_of, take_from_others
from serving.queue.placing import content_of, kept_special, place
from serving.settings import Settings
from serving.store import Store
from serving.store.tables import cases, reports, scores

BATCH = 100  # cases that are placed anew in one transaction
# Those that somebody holds may well come back, and then wait among others. Copies of golden cases never do.
# What tells whether a case holds the same still.
HELD = (cases.c.content_version, cases.c.category, cases.c.severity, cases.c.flagged)
WAITS = cases.c.status.in_(["open", "claimed"]) & cases.c.copy_of.is_(None)


def in_force(settings: Settings) -> Policy:
    """The operator's policy, or the shipped one where there is none. Raises InvalidPolicy."""
    return Policy.read() if stamp(settings) is None else Policy.read(settings.policy_file)


def stamp(settings: Settings) -> tuple[int, int] | None:
    """What changes whenever the operator's policy does; None where there is none."""
    try:
        found = settings.policy_file.stat()
    except FileNotFoundError:
        return None if settings.policy is None else (0, 0)
    except OSError:
        return (0, 0)  # reading it says why
    return found.st_mtime_ns, found.st_size


def put_in_force(settings: Settings, path: Path) -> Policy:
    """Copy a policy file to where the service looks, whole or not at all. Raises InvalidPolicy or MissingData."""
    if not path.is_file():
        raise MissingData(f"there is no file {path}")
    policy, target = Policy.read(path), settings.policy_file
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    partial.write_bytes(path.read_bytes())
    partial.replace(target)
    return policy


@dataclass(frozen=True)
class Move:
    """A waiting case, where it is, where a policy puts it, and the columns that say what it holds: `held` before, and
    `content` after.
    """

    case_id: str
    before: Priority
    after: Priority
    held: tuple[Any, ...]
    content: dict[str, Any]

    @property
    def changes(self) -> bool:
        """Whether anything is different."""
        return self.before != self.after


def moves(store: Store, scorer: Scorer) -> Iterator[list[Move]]:
    """What a scorer and its policy make of the waiting cases, all of them, in batches."""
    last = ""
    while found := _batch(store, scorer, last):
        yield found
        last = found[-1].case_id


def _batch(store: Store, scorer: Scorer, after: str) -> list[Move]:
    columns = (cases.c.id, cases.c.lane, cases.c.priority_detail, cases.c.waits_since, *HELD)
    waiting: Select[Any] = select(*columns).where(WAITS, cases.c.id > after).order_by(cases.c.id).limit(BATCH)
    said = (reports.c.case_id, reports.c.content_version, reports.c.received_at, reports.c.body, reports.c.content)
    told: Select[Any] = select(*said, scores.c.created_at).join(scores, scores.c.score_id == reports.c.score_id)
    told = told.where(reports.c.raises)
    raising: dict[str, list[Row[Any]]] = defaultdict(list)
    with store.read() as connection:
        rows = connection.execute(waiting).all()
        mine = told.where(reports.c.case_id.in_([row.id for row in rows]))
        for report in connection.execute(
            mine.order_by(scores.c.created_at, reports.c.received_at, reports.c.report_id)
        ):
            raising[report.case_id].append(report)
    return [_move(scorer, row, raising[row.id]) for row in rows]


def _move(scorer: Scorer, case: Row[Any], raising: Sequence[Row[Any]]) -> Move:
    """What becomes of a case by the reports that raised it, as intake would place it."""
    before = Priority.model_validate(case.priority_detail)
    earlier: list[Priority] = []
    later: list[Priority] = []
    latest: list[Score] = []  # of what the content says now
    for row in raising:
        found = scorer.score(report_of(row.body, row.content), received_at=row.received_at)
        (later if row.created_at >= case.waits_since else earlier).append(found.priority)
        if row.content_version == case.content_version:
            latest.append(found)
    if earlier:  # it waits for another look, whose clock started with that, and not with the reports of before
        joint = of_case(earlier)
        earlier = [joint.model_copy(update={"due_at": scorer.policy.due(joint.lane, case.waits_since)})]
    after = of_case(earlier + later)
    content = content_of(*latest) if latest else {}
    # Reports that raise nothing named them too.
    content["flagged"] = sorted({*case.flagged, *content.get("flagged", ())})
    return Move(case.id, before, kept_special(case, after, before.due_at), _held(case), content)


def _held(case: Row[Any]) -> tuple[Any, ...]:
    return tuple(getattr(case, column.name) for column in HELD)


def place_anew(store: Store, policy: Policy, found: list[Move]) -> None:
    """Put waiting cases where a policy puts them; those that changed or were decided meanwhile stay where they are."""
    now = datetime.now(UTC)

    def work(connection: Connection) -> None:
        for move in found:
            wanted = select(cases).where(WAITS, cases.c.id == move.case_id)
            row = connection.execute(wanted.with_for_update()).one_or_none()
            same = row is not None and _held(row) == move.held
            if row and same and Priority.model_validate(row.priority_detail) == move.before:
                values = move.content | place(policy, move.after, row.waits_since)
                if move.after.lane == SPECIALIST != row.lane:
                    values |= take_from_others(connection, row, now)
                connection.execute(update(cases).where(cases.c.id == row.id).values(values))

    store.retrying(work)
