"""The start page of the console: what waits, and the button for the next case."""

from datetime import UTC, datetime

from fastapi import Request
from starlette.responses import Response

from serving.accounts.people import profile_of
from serving.console import signin
from serving.console.frame import page
from serving.console.web import NOTICES, In, new_router, session
from serving.errors import Forbidden, Unauthenticated
from serving.queue import claims, overview
from serving.queue.exposure import exposure

router = new_router()


@router.get("")
def home(request: Request, runtime: In, notice: str = "") -> Response:
    """The start page: what waits, and the button for the next case; or the sign-in page."""
    try:
        who = session(request, runtime)
    except Unauthenticated:
        return signin.page(request, runtime, notice=NOTICES.get(notice, ""))
    except Forbidden as error:
        return signin.page(request, runtime, error)
    now, policy = datetime.now(UTC), runtime.scorer.policy
    with runtime.store.read() as connection:
        had, wish = exposure(connection, who, now), profile_of(connection, who).daily_severe
    return page(
        request,
        runtime,
        who,
        "home.html",
        notice=NOTICES.get(notice, ""),
        lanes=overview.lanes(runtime.store, now),
        counted=overview.counted,
        top=overview.top(runtime.store, policy, 10, now, specialist=who.is_specialist),
        held=claims.held_by(runtime.store, who, now),
        seen=len(had.seen),
        severe=had.severe(policy),
        most=policy.care.severe_per_day if wish is None else wish,
    )
