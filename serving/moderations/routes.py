"""`POST /v1/moderations`, as OpenAI's clients call it."""

import uuid

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from serving.api.scoring import scored
from serving.http.access import In, Intake
from serving.http.bodies import Body
from serving.http.routes import DirectRoute
from serving.moderations.answer import result
from serving.moderations.request import read
from serving.queue.intake import Rejected

router = APIRouter(route_class=DirectRoute, include_in_schema=False)  # what it takes is for OpenAI's documents to say


@router.post("/v1/moderations")
async def moderate(request: Request, runtime: In, _who: Intake, value: Body) -> Response:
    """Score texts; nothing is kept. One that cannot be scored fails the whole call, as the protocol wants it."""
    asked = read(value, runtime.settings.max_batch)
    scorer = runtime.scorer  # once, as another may come in force meanwhile
    reports = [{"report_id": "moderation", "content": {"text": text}} for text in asked.texts]
    results = []
    for item in await scored(request, runtime, scorer, reports, None):
        if isinstance(item, Rejected):
            raise item.error
        results.append(result(item.score, scorer.bundle.taxonomy, image=asked.image))
    ref = scorer.bundle.ref
    answer = {"id": f"modr-{uuid.uuid4().hex}", "model": f"{ref.name}-{ref.version}", "results": results}
    return Response(to_json(answer), media_type="application/json")
