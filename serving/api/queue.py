"""The HTTP API under /v1 besides scoring: cases, the queue and decisions."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from models.report import Id
from serving.http.access import In, Intake, Reader, Reviewer
from serving.http.bodies import Body, as_model
from serving.http.documentation import body, errors
from serving.queue import claims, desk, withdrawals
from serving.queue.cases import read_case, read_report
from serving.review import appeals, decisions
from serving.schemas import (
    AppealIn,
    AppealOut,
    CaseOut,
    ClaimAnswer,
    ClaimOut,
    ClaimRequest,
    ClaimToken,
    Decision,
    DecisionFeed,
    DecisionIn,
    Explanation,
    GivingUp,
    ReportAnswer,
    Withdrawal,
)

router = APIRouter(prefix="/v1")


@router.get("/reports/{report_id}", tags=["reports"], responses=errors(404, 422))
def get_report(runtime: In, who: Reader, report_id: Id) -> ReportAnswer:
    """What became of a report."""
    return read_report(runtime.store, report_id, who)


@router.get("/cases/{case_id}", tags=["cases"], responses=errors(404, 422))
def get_case(runtime: In, who: Reader, case_id: Id) -> CaseOut:
    """A case, with its content for those who may see it."""
    return read_case(runtime.store, case_id, who, _now())


@router.post(
    "/cases/{case_id}/withdraw",
    tags=["cases"],
    openapi_extra=body(Withdrawal),
    responses=errors(400, 404, 408, 413, 415, 422),
)
def withdraw(runtime: In, who: Intake, case_id: Id, value: Body) -> CaseOut:
    """Take a case out of the queue, as its content is gone; what was decided about it stays."""
    as_model(Withdrawal, value)
    return withdrawals.withdraw(runtime.store, who, case_id, _now())


@router.post(
    "/appeals",
    tags=["cases"],
    openapi_extra=body(AppealIn),
    responses=errors(400, 404, 408, 409, 413, 415, 422),
)
def post_appeal(runtime: In, who: Intake, value: Body) -> AppealOut:
    """Have somebody look again at a decision, never whoever made it. The same appeal again gives the same answer."""
    return appeals.appeal(runtime.store, runtime.scorer.policy, who, as_model(AppealIn, value), _now())


@router.post(
    "/queue/claim",
    tags=["queue"],
    response_model=ClaimAnswer,
    openapi_extra=body(ClaimRequest),
    responses={204: {"description": "No case waits."}, **errors(400, 408, 413, 415, 422)},
)
def claim(runtime: In, who: Reviewer, value: Body, options: Annotated[Explanation, Query()]) -> Any:
    """Claim the next case under a lease."""
    wanted = as_model(ClaimRequest, value)
    answer = desk.claim_next(
        runtime, who, _now(), lanes=wanted.lanes, languages=wanted.languages, explain=bool(options.explain)
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
    held = claims.extend(runtime.store, who, claim_id, as_model(ClaimToken, value).token, lease=lease, now=_now())
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
    claims.release(runtime.store, who, claim_id, as_model(ClaimToken, value).token, now=_now())


@router.post(
    "/queue/claims/{claim_id}/skip",
    tags=["queue"],
    status_code=204,
    openapi_extra=body(GivingUp),
    responses=errors(400, 408, 409, 413, 415, 422),
)
def skip(runtime: In, who: Reviewer, claim_id: Id, value: Body) -> None:
    """Leave a claimed case to others; its content as it is now does not come to this reviewer again."""
    given = as_model(GivingUp, value)
    claims.skip(runtime.store, who, claim_id, given.token, given.reason, _now())


@router.post(
    "/queue/claims/{claim_id}/transfer",
    tags=["queue"],
    status_code=204,
    openapi_extra=body(GivingUp),
    responses=errors(400, 408, 409, 413, 415, 422),
)
def transfer(runtime: In, who: Reviewer, claim_id: Id, value: Body) -> None:
    """Hand a claimed case to the specialists, who alone see it from now on."""
    given = as_model(GivingUp, value)
    claims.transfer(runtime.store, runtime.scorer.policy, who, claim_id, given.token, given.reason, _now())


@router.post(
    "/decisions",
    tags=["decisions"],
    openapi_extra=body(DecisionIn),
    responses=errors(400, 408, 409, 413, 415, 422),
)
def post_decision(runtime: In, who: Reviewer, value: Body) -> Decision:
    """Decide a claimed case. The same decision again gives the same answer; a lapsed claim is refused."""
    return decisions.decide(runtime.store, runtime.scorer, who, as_model(DecisionIn, value), _now())


@router.get("/decisions", tags=["decisions"], responses=errors(422))
def get_decisions(
    runtime: In,
    _who: Intake,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="The cursor: `next` of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> DecisionFeed:
    """The decisions after a cursor, in order, for the system that acts on them."""
    return decisions.feed(runtime.store, after, limit, _now)


def _now() -> datetime:
    return datetime.now(UTC)
