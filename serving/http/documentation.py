"""What /openapi.json says beyond what the routes show: bodies read by hand, and the errors of every call."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from models import Report
from models.thresholds import ThresholdRequest
from serving.schemas import (
    AppealIn,
    ClaimRequest,
    ClaimToken,
    DecisionIn,
    ErrorOut,
    GivingUp,
    ReportBatch,
    Withdrawal,
)

_BODIES: tuple[type[BaseModel], ...] = (
    Report,
    ReportBatch,
    ClaimRequest,
    ClaimToken,
    GivingUp,
    DecisionIn,
    Withdrawal,
    AppealIn,
    ThresholdRequest,
)
_REF = "#/components/schemas/{model}"
_MEANINGS = {
    400: "The body is not valid JSON.",
    401: "No token, or one that is unknown or revoked.",
    403: "The token's role may not do this.",
    404: "Nothing has this id.",
    408: "The body took too long to come.",
    409: "It conflicts with what is stored: another body under a known id, a lapsed claim, changed content or state.",
    413: "The body or the batch is too large.",
    415: "The Content-Type is not application/json.",
    422: "The body or a parameter does not fit the contract.",
    429: "More than the service takes on at once; see Retry-After.",
    500: "The service failed; its log has the cause under the request id.",
    503: "No verified bundle is loaded yet, or the deadline passed; see Retry-After.",
}
ALWAYS = (401, 403, 429, 500, 503)

DESCRIPTION = """Frontline scores user reports and orders the human work of reviewing them. It never removes content and
never acts on a user. Every error has one shape: `{"error": {"code", "message", "field", "request_id"}}`.
Liveness, readiness and metrics are at `/livez`, `/readyz` and `/metrics`."""


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented errors of a call: those given, and those of every call."""
    return {status: {"model": ErrorOut, "description": _MEANINGS[status]} for status in (*statuses, *ALWAYS)}


def body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """The documentation of a JSON body."""
    content = {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}
    return {"requestBody": {"required": required, "content": content}}


def install(app: FastAPI) -> None:
    """Complete the application's OpenAPI document with the bodies' schemas."""
    generate = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            _, definitions = models_json_schema([(model, "validation") for model in _BODIES], ref_template=_REF)
            document["components"]["schemas"] = {**definitions["$defs"], **document["components"]["schemas"]}
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]
