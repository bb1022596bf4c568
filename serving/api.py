"""The HTTP API under /v1: scores, reports, cases, the queue and decisions."""

import asyncio
import math
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from models import Report, Score, Scorer
from models.report import Id
from serving import console, decisions, desk, models_api, queue
from serving.auth import READERS, SCORERS, WORKERS, Identity
from serving.cases import read_case, read_report
from serving.errors import InvalidRequest, Overloaded, TooManyReports
from serving.http import documentation, metrics
from serving.http.access import allow, runtime_of
from serving.http.bodies import as_model, json_body
from serving.http.clients import while_there
from serving.http.documentation import body, errors
from serving.http.edge import Edge
from serving.http.errors import install as install_errors
from serving.http.errors import request_id_of
from serving.intake import Rejected, Scored, keep, score
from serving.metrics import count_rejection, count_score
from serving.runtime import Runtime
from serving.schemas import (
    BatchAnswer,
    CaseOut,
    ClaimAnswer,
    ClaimOut,
    ClaimRequest,
    ClaimToken,
    Decision,
    DecisionFeed,
    DecisionIn,
    ErrorDetail,
    ItemError,
    ReportAnswer,
    ReportBatch,
)

router = APIRouter(prefix="/v1")
In = Annotated[Runtime, Depends(runtime_of)]
Intake = Annotated[Identity, Depends(allow(*SCORERS))]
Reader = Annotated[Identity, Depends(allow(*READERS))]
Reviewer = Annotated[Identity, Depends(allow(*WORKERS))]
Body = Annotated[object, Depends(json_body)]
MAX_EXPLAINED = 32  # reports of a batch: to explain one takes the model up to 24 runs more
Explain = Annotated[
    Literal["spans"] | None,
    Query(description=f"`spans` adds hints to the score; a batch then holds at most {MAX_EXPLAINED} reports."),
]

Deadline = Annotated[
    int | None,
    Query(ge=1, le=600_000, description="Milliseconds within which a report's turn must come, or it is refused."),
]
SCORING = ("/v1/score", "/v1/reports")
SHED_SHARE = 1 / 8  # of a busy worker's answers after which the connection is closed
SCORING_SECONDS = 60  # within which all reports of a request have had their turn, or it is refused


