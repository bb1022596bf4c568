"""Decisions: what a reviewer concluded, kept once, with everything needed to learn from it later."""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from models import Scorer
from models.policy import Policy
from models.taxonomy import Taxonomy
from serving.accounts.auth import Identity
from serving.errors import ClaimLapsed, ContentChanged, DecisionConflict, InvalidRequest
from serving.queue.cases import as_told, read_decisions
from serving.queue.claim_log import NO_CLAIM, end
from serving.queue.claims import held_case
from serving.queue.stages import ASIDE, SECOND, role_in
from serving.review import alike, second_looks
from serving.review.second_looks import VERDICTS, Verdict
from serving.schemas import Decision, DecisionFeed, DecisionIn
from serving.store import Store
from serving.store.events import record
from serving.store.tables import cases, claims, decisions

LOCK = 7_305_002
IMPORTED = "import"  # the role of decisions that were made elsewhere
Clock = Callable[[], datetime]


def decide(
    store: Store,
    scorer: Scorer,
    who: Identity,
    given: DecisionIn,
    now: datetime,
    *,
    undo: timedelta = timedelta(0),
    also: Sequence[str] = (),
) -> Decision:
    """Keep a decision on a claimed case and end the claim; whoever made it may take it back while `undo` lasts.

    `also` are ids of near duplicates that are decided along with it, all marked as bulk; those that no longer wait are
    left alone. The same decision again gives the same answer. Raises DecisionConflict, ClaimLapsed, ContentChanged or
    InvalidRequest.
    """
    check(given, scorer.bundle.taxonomy)
    said = " ".join([who.id, given.model_dump_json(), *sorted(also)])
    body_hash = hashlib.sha256(said.encode()).hexdigest()

    def work(connection: Connection) -> Decision:
        # The case first: whoever waits for a batch of reports to let go of it shall not keep all others waiting.
        connection.execute(select(cases.c.id).where(cases.c.id == given.case_id).with_for_update()).all()
        # One at a time, so that `seq` grows in the order of commits and a reader of the feed misses none.
        store.serialise(connection, LOCK)
        known = connection.execute(
            select(decisions.c.seq, decisions.c.body_hash).where(decisions.c.decision_id == given.decision_id)
        ).one_or_none()
        if known is None:
            values = {"body_hash": body_hash, "created_at": now, "final_at": now + undo}
            seq = _decide(connection, scorer.policy, who, given, values, also)
        elif known.body_hash == body_hash:
            seq = known.seq
        else:
            message = "this decision_id was used for another decision; send this one under a new decision_id"
            raise DecisionConflict(message, field="decision_id")
        return as_told(read_decisions(connection, decisions.c.seq == seq)[0], who)

    return store.retrying(work)


def feed(store: Store, after: int, limit: int, clock: Clock) -> DecisionFeed:
    """The decisions after a cursor, in order: what stands for each case, or stood until a later one superseded it.

    So without second opinions and answers to golden cases, and without imported ones: those were acted on long ago.
    It ends before the first that may still be taken back, so that whoever follows the cursor misses none.
    """
    mine = (decisions.c.seq > after) & decisions.c.role.not_in((IMPORTED, *ASIDE))
    state = select(decisions.c.seq, decisions.c.final_at, decisions.c.retracted_at).where(mine)
    with store.write() as connection:  # whoever takes a decision back before this moment is seen to have done so
        store.serialise(connection, LOCK)
        now = clock()
    with store.read() as connection:
        settled = []
        for row in connection.execute(state.order_by(decisions.c.seq).limit(limit)):
            if row.retracted_at is None and row.final_at is not None and row.final_at > now:
                break
            settled.append(row)
        last = settled[-1].seq if settled else after
        found = read_decisions(connection, mine & (decisions.c.seq <= last) & decisions.c.retracted_at.is_(None))
    return DecisionFeed(decisions=found, next=last)


