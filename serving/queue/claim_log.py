"""The history of claims: a row for each, with how it ended; and what a case has that is under none."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, bindparam, func, insert, update

from models.policy import SPECIALIST
from serving.store.events import record
from serving.store.tables import claims

Ending = Literal["decided", "released", "skipped", "transferred", "lapsed", "withdrawn"]
KEPT_AWAY: tuple[Ending, ...] = ("skipped", "transferred")  # after these the version does not come to them again
NO_CLAIM: dict[str, None] = {"claim_id": None, "claimed_by": None, "claimed_at": None, "claim_expires_at": None}
_END = (
    update(claims)
    .where(claims.c.id == bindparam("ended"), claims.c.ended_at.is_(None))
    .values(
        ended_at=bindparam("now", type_=claims.c.ended_at.type),
        ending=bindparam("how", type_=claims.c.ending.type),
        reason=bindparam("why", type_=claims.c.reason.type),
        content_version=func.coalesce(
            bindparam("version", type_=claims.c.content_version.type), claims.c.content_version
        ),
    )
)


def begin(connection: Connection, case: Row[Any], bundle: str | None) -> None:
    """Write down a claim that was just made; `case` is the claimed row, `bundle` the model whose hints are shown."""
    entry = {"id": case.claim_id, "case_id": case.id, "reviewer": case.claimed_by, "claimed_at": case.claimed_at}
    entry |= {name: getattr(case, name) for name in ("content_version", "stage", "lane", "severity")}
    connection.execute(insert(claims), {**entry, "bundle": bundle})
    if case.lane == SPECIALIST:  # whoever opens one of these is on record
        record(connection, case.claimed_at, "specialist_opened", case.id, case.claimed_by, claim_id=case.claim_id)


def end(
    connection: Connection,
    claim_id: str,
    now: datetime,
    ending: Ending,
    reason: str | None = None,
    version: int | None = None,
) -> None:
    """Write down how a claim ended, and on which version of the content where that changed since it began; one that has
    ended stays as it is.
    """
    connection.execute(_END, {"ended": claim_id, "now": now, "how": ending, "why": reason, "version": version})


def lapse(connection: Connection, held: Sequence[Row[Any]]) -> None:
    """Write down that the leases of some cases ran out."""
    gone = {"how": "lapsed", "why": None, "version": None}
    connection.execute(_END, [{"ended": row.claim_id, "now": row.claim_expires_at, **gone} for row in held])
