"""The case in hand: claiming it, seeing it, keeping it longer."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request
from sqlalchemy import Connection, Row, select
from starlette.datastructures import FormData
from starlette.responses import Response

from serving import pages
from serving.accounts.auth import Identity
from serving.accounts.people import profile_of
from serving.console import around
from serving.console.frame import page
from serving.console.sight import Agreement, CasePage
from serving.console.web import CASE, HOME, NOTICE, NOTICES, Form, In, Who, go, new_router, number
from serving.errors import ClaimLapsed
from serving.http.bodies import as_model
from serving.quality import notices
from serving.queue import claims, desk
from serving.runtime import Runtime
from serving.schemas import ClaimRef
from serving.store.events import record
from serving.store.tables import cases, events

SKIP_REASONS = [
    "I do not read this language",
    "It is outside what I know",
    "I know somebody in it",
    "It is too hard on me today",
    "Something else",
]
DISMISSED = "hints_dismissed"  # the event of somebody having put the hints away
LETTERS = "abcdefghijklmnopqrstuvwxyz" * 10  # marks in the text and the legend

router = new_router()


@router.post("/next")
def next_case(runtime: In, who: Who, _form: Form) -> Response:
    """Go on with the case in hand, or claim the next one."""
    return go_on(runtime, who)


@router.get("/case")
def case_page(request: Request, runtime: In, who: Who, notice: str = "") -> Response:
    """The case in hand. In the query: `words=shown`, and `fill=hints` for those without scripts."""
    return show(request, runtime, who, 200, NOTICES.get(notice, ""), FormData())


@router.get("/pulse")
def pulse(runtime: In, who: Who, claim: str = "") -> Response:
    """For how long a case is still somebody's, as a part of its page."""
    now = datetime.now(UTC)
    with runtime.store.read() as connection:
        row = _claimed(connection, who, claim, now)
    return _lease(row.claim_id, row.claim_expires_at, now) if row else _lost()


@router.post("/extend")
def extend(request: Request, runtime: In, who: Who, form: Form) -> Response:
    """Keep the case in hand for another lease from now."""
    now, lease = datetime.now(UTC), timedelta(seconds=runtime.settings.lease_seconds)
    held = claim_in(form)
    try:
        claim = claims.extend(runtime.store, who, held.claim_id, held.token, lease=lease, now=now)
    except ClaimLapsed:
        return _lost() if "hx-request" in request.headers else go(f"{HOME}?notice=lapsed")
    return _lease(claim.id, claim.expires_at, now) if "hx-request" in request.headers else go(CASE)


@router.post("/dismiss")
def dismiss(request: Request, runtime: In, who: Who, form: Form) -> Response:
    """Put the hints of the case in hand away, and note it: a decision that follows owes them nothing."""
    now = datetime.now(UTC)
    with runtime.store.write() as connection:
        if row := _claimed(connection, who, str(form.get("claim_id")), now):
            record(connection, now, DISMISSED, row.id, who.id, claim_id=row.claim_id)
    return Response(status_code=204) if "hx-request" in request.headers else go(CASE)


def claim_in(form: FormData) -> ClaimRef:
    """The claim that a form names. Raises InvalidRequest."""
    return as_model(ClaimRef, {"claim_id": form.get("claim_id"), "token": number(form, "token")})


def go_on(runtime: Runtime, who: Identity) -> Response:
    """To the case in hand, or the next one once there is no notice left to read."""
    now = datetime.now(UTC)
    if claims.held_by(runtime.store, who, now):
        return go(CASE)
    if notices.unread(runtime.store, who):
        return go(NOTICE)
    if desk.take_next(runtime, who, now, alone=True):
        return go(CASE)
    return go(f"{HOME}?notice=empty")


def show(request: Request, runtime: Runtime, who: Identity, status: int, notice: str, form: FormData) -> Response:
    """The page of the case in hand, with what was filled in before."""
    now, scorer = datetime.now(UTC), runtime.scorer
    held = claims.held_by(runtime.store, who, now)
    if held is None:
        return go(HOME)
    answer = desk.show(runtime, held, explain=True)
    taxonomy, words_shown = scorer.bundle.taxonomy, request.query_params.get("words") == "shown"
    with runtime.store.read() as connection:
        found = around.read(connection, scorer.policy, taxonomy, who, held.case_id)
        masking, dismissed = profile_of(connection, who).mask_words, _dismissed(connection, held)
    mask = masking and not words_shown
    sight = CasePage.of(answer.case, found, taxonomy, scorer.policy, now, mask=mask)
    if request.query_params.get("fill") == "hints" and sight.agreement and not dismissed and not form:
        form = _filled(sight.agreement)
    return page(
        request,
        runtime,
        who,
        "case.html",
        status,
        notice=notice,
        claim=answer.claim,
        lost=False,
        case=answer.case,
        around=found,
        page=sight,
        letters=LETTERS,
        masking=masking and bool(sight.legend),
        masked=mask,
        dismissed=dismissed,
        skip_reasons=SKIP_REASONS,
        decision_id=uuid.uuid4().hex,
        form=form,
    )


def _filled(agreement: Agreement) -> FormData:
    fields = [("outcome", agreement.outcome), *(("category", key) for key in agreement.categories)]
    return FormData([*fields, ("severity", str(agreement.severity))])


def _dismissed(connection: Connection, claim: claims.Claim) -> bool:
    """Whether the hints of a case were put away under this claim."""
    noted = select(events.c.detail).where(events.c.case_id == claim.case_id, events.c.kind == DISMISSED)
    return any(detail["claim_id"] == claim.id for detail in connection.execute(noted).scalars())


def _claimed(connection: Connection, who: Identity, claim_id: str, now: datetime) -> Row[Any] | None:
    mine = (cases.c.claim_id == claim_id) & (cases.c.claimed_by == who.id) & (cases.c.claim_expires_at > now)
    row: Row[Any] | None = connection.execute(select(cases).where(mine)).one_or_none()
    return row


def _lease(claim_id: str, expires_at: datetime, now: datetime) -> Response:
    return pages.render("lease.html", claim={"id": claim_id, "expires_at": expires_at}, now=now, lost=False)


def _lost() -> Response:
    return pages.render("lease.html", lost=True)
