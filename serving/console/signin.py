"""Signing in to the console and out of it, with a password or at the sign-on provider."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response

from models import FrontlineError
from serving import pages
from serving.accounts import people, sessions
from serving.accounts.auth import Identity
from serving.console import frame
from serving.console.web import COOKIE, HOME, Form, In, Who, csrf_of, form_under, go, new_router
from serving.errors import InvalidRequest, NotFound, Overloaded, TooManyTries, Unauthenticated
from serving.http.headers import headers_of
from serving.logs import log
from serving.runtime import Runtime

ATTEMPT, ATTEMPT_SECONDS = "frontline_sign_on", 600
PROVIDER = "/sign-in/provider"
# Proves the form to sign in. Lax, as the session's strict cookie may be missing when the page comes and there when the
# form does: after a link on another site.
FORM = "frontline_form"
# Threads of their own: hashing a password takes 64 MiB and some cores, and a provider may keep us waiting. What others
# ask for shall wait for neither.
HASHING = ThreadPoolExecutor(1, "password")
ELSEWHERE = ThreadPoolExecutor(2, "sign-on")
MOST_ELSEWHERE = 16  # that wait for the provider at once, as nobody need be signed in to have it asked

SignInForm = Annotated[FormData, Depends(form_under(FORM))]
T = TypeVar("T")
router = new_router()


def page(
    request: Request, runtime: Runtime, error: FrontlineError | None = None, *, notice: str = "", name: str = ""
) -> Response:
    """The page to sign in on, with why someone is not signed in, if they could think that they are."""
    if error is not None:
        notice = _sentence(error)
    elif not notice and COOKIE in request.cookies:
        notice = "Your session has ended, so please sign in again."
    secret = request.cookies.get(FORM) or secrets.token_urlsafe(32)
    response = pages.render(
        "signin.html",
        error.status if error else 200,
        csrf=csrf_of(secret),
        notice=notice,
        name=name,
        provider=runtime.provider is not None,
    )
    if FORM not in request.cookies:
        response.set_cookie(FORM, secret, path=HOME, httponly=True, samesite="lax", secure=_is_https(request))
    return _with_headers(response, error)


@router.post("/sign-in")
async def sign_in(request: Request, runtime: In, form: SignInForm) -> Response:
    """Start a session with name and password."""
    name, password = (str(form.get(field, "")) for field in ("name", "password"))
    limits, before = sessions.Limits.of(runtime.settings), request.cookies.get(COOKIE, "")
    begin = partial(sessions.sign_in, runtime.store, limits, name, password, _address(request), _now(), before)
    try:
        token = await _apart(HASHING, begin)
    except (Unauthenticated, TooManyTries) as error:
        log.warning("sign_in_refused", reason=error.code)
        return page(request, runtime, error, name=name)
    return _keep(request, go(HOME), token)


@router.get(PROVIDER)
async def to_provider(request: Request, runtime: In) -> Response:
    """Send someone to the sign-on provider."""
    provider = runtime.provider
    if provider is None:
        raise NotFound("no sign-on provider is set up; sign in with a password")
    attempt = provider.attempt()
    response = go(await _elsewhere(partial(provider.address, attempt, _back(request))))
    response.set_cookie(
        ATTEMPT,
        attempt.secret,
        ATTEMPT_SECONDS,
        path=f"{HOME}{PROVIDER}",
        httponly=True,
        samesite="lax",  # as the provider sends the browser back from another site
        secure=_is_https(request),
    )
    return response


@router.get(f"{PROVIDER}/back")
async def from_provider(request: Request, runtime: In) -> Response:
    """Start a session for whoever comes back from the sign-on provider."""
    try:
        token = await _elsewhere(partial(_signed_on, request, runtime))
    except FrontlineError as error:
        response = page(request, runtime, error)
    else:
        # No redirect: browsers count one to the provider's site, and would hold back the session's strict cookie.
        response = _keep(request, pages.render("arrived.html"), token)
        response.headers["Refresh"] = f"0; url={HOME}"
    response.delete_cookie(ATTEMPT, path=f"{HOME}{PROVIDER}", httponly=True, samesite="lax")
    return response


@router.post("/sign-out")
def sign_out(request: Request, runtime: In, _form: Form) -> Response:
    """End the session."""
    sessions.end(runtime.store, request.cookies.get(COOKIE, ""))
    response = go(f"{HOME}?notice=signed-out")
    response.delete_cookie(COOKIE, path=HOME, httponly=True, samesite="strict")
    return response


@router.get("/password")
def password_page(request: Request, runtime: In, who: Who) -> Response:
    """The page to choose another password on."""
    return _password(request, runtime, who)


@router.post("/password")
async def change_password(request: Request, runtime: In, who: Who, form: Form) -> Response:
    """Change one's own password, which ends all one's sessions but the one that follows."""
    old, new = (str(form.get(field, "")) for field in ("password", "new"))
    limits = sessions.Limits.of(runtime.settings)
    change = partial(sessions.change_password, runtime.store, limits, who, old, new, _address(request), _now())
    try:
        token = await _apart(HASHING, change)
    except (Unauthenticated, TooManyTries, InvalidRequest) as error:
        return await run_in_threadpool(_password, request, runtime, who, error)
    return _keep(request, go(f"{HOME}?notice=password"), token)


def _password(request: Request, runtime: Runtime, who: Identity, error: FrontlineError | None = None) -> Response:
    status, notice = (error.status, _sentence(error)) if error else (200, "")
    elsewhere = people.signs_on(runtime.store, who)
    response = frame.page(request, runtime, who, "password.html", status, notice=notice, elsewhere=elsewhere)
    return _with_headers(response, error)


def _signed_on(request: Request, runtime: Runtime) -> str:
    provider = runtime.provider
    if provider is None:
        raise NotFound("no sign-on provider is set up; sign in with a password")
    attempt = provider.attempt(request.cookies.get(ATTEMPT, ""))
    visitor = provider.redeem(attempt, request.query_params, _back(request))
    who = people.sign_on(runtime.store, visitor.subject, visitor.name, visitor.role, _now())
    limits, before = sessions.Limits.of(runtime.settings), request.cookies.get(COOKIE, "")
    return sessions.begin(runtime.store, limits, who.id, _now(), before)


async def _apart(pool: Executor, work: Callable[[], T]) -> T:
    """The result of `work`, done by a thread of this pool, with the request's id for what it logs."""
    return await asyncio.get_running_loop().run_in_executor(pool, copy_context().run, work)


_waiting = 0


async def _elsewhere(work: Callable[[], T]) -> T:
    """The result of `work` that asks the provider. Raises Overloaded where many wait for that already."""
    global _waiting
    if _waiting >= MOST_ELSEWHERE:
        raise Overloaded("many people are signing on just now; try again in a few seconds", retry_after=5)
    _waiting += 1
    try:
        return await _apart(ELSEWHERE, work)
    finally:
        _waiting -= 1


def _keep(request: Request, response: Response, token: str) -> Response:
    secure = _is_https(request)
    response.set_cookie(COOKIE, token, path=HOME, httponly=True, samesite="strict", secure=secure)
    return response


def _with_headers(response: Response, error: FrontlineError | None) -> Response:
    if error:
        response.headers.update(headers_of(error, error.status))
    return response


def _sentence(error: FrontlineError) -> str:
    return f"{error.message[:1].upper()}{error.message[1:]}."


def _back(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{HOME}{PROVIDER}/back"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"


def _now() -> datetime:
    return datetime.now(UTC)
