"""The pages on which QA keeps the golden cases."""

from datetime import UTC, datetime

from fastapi import Request
from starlette.responses import Response

from serving.console.frame import page
from serving.console.web import HOME, Form, In, Who, go, new_router
from serving.errors import InvalidRequest, NotFound
from serving.inert import inert
from serving.quality import golden
from serving.queue import cases
from serving.review import second_looks

GOLDEN = f"{HOME}/golden"

router = new_router()


@router.get("/golden")
def golden_page(request: Request, runtime: In, who: Who) -> Response:
    """The golden cases, and those that whoever is signed in decided as QA lately."""
    golden.check_keeper(who)
    return page(
        request,
        runtime,
        who,
        "golden.html",
        golden=golden.listed(runtime.store),
        candidates=golden.candidates(runtime.store, who),
    )


@router.get("/golden/add")
def add_page(request: Request, runtime: In, who: Who, case: str = "") -> Response:
    """A case that may become golden, with the decision that stands."""
    return _add_page(request, runtime, who, case, 200, "")


@router.post("/golden/add")
def add(request: Request, runtime: In, who: Who, form: Form) -> Response:
    """Make a case golden."""
    case_id, why = str(form.get("case_id", "")), str(form.get("why", "")).strip()
    if not why:
        return _add_page(request, runtime, who, case_id, 422, "Please say why this is the answer.")
    try:
        golden.add(runtime.store, runtime.scorer.policy, who, case_id, why, datetime.now(UTC))
    except InvalidRequest as error:
        return _add_page(request, runtime, who, case_id, error.status, f"Not added: {error.message}.")
    return go(GOLDEN)


@router.post("/golden/remove")
def remove(runtime: In, who: Who, form: Form) -> Response:
    """Make a case golden no more."""
    golden.remove(runtime.store, who, str(form.get("case_id", "")), datetime.now(UTC))
    return go(GOLDEN)


def _add_page(request: Request, runtime: In, who: Who, case_id: str, status: int, notice: str) -> Response:
    golden.check_keeper(who)
    with runtime.store.read() as connection:
        answer = second_looks.standing(connection, case_id)
        cases.get(connection, case_id)
        content = golden.content_of(connection, case_id, answer.content_version) if answer else None
    if answer is None or content is None:
        raise NotFound("no decided case that you may see has this id", field="case")
    return page(
        request,
        runtime,
        who,
        "golden_add.html",
        status,
        notice=notice,
        answer=answer,
        text=inert(content.text or ""),
    )
