"""What every page of the console shares: who looks at it, forms that are ours, and moving on to another page."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from serving.accounts import sessions
from serving.accounts.auth import WORKERS, Identity
from serving.errors import BodyTooLarge, Forbidden, InvalidRequest, UnsupportedMediaType
from serving.http.access import runtime_of
from serving.runtime import Runtime

COOKIE = "frontline_session"
FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FORM_BYTES = 256 * 2**10  # twice what the longest note takes, as nobody need be signed in to send one
MAX_FIELDS = 200
HOME, CASE, NOTICE = "/console", "/console/case", "/console/notice"
NOTICES = {
    "empty": "No case waits for you right now.",
    "lapsed": "Your time with that case ran out, so it went back to the queue. Nothing was saved.",
    "changed": "The content or its lane changed while you looked. Please look again.",
    "twice": "You had decided that case already: what you sent first was saved. For a moment you can undo it.",
    "released": "The case went back to the queue.",
    "undone": "Undone. The case is yours again, and nobody has seen what you decided.",
    "withdrawn": "Undone. The content is gone meanwhile, so that nobody needs to decide.",
    "final": "That can no longer be undone.",
    "kept": "Kept. It holds from your next case on.",
    "signed-out": "You are signed out.",
    "password": "Your password is changed, and whoever else was signed in as you no longer is.",
}

In = Annotated[Runtime, Depends(runtime_of)]


def new_router() -> APIRouter:
    """A router for pages under /console, which the API's documentation leaves out."""
    return APIRouter(prefix=HOME, include_in_schema=False)


def session(request: Request, runtime: In) -> Identity:
    """Who is signed in. Raises Unauthenticated or Forbidden."""
    limits = sessions.Limits.of(runtime.settings)
    identity = sessions.find(runtime.store, request.cookies.get(COOKIE, ""), limits, datetime.now(UTC))
    if identity.role not in WORKERS:
        raise Forbidden(f"the role {identity.role} reviews no cases; sign in as someone who does")
    return identity


Who = Annotated[Identity, Depends(session)]


def csrf_of(secret: str) -> str:
    """The proof that a form came from our own page: only a page that had this very cookie can know it."""
    return hmac.new(secret.encode(), b"csrf.v1", hashlib.sha256).hexdigest()


def form_under(cookie: str) -> Callable[[Request], Awaitable[FormData]]:
    """A dependency that takes a form from a page that had this cookie.

    It raises Forbidden, BodyTooLarge, UnsupportedMediaType or InvalidRequest.
    """

    async def take(request: Request) -> FormData:
        # Nothing else comes from our pages, and in multipart forms the sender says with which codec to read them.
        if request.headers.get("content-type", FORM_TYPE).partition(";")[0].strip().lower() != FORM_TYPE:
            raise UnsupportedMediaType(f"a form is sent as {FORM_TYPE}")
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_FORM_BYTES:
                raise BodyTooLarge(f"the form is larger than {MAX_FORM_BYTES} bytes, which is the most that is taken")
        form = _parsed(bytes(body))
        secret, given = request.cookies.get(cookie, ""), form.get("csrf")
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Forbidden("the form came from another site")
        # Without a cookie everybody could know the proof.
        is_ours = isinstance(given, str) and hmac.compare_digest(given.encode(), csrf_of(secret).encode())
        if not secret or not is_ours:
            raise Forbidden("the form is out of date; go back to the start page and try again")
        return form

    return take


def _parsed(body: bytes) -> FormData:
    try:
        fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise InvalidRequest(f"the form has more than {MAX_FIELDS} fields") from None
    return FormData([*fields])


Form = Annotated[FormData, Depends(form_under(COOKIE))]


def number(form: FormData, name: str) -> int | None:
    """A field that holds a whole number, or None."""
    given = form.get(name)
    return int(given) if isinstance(given, str) and given.isdecimal() and len(given) < 10 else None


def go(address: str) -> RedirectResponse:
    """On to another page, after a form too."""
    return RedirectResponse(address, 303)
