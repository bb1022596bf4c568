"""How someone does: their own figures, for themselves alone; and for QA, the opinions to decide between."""

from datetime import UTC, datetime, timedelta

from fastapi import Request
from starlette.responses import Response

from serving.console.around import why_qa
from serving.console.frame import page
from serving.console.web import CASE, In, Who, go, new_router
from serving.inert import inert
from serving.quality import figures
from serving.quality.golden import KEEPERS
from serving.queue import cases, claims
from serving.queue.stages import QA
from serving.review import second_looks
from serving.store.events import record

WINDOWS = (30, 90)  # days
FEW = 10  # answers, below which a figure says little

router = new_router()


@router.get("/me/quality")
def quality_page(request: Request, runtime: In, who: Who, days: int = WINDOWS[0]) -> Response:
    """The figures of whoever is signed in; there is no way to see anybody else's."""
    window = days if days in WINDOWS else WINDOWS[0]
    found = figures.own(runtime.store, who, datetime.now(UTC) - timedelta(days=window))
    return page(
        request,
        runtime,
        who,
        "quality.html",
        own=found,
        texts=[None if lesson.text is None else inert(lesson.text) for lesson in found.lessons],
        titles={None: "All", figures.CLEAN: "No violation"} | runtime.scorer.bundle.taxonomy.titles,
        keeper=who.role in KEEPERS,
        days=window,
        windows=WINDOWS,
        few=FEW,
    )


@router.get("/opinions")
def opinions_page(request: Request, runtime: In, who: Who) -> Response:
    """The opinions on the case in hand, for QA who asks for them; that they were seen is noted."""
    now = datetime.now(UTC)
    held = claims.held_by(runtime.store, who, now)
    if held is None:
        return go(CASE)
    with runtime.store.write() as connection:
        row = cases.get(connection, held.case_id)
        if row.stage != QA:
            return go(CASE)
        found = second_looks.opinions(connection, row)
        record(connection, now, "opinions_shown", row.id, who.id, claim_id=held.id)
    notes = [inert(opinion.note or "") for opinion in found]
    return page(request, runtime, who, "opinions.html", opinions=found, notes=notes, why=why_qa(found))
