"""The first cases of the queue's parts: one seek each in an index, however many cases wait."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    String,
    Text,
    Update,
    and_,
    bindparam,
    cast,
    column,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from models.policy import Policy
from serving.queue.claim_log import KEPT_AWAY
from serving.queue.stages import FIRST
from serving.store.tables import cases, claims, decisions

Cell = tuple[str, Any, str | None, str | None]  # stage, lane, and where they matter category and language


def by_urgency(connection: Connection, policy: Policy, who: str, cells: Sequence[Cell], now: datetime) -> list[Cell]:
    """The cells in which something waits for someone, the one whose first case loses most by waiting first.

    The cells differ in what they name, not in what they leave open.
    """
    if not cells:
        return []
    statement = _heads(connection.dialect.name, *_named(cells[0]))
    rows = connection.execute(statement, {"cells": json.dumps(cells), "who": who})
    found = [(policy.urgency(row.lane, row.rank, now), tuple(row)[:4]) for row in rows if row.rank is not None]
    return [cell for _, cell in sorted(found, key=lambda pair: -pair[0])]


def take(
    connection: Connection, who: str, cell: Cell, claim_id: str, now: datetime, until: datetime
) -> Row[Any] | None:
    """Claim a cell's first case in one statement, so that no two reviewers ever get the same; None if it has none."""
    stage, lane, category, language = cell
    given = {"who": who, "in_stage": stage, "in_lane": lane, "in_category": category, "in_language": language}
    values = {"new_claim": claim_id, "now": now, "until": until}
    return connection.execute(_take(*_named(cell)), {**given, **values}).one_or_none()


def _named(cell: Cell) -> tuple[bool, bool]:
    return cell[2] is not None, cell[3] is not None


def _first(wanted: Sequence[ColumnElement[Any]], picked: str, *named: bool) -> Select[Any]:
    """A column of the first waiting case of a cell, that of these values of its columns, for the reviewer `who`."""
    waiting = cases.alias("waiting")
    columns = [waiting.c.stage, waiting.c.lane, waiting.c.category, waiting.c.language]
    fits = [is_ == value for is_, value, matters in zip(columns, wanted, (True, True, *named), strict=True) if matters]
    # Written out, or the indexes of waiting cases would not be seen to fit.
    is_open = waiting.c.status == literal_column("'open'")
    query = select(waiting.c[picked]).where(is_open, *fits, ~_kept_away(waiting))
    return query.order_by(waiting.c.rank.desc()).limit(1)


def _kept_away(waiting: FromClause) -> ColumnElement[bool]:
    """Whether a case is not for this reviewer: who skipped this version or could not decide it leaves it to others, and
    a second look, of whatever kind, is never that of somebody who decided the case before.
    """
    who: ColumnElement[str] = bindparam("who", type_=String)
    skipped = exists().where(
        claims.c.case_id == waiting.c.id,
        claims.c.reviewer == who,
        # None is of a later version; with an equality PostgreSQL would read all that the reviewer ever claimed.
        claims.c.content_version >= waiting.c.content_version,
        claims.c.ending.in_(KEPT_AWAY),
    )
    undecided = and_(decisions.c.outcome == "cannot_decide", decisions.c.content_version == waiting.c.content_version)
    decided = exists().where(
        decisions.c.case_id == waiting.c.id,
        decisions.c.reviewer == who,
        decisions.c.retracted_at.is_(None),
        or_(waiting.c.stage != FIRST, undecided),
    )
    return or_(skipped, decided)


# Statements are made once: making one takes longer than running it.
@cache
def _heads(dialect: str, *named: bool) -> Select[Any]:
    """The first rank of each of many cells, which come as JSON."""
    given = bindparam("cells", type_=Text)
    if dialect == "postgresql":
        listed = func.jsonb_array_elements(cast(given, JSONB)).table_valued(column("value", JSONB), name="listed")
    else:
        listed = func.json_each(given).table_valued(column("value", JSON), name="listed")
    cell = [listed.c.value[place].as_string() for place in range(4)]
    first = _first(cell, "rank", *named).scalar_subquery()
    stage, lane, category, language = cell
    return select(
        stage.label("stage"),
        lane.label("lane"),
        category.label("category"),
        language.label("language"),
        first.label("rank"),
    )


@cache
def _take(*named: bool) -> Update:
    wanted = [bindparam(name, type_=String) for name in ("in_stage", "in_lane", "in_category", "in_language")]
    # Of those who take at the same time, each gets another; SQLite, which ignores it, has one writer at a time.
    first = _first(wanted, "id", *named).with_for_update(skip_locked=True).scalar_subquery()
    values = {
        cases.c.status: "claimed",
        cases.c.claim_id: bindparam("new_claim", type_=String),
        cases.c.claimed_by: bindparam("who", type_=String),
        cases.c.claimed_at: bindparam("now", type_=cases.c.claimed_at.type),
        cases.c.claim_expires_at: bindparam("until", type_=cases.c.claim_expires_at.type),
        cases.c.fence: cases.c.fence + 1,
        cases.c.updated_at: bindparam("now", type_=cases.c.updated_at.type),
    }
    return update(cases).where(cases.c.id == first).values(values).returning(*_TAKEN)


_TAKEN = (
    cases.c.id,
    cases.c.content_version,
    cases.c.stage,
    cases.c.lane,
    cases.c.severity,
    cases.c.fence,
    cases.c.claim_id,
    cases.c.claimed_by,
    cases.c.claimed_at,
    cases.c.claim_expires_at,
)
