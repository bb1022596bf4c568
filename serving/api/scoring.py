"""The calls that have reports scored, kept or not, and what they may cost everybody else."""

import asyncio
import math
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from models import Report, Score, Scorer
from serving.errors import InvalidRequest, Overloaded, TooManyReports
from serving.executor import Task
from serving.http.access import In, Intake
from serving.http.bodies import Body
from serving.http.clients import while_there
from serving.http.documentation import body, errors
from serving.http.errors import request_id_of
from serving.http.routes import DirectRoute
from serving.metrics import count_rejection, count_score
from serving.queue.intake import Rejected, Scored, keep, score
from serving.runtime import Runtime
from serving.schemas import (
    MAX_EXPLAINED,
    SCORING_SECONDS,
    BatchAnswer,
    ErrorDetail,
    ItemError,
    Patience,
    ReportBatch,
    ScoreOptions,
)

router = APIRouter(prefix="/v1", route_class=DirectRoute)
Options = Annotated[ScoreOptions, Query()]
Waiting = Annotated[Patience, Query()]
SCORING = ("/v1/score", "/v1/reports", "/v1/moderations", "/v1alpha1/comments:analyze")
SHED_SHARE = 1 / 8  # of a busy worker's answers after which the connection is closed


def admit(runtime: Runtime, scope: Scope) -> None:
    """Raise Overloaded if a request would have reports scored and they would wait too long."""
    if _scores(scope):
        runtime.executor.admit()


def sheds(runtime: Runtime, scope: Scope) -> bool:
    """Whether to close a connection after its answer, as the next may reach a worker that has less to do.

    Connections go to whichever worker takes them first, and stay: of few, one worker may get all.
    """
    several = runtime.settings.workers > 1 and runtime.is_ready
    return _scores(scope) and several and runtime.executor.is_busy and random.random() < SHED_SHARE  # noqa: S311


@router.post(
    "/score",
    tags=["scores"],
    response_model=Score,
    openapi_extra=body(Report),
    responses=errors(400, 408, 413, 415, 422),
)
async def score_one(request: Request, runtime: In, _who: Intake, value: Body, options: Options) -> Response:
    """Score one report; nothing is kept."""
    (result,) = await scored(
        request, runtime, runtime.scorer, [value], options.deadline_ms, explain=bool(options.explain)
    )
    return _single(result if isinstance(result, Rejected) else result.score)


@router.post(
    "/score/batch",
    tags=["scores"],
    response_model=BatchAnswer,
    openapi_extra=body(ReportBatch),
    responses=errors(400, 408, 413, 415, 422),
)
async def score_many(request: Request, runtime: In, _who: Intake, value: Body, options: Options) -> Response:
    """Score several reports; nothing is kept, and a bad report fails alone."""
    items = _items(runtime, value, explain=bool(options.explain))
    results = await scored(request, runtime, runtime.scorer, items, options.deadline_ms, explain=bool(options.explain))
    return _batch(request, [result if isinstance(result, Rejected) else result.score for result in results])


@router.post(
    "/reports",
    tags=["reports"],
    response_model=Score,
    openapi_extra=body(Report),
    responses=errors(400, 408, 409, 413, 415, 422),
)
async def post_report(request: Request, runtime: In, _who: Intake, value: Body, patience: Waiting) -> Response:
    """Score a report, keep it once, and put its case in the queue. The same report again gives the same answer."""
    return _single((await _kept(request, runtime, [value], patience.deadline_ms))[0])


@router.post(
    "/reports/batch",
    tags=["reports"],
    response_model=BatchAnswer,
    openapi_extra=body(ReportBatch),
    responses=errors(400, 408, 413, 415, 422),
)
async def post_reports(request: Request, runtime: In, _who: Intake, value: Body, patience: Waiting) -> Response:
    """Score and keep several reports; a bad report fails alone."""
    return _batch(request, await _kept(request, runtime, _items(runtime, value), patience.deadline_ms))


async def scored(
    request: Request,
    runtime: Runtime,
    scorer: Scorer,
    items: Sequence[object],
    deadline_ms: int | None,
    *,
    explain: bool = False,
) -> list[Scored | Rejected]:
    """Score decoded JSON values as reports in their turn, in order; each that cannot be scored is Rejected alone.

    Raises Overloaded where their turn would come too late, and ClientDisconnect once nobody waits for them.
    """
    patience = math.inf if deadline_ms is None else deadline_ms / 1000
    scoring = partial(score, scorer, now=datetime.now(UTC), explain=explain, deadline=time.monotonic() + patience)
    tasks = [partial(scoring, item) for item in items]
    results: list[Scored | Rejected] = await in_turn(request, runtime, tasks, patience)
    for result in results:
        if isinstance(result, Rejected):
            count_rejection(result.error)
        else:
            count_score(result.score)
    return results


async def in_turn(request: Request, runtime: Runtime, tasks: Sequence[Task], patience: float = math.inf) -> list[Any]:
    """What tasks return, in order; each has its turn among those of all requests.

    Raises Overloaded where that would come too late, ClientDisconnect once nobody waits for it, and what a task raises.
    """
    try:
        async with asyncio.timeout(SCORING_SECONDS):
            return await while_there(request, runtime.executor.run(tasks, patience))
    except TimeoutError:
        raise Overloaded(f"not all turns came within {SCORING_SECONDS} seconds; try again later") from None


async def _kept(
    request: Request, runtime: Runtime, items: Sequence[object], deadline_ms: int | None
) -> list[Score | Rejected]:
    scorer = runtime.scorer  # once, as another may come in force meanwhile
    results = await scored(request, runtime, scorer, items, deadline_ms)
    return await run_in_threadpool(
        keep, runtime.store, scorer, results, datetime.now(UTC), runtime.settings.blind_share
    )


def _scores(scope: Scope) -> bool:
    return scope["method"] == "POST" and str(scope["path"]).startswith(SCORING)


def _items(runtime: Runtime, value: object, *, explain: bool = False) -> list[object]:
    items = value.get("reports") if isinstance(value, dict) else None
    if not isinstance(items, list):
        raise InvalidRequest('the body must be an object such as {"reports": [...]}', field="reports")
    limit = runtime.settings.max_batch
    if explain:
        limit = min(limit, MAX_EXPLAINED)
    if len(items) > limit:
        how = " with explain=spans" if explain else ""
        raise TooManyReports(f"the batch holds {len(items)} reports, at most {limit} go at once{how}", field="reports")
    return items


def _single(result: Score | Rejected) -> Response:
    if isinstance(result, Rejected):
        raise result.error
    return Response(result.model_dump_json(), media_type="application/json")


def _batch(request: Request, results: Sequence[Score | Rejected]) -> Response:
    request_id = request_id_of(request)
    answers = [
        ItemError(report_id=result.report_id, error=ErrorDetail.model_validate(result.error.as_dict(request_id)))
        if isinstance(result, Rejected)
        else result
        for result in results
    ]
    return Response(BatchAnswer(results=answers).model_dump_json(), media_type="application/json")
