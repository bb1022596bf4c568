"""What can be done with the case in hand: decide it, alone or with its near duplicates, undo that, or give it up."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request
from sqlalchemy import Row, select
from starlette.datastructures import FormData
from starlette.responses import Response

from serving.accounts.auth import Identity
from serving.console.case import claim_in, go_on, show
from serving.console.frame import page
from serving.console.sight import Agreement, why_hidden
from serving.console.web import CASE, HOME, Form, In, Who, go, new_router, number
from serving.errors import ClaimLapsed, ContentChanged, DecisionConflict, DecisionFinal, InvalidRequest
from serving.http.bodies import as_model
from serving.inert import inert
from serving.queue import cases, claims, desk
from serving.review import alike, decisions
from serving.review import undo as undo_of
from serving.runtime import Runtime
from serving.schemas import DecisionIn
from serving.store.tables import contents

UNDO = timedelta(seconds=10)  # within which a decision may be taken back
SHOWN = 200  # characters of what stands before a near duplicate

router = new_router()


@router.post("/decide")
def decide(request: Request, runtime: In, who: Who, form: Form) -> Response:
    """Keep a decision and go to the next case; or show the same case again with what is wrong."""
    given: dict[str, Any] = {
        **{name: form.get(name) for name in ("decision_id", "case_id", "claim_id", "outcome")},
        **{name: number(form, name) for name in ("token", "content_version", "severity")},
        "categories": form.getlist("category"),
        "note": form.get("note") or None,
    }
    if "agree" in form:
        given |= Agreement.parse(str(form["agree"]))
    if given["outcome"] is None:
        return _again(request, runtime, who, 422, "Please choose what you conclude.", form)
    also = [str(case_id) for case_id in form.getlist("also")][: alike.MOST]
    now = datetime.now(UTC)
    try:
        decision = as_model(DecisionIn, given)
        decisions.decide(runtime.store, runtime.scorer, who, decision, now, undo=UNDO, also=also)
    except ClaimLapsed:
        return go(f"{HOME}?notice=lapsed")
    except ContentChanged:
        return go(f"{CASE}?notice=changed")
    except DecisionConflict:  # the form was changed and sent again before the answer came
        return go(f"{HOME}?notice=twice")
    except InvalidRequest as error:
        return _again(request, runtime, who, error.status, f"Not saved: {error.message}.", form)
    return go_on(runtime, who)


@router.post("/undo")
def undo(runtime: In, who: Who, form: Form) -> Response:
    """Take the last decision back and see its case again."""
    lease = timedelta(seconds=runtime.settings.lease_seconds)
    try:
        held = undo_of.retract(runtime.store, who, str(form.get("decision_id")), lambda: datetime.now(UTC), lease=lease)
    except DecisionFinal:
        holding = claims.held_by(runtime.store, who, datetime.now(UTC))
        return go(f"{CASE if holding else HOME}?notice=final")
    return go(f"{CASE}?notice=undone" if held else f"{HOME}?notice=withdrawn")


@router.get("/alike")
def alike_page(request: Request, runtime: In, who: Who) -> Response:
    """The open cases with the same text as the case in hand, to be decided along with it."""
    return _alike(request, runtime, who, 200, "", FormData())


@router.post("/release")
def release(runtime: In, who: Who, form: Form) -> Response:
    """Put the case in hand back undecided."""
    held = claim_in(form)
    try:
        claims.release(runtime.store, who, held.claim_id, held.token, now=datetime.now(UTC))
    except ClaimLapsed:
        return go(f"{HOME}?notice=lapsed")
    return go(f"{HOME}?notice=released")


@router.post("/skip")
def skip(runtime: In, who: Who, form: Form) -> Response:
    """Leave the case in hand to somebody else, and go to the next one."""
    held = claim_in(form)
    try:
        claims.skip(runtime.store, who, held.claim_id, held.token, _reason(form), datetime.now(UTC))
    except ClaimLapsed:
        return go(f"{HOME}?notice=lapsed")
    return go_on(runtime, who)


@router.post("/transfer")
def transfer(runtime: In, who: Who, form: Form) -> Response:
    """Give the case in hand to the specialists, and go to the next one."""
    held, policy = claim_in(form), runtime.scorer.policy
    try:
        claims.transfer(runtime.store, policy, who, held.claim_id, held.token, _reason(form), datetime.now(UTC))
    except ClaimLapsed:
        return go(f"{HOME}?notice=lapsed")
    return go_on(runtime, who)


def _reason(form: FormData) -> str:
    return str(form.get("reason", ""))[:200]


def _again(request: Request, runtime: Runtime, who: Identity, status: int, notice: str, form: FormData) -> Response:
    """The page that a decision came from, with what is wrong with it; the form is of no other case than that page."""
    held = claims.held_by(runtime.store, who, datetime.now(UTC))
    if held is None or held.id != form.get("claim_id"):
        return go(f"{HOME}?notice=lapsed")
    return (_alike if "also" in form else show)(request, runtime, who, status, notice, form)


def _alike(request: Request, runtime: Runtime, who: Identity, status: int, notice: str, form: FormData) -> Response:
    held = claims.held_by(runtime.store, who, datetime.now(UTC))
    if held is None:
        return go(HOME)
    answer = desk.show(runtime, held, explain=False)
    with runtime.store.read() as connection:
        row = cases.get(connection, held.case_id)
        others = [{"row": other, "before": _before(connection, other)} for other in alike.waiting(connection, row)]
    if not others:
        return go(CASE)
    return page(
        request,
        runtime,
        who,
        "alike.html",
        status,
        notice=notice,
        claim=answer.claim,
        lost=False,
        case=answer.case,
        held=row,
        others=others,
        hidden=why_hidden(answer.case, runtime.scorer.policy),
        categories=runtime.scorer.bundle.taxonomy.visible,
        decision_id=uuid.uuid4().hex,
        form=form,
    )


def _before(connection: Any, case: Row[Any]) -> str:
    """The beginning of what stands right before a case's text, as the same words may mean something else there."""
    current = (contents.c.case_id == case.id) & (contents.c.version == case.content_version)
    context = connection.execute(select(contents.c.context).where(current)).scalar_one()
    return inert(context[-1]["text"][:SHOWN]) if context else ""