def create_app(runtime: Runtime) -> FastAPI:
    """The application around a runtime, which whoever serves it starts and stops."""
    app = FastAPI(
        title="Frontline",
        version="1",
        description=documentation.DESCRIPTION,
        docs_url=None,  # the usual page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    app.include_router(router)
    app.include_router(models_api.router)
    console.install(app)
    metrics.install(app)
    install_errors(app)
    documentation.install(app)
    app.add_middleware(
        Edge,
        max_body_bytes=runtime.settings.max_body_bytes,
        max_in_flight=runtime.settings.max_in_flight,
        admit=partial(_admit, runtime),
        sheds=partial(_sheds, runtime),
    )
    return app


@router.post(
    "/score",
    tags=["scores"],
    response_model=Score,
    openapi_extra=body(Report),
    responses=errors(400, 408, 413, 415, 422),
)
async def score_one(
    request: Request, runtime: In, _who: Intake, value: Body, explain: Explain = None, deadline_ms: Deadline = None
) -> Response:
    """Score one report; nothing is kept."""
    (result,) = await _scored(request, runtime, runtime.scorer, [value], deadline_ms, explain=explain is not None)
    return _single(result if isinstance(result, Rejected) else result.score)


@router.post(
    "/score/batch",
    tags=["scores"],
    response_model=BatchAnswer,
    openapi_extra=body(ReportBatch),
    responses=errors(400, 408, 413, 415, 422),
)
async def score_many(
    request: Request, runtime: In, _who: Intake, value: Body, explain: Explain = None, deadline_ms: Deadline = None
) -> Response:
    """Score several reports; nothing is kept, and a bad report fails alone."""
    items = _items(runtime, value, explain=explain is not None)
    results = await _scored(request, runtime, runtime.scorer, items, deadline_ms, explain=explain is not None)
    return _batch(request, [result if isinstance(result, Rejected) else result.score for result in results])


@router.post(
    "/reports",
    tags=["reports"],
    response_model=Score,
    openapi_extra=body(Report),
    responses=errors(400, 408, 409, 413, 415, 422),
)
async def post_report(
    request: Request, runtime: In, _who: Intake, value: Body, deadline_ms: Deadline = None
) -> Response:
    """Score a report, keep it once, and put its case in the queue. The same report again gives the same answer."""
    return _single((await _kept(request, runtime, [value], deadline_ms))[0])


@router.post(
    "/reports/batch",
    tags=["reports"],
    response_model=BatchAnswer,
    openapi_extra=body(ReportBatch),
    responses=errors(400, 408, 413, 415, 422),
)
async def post_reports(
    request: Request, runtime: In, _who: Intake, value: Body, deadline_ms: Deadline = None
) -> Response:
    """Score and keep several reports; a bad report fails alone."""
    return _batch(request, await _kept(request, runtime, _items(runtime, value), deadline_ms))


@router.get("/reports/{report_id}", tags=["reports"], responses=errors(404, 422))
def get_report(runtime: In, _who: Reader, report_id: Id) -> ReportAnswer:
    """What became of a report."""
    return read_report(runtime.store, report_id)


@router.get("/cases/{case_id}", tags=["cases"], responses=errors(404, 422))
def get_case(runtime: In, who: Reader, case_id: Id) -> CaseOut:
    """A case, with its content for those who may see it."""
    return read_case(runtime.store, case_id, who, _now())


@router.post(
    "/queue/claim",
    tags=["queue"],
    response_model=ClaimAnswer,
    openapi_extra=body(ClaimRequest),
    responses={204: {"description": "No case waits."}, **errors(400, 408, 413, 415, 422)},
)
def claim(runtime: In, who: Reviewer, value: Body, explain: Explain = None) -> Any:
    """Claim the next case under a lease."""
    wanted = as_model(ClaimRequest, value)
    answer = desk.claim_next(
        runtime, who, _now(), lanes=wanted.lanes, languages=wanted.languages, explain=explain is not None
    )
    return answer or Response(status_code=204)


@router.post(
    "/queue/claims/{claim_id}/extend",
    tags=["queue"],
    openapi_extra=body(ClaimToken),
    responses=errors(400, 408, 409, 413, 415, 422),
)
def extend(runtime: In, who: Reviewer, claim_id: Id, value: Body) -> ClaimOut:
    """Hold a claimed case for another lease from now."""
    lease = timedelta(seconds=runtime.settings.lease_seconds)
    held = queue.extend(runtime.store, who, claim_id, as_model(ClaimToken, value).token, lease=lease, now=_now())
    return ClaimOut(id=held.id, token=held.token, expires_at=held.expires_at)


@router.post(
    "/queue/claims/{claim_id}/release",
    tags=["queue"],
    status_code=204,
    openapi_extra=body(ClaimToken),
    responses=errors(400, 408, 409, 413, 415, 422),
)
def release(runtime: In, who: Reviewer, claim_id: Id, value: Body) -> None:
    """Put a claimed case back undecided."""
    queue.release(runtime.store, who, claim_id, as_model(ClaimToken, value).token, now=_now())


@router.post(
    "/decisions",
    tags=["decisions"],
    openapi_extra=body(DecisionIn),
    responses=errors(400, 408, 409, 413, 415, 422),
)
def post_decision(runtime: In, who: Reviewer, value: Body) -> Decision:
    """Decide a claimed case. The same decision again gives the same answer; a lapsed claim is refused."""
    return decisions.decide(runtime.store, runtime.scorer.bundle.taxonomy, who, as_model(DecisionIn, value), _now())


@router.get("/decisions", tags=["decisions"], responses=errors(422))
def get_decisions(
    runtime: In,
    _who: Intake,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="The cursor: `next` of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> DecisionFeed:
    """The decisions after a cursor, in order, for the system that acts on them."""
    return decisions.feed(runtime.store, after, limit)


def _now() -> datetime:
    return datetime.now(UTC)


async def _scored(
    request: Request,
    runtime: Runtime,
    scorer: Scorer,
    items: Sequence[object],
    deadline_ms: int | None,
    *,
    explain: bool = False,
) -> list[Scored | Rejected]:
    patience = math.inf if deadline_ms is None else deadline_ms / 1000
    scoring = partial(score, scorer, now=_now(), explain=explain, deadline=time.monotonic() + patience)
    running = runtime.executor.run([partial(scoring, item) for item in items], patience)
    try:
        async with asyncio.timeout(SCORING_SECONDS):
            results: list[Scored | Rejected] = await while_there(request, running)
    except TimeoutError:
        raise Overloaded(f"not all turns came within {SCORING_SECONDS} seconds; try again later") from None
    for result in results:
        if isinstance(result, Rejected):
            count_rejection(result.error)
        else:
            count_score(result.score)
    return results


async def _kept(
    request: Request, runtime: Runtime, items: Sequence[object], deadline_ms: int | None
) -> list[Score | Rejected]:
    scorer = runtime.scorer  # once, as another may come in force meanwhile
    results = await _scored(request, runtime, scorer, items, deadline_ms)
    return await run_in_threadpool(keep, runtime.store, scorer, results, _now(), runtime.settings.blind_share)


def _admit(runtime: Runtime, scope: Scope) -> None:
    if _scores(scope):
        runtime.executor.admit()


def _sheds(runtime: Runtime, scope: Scope) -> bool:
    """Whether to close a connection after its answer, as the next may reach a worker that has less to do.

    Connections go to whichever worker takes them first, and stay: of few, one worker may get all.
    """
    several = runtime.settings.workers > 1 and runtime.is_ready
    return _scores(scope) and several and runtime.executor.is_busy and random.random() < SHED_SHARE  # noqa: S311


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
