"""Appeals: the subject objects to a decision, and somebody else than whoever made it looks again."""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from models.policy import Policy
from models.score import Priority
from serving.accounts.auth import Identity
from serving.errors import AppealConflict, NotAppealable, NotFound
from serving.queue.placing import place
from serving.queue.stages import APPEAL, ASIDE, SECOND
from serving.review import second_looks
from serving.review.decisions import IMPORTED
from serving.schemas import AppealIn, AppealOut
from serving.store import Store
from serving.store.events import record
from serving.store.tables import appeals, cases, decisions


def appeal(store: Store, policy: Policy, who: Identity, given: AppealIn, now: datetime) -> AppealOut:
    """Send the case of a decision to stage appeal; its clock starts anew. The same appeal again: the same answer.

    Raises AppealConflict, NotFound, or NotAppealable where the decision no longer stands or the case is open.
    """
    body_hash = hashlib.sha256(given.model_dump_json().encode()).hexdigest()

    def work(connection: Connection) -> AppealOut:
        # Under the lock of its case, so that of the same appeal twice at once the later one finds the first.
        decided = select(decisions.c.case_id).where(decisions.c.decision_id == given.decision_id)
        connection.execute(select(cases.c.id).where(cases.c.id.in_(decided)).with_for_update()).all()
        known = connection.execute(select(appeals).where(appeals.c.appeal_id == given.appeal_id)).one_or_none()
        if known is None:
            return _open(connection, policy, who, given, body_hash, now)
        if known.body_hash != body_hash:
            message = "this appeal_id was used for another appeal; send this one under a new appeal_id"
            raise AppealConflict(message, field="appeal_id")
        return AppealOut.model_validate(known, from_attributes=True)

    return store.retrying(work)


def _open(
    connection: Connection, policy: Policy, who: Identity, given: AppealIn, body_hash: str, now: datetime
) -> AppealOut:
    case = _appealable(connection, given)
    priority = Priority.model_validate(case.priority_detail)
    where = place(policy, priority.model_copy(update={"due_at": policy.due(case.lane, now)}), now)
    after = {"status": "open", "stage": APPEAL, "updated_at": now, **where}
    connection.execute(update(cases).where(cases.c.id == case.id).values(after))
    values = {**given.model_dump(), "body_hash": body_hash, "case_id": case.id, "created_at": now}
    connection.execute(insert(appeals), values)
    record(connection, now, "appealed", case.id, who.id, appeal_id=given.appeal_id, decision_id=given.decision_id)
    return AppealOut.model_validate(values)


def _appealable(connection: Connection, given: AppealIn) -> Row[Any]:
    """The case of the decision that is appealed, if that stands. Raises NotFound or NotAppealable."""
    wanted = (decisions.c.decision_id == given.decision_id, decisions.c.retracted_at.is_(None))
    appealed = connection.execute(select(decisions).where(*wanted, decisions.c.role.not_in(ASIDE))).one_or_none()
    if appealed is None:
        raise NotFound("no decision has this id", field="decision_id")
    case = connection.execute(select(cases).where(cases.c.id == appealed.case_id)).one()
    if appealed.role == IMPORTED:
        raise NotAppealable("the decision was imported, so that there is no report to look at", field="decision_id")
    stands = second_looks.standing(connection, case.id)
    if stands is None or stands.seq != appealed.seq:
        raise NotAppealable("another decision has taken its place since; appeal that one", field="decision_id")
    # While it waits for a second opinion the decision stands as well.
    if case.status != "decided" and not (case.status == "open" and case.stage == SECOND):
        raise NotAppealable("somebody will look at the case anyhow, as it is open; appeal the outcome, if need be")
    return case
