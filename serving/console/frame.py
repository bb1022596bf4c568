"""The frame around every page of someone who is signed in: navigation, undo, a break when it is time, how it looks."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from fastapi import Request
from starlette.responses import Response

from serving import pages
from serving.accounts.auth import Identity
from serving.accounts.care import stretch
from serving.accounts.people import profile_of
from serving.console.web import COOKIE, HOME, csrf_of
from serving.review.undo import undoable
from serving.runtime import Runtime

LATER = "frontline_break_later"  # the cookie of those who were offered a break and go on for now


class Link(NamedTuple):
    """One entry of the navigation."""

    address: str
    label: str


NAV = [
    Link(HOME, "Queue"),
    Link(f"{HOME}/me/quality", "My quality"),
    Link(f"{HOME}/notices", "Notices"),
    Link(f"{HOME}/me", "Settings"),
]


def page(
    request: Request, runtime: Runtime, who: Identity, template: str, status: int = 200, **values: Any
) -> Response:
    """A page in its frame; `notice` is said on top of it."""
    now = datetime.now(UTC)
    care = runtime.scorer.policy.care
    with runtime.store.read() as connection:
        look = profile_of(connection, who)
        began = stretch(connection, who, now, care)
        undo = undoable(connection, who, now)
    tired = began is not None and (now - began).total_seconds() >= care.break_after_minutes * 60
    frame = {
        "who": who,
        "csrf": csrf_of(request.cookies.get(COOKIE, "")),
        "nav": NAV,
        "here": request.url.path,
        "look": look,
        "undo": undo,
        "titles": runtime.scorer.bundle.taxonomy.titles,
        "at_it_since": began if tired and LATER not in request.cookies else None,
        "break_minutes": care.break_minutes,
        "now": now,
    }
    return pages.render(template, status, **(frame | values))
