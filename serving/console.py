"""The reviewers' console: server-rendered pages that work without scripts, by keyboard, on any width."""

import hashlib
import hmac
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from serving import decisions, desk, pages, queue
from serving.auth import WORKERS, Identity, authenticate
from serving.errors import ClaimLapsed, ContentChanged, Forbidden, InvalidRequest, Unauthenticated
from serving.http.access import runtime_of
from serving.http.bodies import as_model
from serving.runtime import Runtime
from serving.schemas import ClaimRef, DecisionIn

COOKIE = "frontline_session"
HOME, CASE = "/console", "/console/case"
NOTICES = {
    "empty": "No case waits for you right now.",
    "lapsed": "Your time with that case ran out, so it went back to the queue. Nothing was saved.",
    "changed": "The content or its lane changed while you looked. Please look again.",
    "released": "The case went back to the queue.",
    "signed-out": "You are signed out.",
}

router = APIRouter(prefix=HOME, include_in_schema=False)
In = Annotated[Runtime, Depends(runtime_of)]


def install(app: FastAPI) -> None:
    """Add the console to an application."""
    app.mount(f"{HOME}/static", StaticFiles(directory=Path(__file__).parent / "static"))
    app.include_router(router)
    app.add_api_route("/", _front_door, include_in_schema=False)


def _front_door() -> Response:
    return _go(HOME)


def _session(request: Request, runtime: In) -> Identity:
    identity = authenticate(runtime.store, request.cookies.get(COOKIE, ""))
    if identity.role not in WORKERS:
        raise Forbidden(f"the role {identity.role} reviews no cases; sign in with a reviewer's token")
    return identity


Who = Annotated[Identity, Depends(_session)]


def csrf_of(request: Request) -> str:
    """The proof that a form came from our own page: only a page of this very session can know it."""
    return hmac.new(request.cookies.get(COOKIE, "").encode(), b"csrf.v1", hashlib.sha256).hexdigest()


async def _form(request: Request) -> FormData:
    form = await request.form(max_files=0, max_fields=200)
    given = form.get("csrf")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("the form came from another site")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), csrf_of(request).encode()):
        raise Forbidden("the form is out of date; go back to the start page and try again")
    return form


Form = Annotated[FormData, Depends(_form)]


@router.get("")
def home(request: Request, runtime: In, notice: str = "") -> Response:
    """The start page: what waits, and the button for the next case; or the sign-in page."""
    try:
        who = _session(request, runtime)
    except Unauthenticated:
        return pages.render("signin.html", csrf=csrf_of(request), notice=NOTICES.get(notice, ""))
    now = datetime.now(UTC)
    return pages.render(
        "home.html",
        who=who,
        csrf=csrf_of(request),
        notice=NOTICES.get(notice, ""),
        lanes=queue.overview(runtime.store, now),
        top=queue.top(runtime.store, 10, specialist=who.is_specialist),
        held=queue.held_by(runtime.store, who, now),
        now=now,
    )


@router.post("/sign-in")
def sign_in(request: Request, runtime: In, form: Form) -> Response:
    """Start a session with a token."""
    token = str(form.get("token", "")).strip()
    try:
        authenticate(runtime.store, token)
    except Unauthenticated as error:
        return pages.render("signin.html", error.status, csrf=csrf_of(request), notice=error.message)
    response = _go(HOME)
    response.set_cookie(
        COOKIE, token, path=HOME, httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return response


@router.post("/sign-out")
def sign_out(_form: Form) -> Response:
    """End the session."""
    response = _go(f"{HOME}?notice=signed-out")
    response.delete_cookie(COOKIE, path=HOME, httponly=True, samesite="strict")
    return response


@router.post("/next")
def next_case(runtime: In, who: Who, _form: Form) -> Response:
    """Go on with the case in hand, or claim the next one."""
    return _next(runtime, who)


@router.get("/case")
def case_page(request: Request, runtime: In, who: Who, notice: str = "") -> Response:
    """The case in hand."""
    return _case(request, runtime, who, 200, NOTICES.get(notice, ""), FormData())


@router.post("/decide")
def decide(request: Request, runtime: In, who: Who, form: Form) -> Response:
    """Keep a decision and go to the next case; or show the same case again with what is wrong."""
    given = {
        **{name: form.get(name) for name in ("decision_id", "case_id", "claim_id", "outcome")},
        **{name: _number(form, name) for name in ("token", "content_version", "severity")},
        "categories": form.getlist("category"),
        "note": form.get("note") or None,
    }
    if given["outcome"] is None:
        return _case(request, runtime, who, 422, "Please choose what you conclude.", form)
    try:
        decisions.decide(
            runtime.store, runtime.scorer.bundle.taxonomy, who, as_model(DecisionIn, given), datetime.now(UTC)
        )
    except ClaimLapsed:
        return _go(f"{HOME}?notice=lapsed")
    except ContentChanged:
        return _go(f"{CASE}?notice=changed")
    except InvalidRequest as error:
        return _case(request, runtime, who, error.status, f"Not saved: {error.message}.", form)
    return _next(runtime, who)


@router.post("/release")
def release(runtime: In, who: Who, form: Form) -> Response:
    """Put the case in hand back undecided."""
    held = as_model(ClaimRef, {"claim_id": form.get("claim_id"), "token": _number(form, "token")})
    try:
        queue.release(runtime.store, who, held.claim_id, held.token, now=datetime.now(UTC))
    except ClaimLapsed:
        return _go(f"{HOME}?notice=lapsed")
    return _go(f"{HOME}?notice=released")


def _next(runtime: Runtime, who: Identity) -> Response:
    now = datetime.now(UTC)
    if queue.held_by(runtime.store, who, now) or desk.claim_next(runtime, who, now):
        return _go(CASE)
    return _go(f"{HOME}?notice=empty")


def _case(request: Request, runtime: Runtime, who: Identity, status: int, notice: str, form: FormData) -> Response:
    held = queue.held_by(runtime.store, who, datetime.now(UTC))
    if held is None:
        return _go(HOME)
    answer = desk.show(runtime, held, explain=True)
    return pages.render(
        "case.html",
        status,
        who=who,
        csrf=csrf_of(request),
        notice=notice,
        claim=answer.claim,
        case=answer.case,
        page=pages.CasePage.of(answer.case, runtime.scorer.bundle.taxonomy),
        decision_id=uuid.uuid4().hex,
        form=form,
        now=datetime.now(UTC),
    )


def _number(form: FormData, name: str) -> int | None:
    given = form.get(name)
    return int(given) if isinstance(given, str) and given.isdecimal() and len(given) < 10 else None


def _go(address: str) -> RedirectResponse:
    return RedirectResponse(address, 303)
