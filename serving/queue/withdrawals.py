"""Withdrawals: the content of a case is gone, so that nobody needs to look at it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from serving.accounts.auth import Identity
from serving.errors import NotFound
from serving.queue import cases as reading
from serving.queue.claim_log import NO_CLAIM, end
from serving.queue.stages import APPEAL, QA, SECOND
from serving.review import second_looks
from serving.schemas import CaseOut
from serving.store import Store
from serving.store.events import record
from serving.store.tables import cases


def withdraw(store: Store, who: Identity, case_id: str, now: datetime) -> CaseOut:
    """Take a case out of the queue, from whoever holds it too; what was decided about it stays. Raises NotFound.

    An appeal goes on: the subject objects to a decision, whatever became of the content.
    """

    def work(connection: Connection) -> None:
        row = connection.execute(select(cases).where(cases.c.id == case_id).with_for_update()).one_or_none()
        if row is None:
            raise NotFound("no case has this id", field="case_id")
        reading.withdraw_copies(connection, case_id, now)
        if row.status == "withdrawn" or (row.stage == APPEAL and row.status != "decided"):
            return
        record(connection, now, "withdrawn", case_id, who.id)
        if row.status == "decided":  # undoing that finds the event
            return
        if row.claim_id is not None:
            end(connection, row.claim_id, now, "withdrawn")
        values = {"status": status_without(connection, row, row.stage), "updated_at": now, **NO_CLAIM}
        connection.execute(update(cases).where(cases.c.id == case_id).values(values))

    store.retrying(work)
    return reading.read_case(store, case_id, who, now)


def status_without(connection: Connection, case: Row[Any], stage: str) -> str:
    """What becomes of a case without its content: one that only waits for another opinion on it is decided already."""
    stands = second_looks.standing(connection, case.id) if stage in (SECOND, QA) else None
    if stands is None or stands.outcome not in second_looks.VERDICTS:
        return "withdrawn"
    return "decided" if stands.content_version == case.content_version else "withdrawn"