def check(given: Verdict, taxonomy: Taxonomy) -> None:
    """Whether outcome, categories and severity fit together and the taxonomy. Raises InvalidRequest."""
    for category in given.categories:
        if category not in taxonomy.keys:
            known = ", ".join(taxonomy.keys)
            raise InvalidRequest(f"categories holds one that is not in the taxonomy: {known}", field="categories")
    if given.outcome == "violation" and not given.categories:
        raise InvalidRequest("a violation needs at least one category", field="categories")
    if given.outcome == "no_violation" and (given.categories or given.severity):
        raise InvalidRequest("no_violation goes with no categories and severity 0 or null", field="outcome")


def _decide(
    connection: Connection,
    policy: Policy,
    who: Identity,
    given: DecisionIn,
    values: dict[str, Any],
    also: Sequence[str],
) -> int:
    """Decide the case in hand and its near duplicates; return the decision's number."""
    now = values["created_at"]
    case = held_case(connection, who, given.claim_id, given.token, now)
    if case.id != given.case_id:
        raise ClaimLapsed("the claim is on another case; claim the next case", field="case_id")
    if case.content_version != given.content_version:
        message = "the content changed since; look at the case again and decide on its current version"
        raise ContentChanged(message, field="content_version")
    shown = {
        "blind": case.blind,
        "bundle": None if case.blind else _bundle_shown(connection, case),
        "bulk": bool(also),
        "policy_version": policy.version,
        "reviewer": who.id,
        "role": role_in(case.stage, who.role),
    }
    values = {**given.model_dump(exclude={"token"}), **shown, **values}
    seconds = (now - case.claimed_at).total_seconds()
    seq = _insert(connection, policy, case, given, {**values, "seconds_spent": seconds})
    for other in alike.waiting(connection, case, also) if also else []:
        decision_id = f"{uuid.uuid5(uuid.NAMESPACE_OID, given.decision_id).hex}-{other.id}"
        mine = {"case_id": other.id, "content_version": other.content_version, "decision_id": decision_id}
        _insert(connection, policy, other, given, {**values, **mine})
    return seq


def _insert(connection: Connection, policy: Policy, case: Row[Any], given: DecisionIn, values: dict[str, Any]) -> int:
    """Keep one decision, end its case's claim and send the case on; return the decision's number."""
    before = second_looks.standing(connection, case.id)
    # What is kept aside replaces nothing, nor does what leaves a verdict as it was: the one before goes on to stand.
    settles = given.outcome in VERDICTS or (before is not None and before.outcome not in VERDICTS)
    supersedes = before.seq if before and settles and case.stage not in ASIDE else None
    values = {"seconds_spent": None, **values, "supersedes": supersedes}
    if case.stage == SECOND:
        values["selection_probability"] = policy.quality.double_share or None
    seq = connection.execute(insert(decisions).values(values).returning(decisions.c.seq)).scalar_one()
    now, outcome = values["created_at"], values["outcome"]
    after = second_looks.after(policy, case, before, given, now) | {"updated_at": now, **NO_CLAIM}
    connection.execute(update(cases).where(cases.c.id == case.id).values(after))
    if case.claim_id is not None:
        end(connection, case.claim_id, now, "decided")
    detail = {"decision_id": values["decision_id"], "outcome": outcome}
    if values["final_at"] > now:
        detail["before"] = _place(case)
    record(connection, now, "decided", case.id, values["reviewer"], **detail)
    return int(seq)


def _place(case: Row[Any]) -> dict[str, Any]:
    """Where a case is in the queue, as an event keeps it: it goes back there if the decision is taken back."""
    place = {name: getattr(case, name) for name in ("stage", "rank", "priority_detail")}
    times = {name: getattr(case, name) for name in ("waits_since", "due_at")}
    return place | {name: moment and moment.isoformat() for name, moment in times.items()}


def _bundle_shown(connection: Connection, case: Row[Any]) -> str | None:
    """The bundle whose hints were shown when the case was claimed."""
    return connection.execute(select(claims.c.bundle).where(claims.c.id == case.claim_id)).scalar_one_or_none()
