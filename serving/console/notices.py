"""The pages of notices: reading what changed, and practising with golden cases."""

from datetime import UTC, datetime
from typing import Any, get_args

from fastapi import Request
from sqlalchemy import Row
from starlette.responses import Response

from serving.console.frame import page
from serving.console.web import HOME, NOTICE, Form, In, Who, go, new_router
from serving.errors import InvalidRequest
from serving.inert import inert
from serving.quality import notices
from serving.quality.golden import Answer
from serving.quality.notices import Practice
from serving.runtime import Runtime

PRACTICE = f"{NOTICE}/practice"

router = new_router()


@router.get("/notice")
def notice_page(request: Request, runtime: In, who: Who, notice: str = "") -> Response:
    """A notice: the one asked for, or the oldest that is yet to be read."""
    if notice:
        with runtime.store.read() as connection:
            found: Row[Any] | None = notices.get(connection, notice)
    else:
        found = notices.unread(runtime.store, who)
    if found is None:
        return go(f"{HOME}/notices")
    with runtime.store.read() as connection:
        mine = notices.practice(connection, who, found.id)
    return page(request, runtime, who, "notice.html", note=found, practice=mine, category=_category(runtime, found))


@router.post("/notice")
def read(runtime: In, who: Who, form: Form) -> Response:
    """Note that a notice was read; on to its practice cases, or to the next notice."""
    notice_id = str(form.get("notice", ""))
    notices.mark_read(runtime.store, who, notice_id, datetime.now(UTC))
    if form.get("then") == "practise":
        return go(f"{PRACTICE}?notice={notice_id}")
    return go(NOTICE if notices.unread(runtime.store, who) else HOME)


@router.get("/notices")
def notices_page(request: Request, runtime: In, who: Who) -> Response:
    """The last notices, each with how one's own practice went."""
    return page(request, runtime, who, "notices.html", notes=notices.listed(runtime.store, who))


@router.get("/notice/practice")
def practice_page(request: Request, runtime: In, who: Who, notice: str = "") -> Response:
    """The next practice case of a notice, or how the practice went."""
    with runtime.store.read() as connection:
        found = notices.practice(connection, who, notice)
    return _practice(request, runtime, who, found, found.left[0] if found.left else None)


@router.post("/notice/practice")
def practise(request: Request, runtime: In, who: Who, form: Form) -> Response:
    """Answer a practice case: the page says what the answer is, and why."""
    notice_id, case_id = str(form.get("notice", "")), str(form.get("case_id", ""))
    with runtime.store.read() as connection:
        before = notices.practice(connection, who, notice_id)
    answer = next((answer for answer in before.left if answer.case_id == case_id), None)
    choice = next((choice for choice in get_args(notices.Choice) if choice == form.get("choice")), None)
    if answer is None:  # sent twice
        return go(f"{PRACTICE}?notice={notice_id}")
    if choice is None:
        return _practice(request, runtime, who, before, answer, status=422, notice="Please choose an answer.")
    try:
        right = notices.practise(runtime.store, who, notice_id, case_id, choice, datetime.now(UTC))
    except InvalidRequest:
        return go(f"{PRACTICE}?notice={notice_id}")
    with runtime.store.read() as connection:
        after = notices.practice(connection, who, notice_id)
    return _practice(request, runtime, who, after, answer, right=right)


def _practice(
    request: Request,
    runtime: Runtime,
    who: Who,
    found: Practice,
    answer: Answer | None,
    status: int = 200,
    *,
    right: bool | None = None,
    notice: str = "",
) -> Response:
    content = None
    if answer is not None:
        with runtime.store.read() as connection:
            content = notices.text_of(connection, answer)
    return page(
        request,
        runtime,
        who,
        "practice.html",
        status,
        notice=notice,
        practice=found,
        category=_category(runtime, found.notice),
        answer=answer,
        text=inert(content.text or "") if content else "",
        right=right,
    )


def _category(runtime: Runtime, notice: Row[Any]) -> Any:
    """The category that a notice is about, as it is defined now; None if it is about all, or one that is gone."""
    categories = runtime.scorer.bundle.taxonomy.categories
    return next((category for category in categories if category.key == notice.category), None)
