"""The bodies of the HTTP API besides reports and scores."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.policy import Lane
from models.report import Id, Name, Report, Text
from models.score import ModelRef, Score

Outcome = Literal["violation", "no_violation", "cannot_decide", "escalate"]
Status = Literal["open", "claimed", "decided", "escalated", "withdrawn"]
MAX_EXPLAINED = 32  # reports of a batch: to explain one takes the model up to 24 runs more
Token = Annotated[int, Field(ge=0, le=2**31 - 1)]
Reason = Annotated[str, Field(min_length=1, max_length=200)]


class _In(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True)


SCORING_SECONDS = 60  # within which all reports of a request have had their turn, or it is refused


class Patience(BaseModel):
    """How long a caller waits; a part of the query."""

    deadline_ms: int | None = Field(
        default=None,
        ge=1,
        le=SCORING_SECONDS * 1000,
        description="Milliseconds within which a report's turn must come, or it is refused.",
    )


class Explanation(BaseModel):
    """Whether a caller wants hints; a part of the query."""

    explain: Literal["spans"] | None = Field(
        default=None,
        description=f"`spans` adds hints to the score; a batch then holds at most {MAX_EXPLAINED} reports.",
    )


class ScoreOptions(Patience, Explanation):
    """How a caller wants its scores; a part of the query."""


class ReportBatch(_In):
    """Several reports at once."""

    reports: list[Report]


class ClaimRequest(_In):
    """Which cases to claim from; empty lists mean all. Language `und` stands for unknown."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lanes": ["critical", "high"], "languages": []}]})

    lanes: list[Lane] = []
    languages: Annotated[list[Name], Field(max_length=100)] = []


class ClaimToken(_In):
    """The fencing token of a claim."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"token": 3}]})

    token: Token


class GivingUp(ClaimToken):
    """Why a reviewer leaves a claimed case to others."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"token": 3, "reason": "language"}]})

    reason: Reason


class Withdrawal(_In):
    """Why content is gone; it is not kept, as it may quote the content."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "deleted by its author"}]})

    reason: Reason | None = None


class AppealIn(_In):
    """The subject of a decision objects to it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"appeal_id": "a-1", "decision_id": "d-1", "statement": "It was a joke."}]}
    )

    appeal_id: Id
    decision_id: Id
    statement: Text | None = None


class ClaimRef(_In):
    """A claim by its id, with its fencing token."""

    claim_id: Id
    token: Token


class DecisionIn(_In):
    """What a reviewer concluded about one version of the content of a claimed case."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "decision_id": "d-1",
                    "case_id": "0f8c2b6f4f0e4a1a9a4f1d2e3c4b5a69",
                    "claim_id": "5a1b6f4f0e4a1a9a4f1d2e3c4b5a690f",
                    "token": 3,
                    "content_version": 1,
                    "outcome": "violation",
                    "categories": ["harassment"],
                    "severity": 2,
                    "action": "remove",
                    "note": None,
                }
            ]
        }
    )

    decision_id: Id
    case_id: Id
    claim_id: Id
    token: Token
    content_version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    outcome: Outcome
    categories: Annotated[list[Name], Field(max_length=64)] = []
    severity: Annotated[int, Field(ge=0, le=4)] | None = None
    action: Name | None = None
    note: Text | None = None


class Decision(_Out):
    """A decision as kept. `seq` orders decisions and is the cursor of the feed."""

    seq: int
    decision_id: str
    case_id: str
    content_id: str | None
    content_version: int
    outcome: Outcome
    categories: list[str]
    severity: int | None
    action: str | None
    note: str | None
    reviewer: str
    role: str
    blind: bool
    bundle: str | None
    seconds_spent: float | None
    bulk: bool
    selection_probability: float | None
    policy_version: str
    created_at: datetime
    supersedes: int | None


class DecisionFeed(_Out):
    """A page of decisions in order; ask again with `after` = `next`."""

    decisions: list[Decision]
    next: int


class ContentOut(_Out):
    """One version of a case's content."""

    id: str | None
    version: int
    text: str | None
    url: str | None
    kind: str | None
    language: str | None
    context: list[dict[str, Any]]
    attachments: list[dict[str, Any]]


class ReportOut(_Out):
    """One report of a case, without its content."""

    report_id: str
    content_version: int
    received_at: datetime
    reason: str | None
    note: str | None
    source: str
    score_id: str


class ClaimOut(_Out):
    """A lease on a case."""

    id: str
    token: int
    expires_at: datetime


class AppealOut(_Out):
    """An appeal as kept."""

    appeal_id: str
    case_id: str
    decision_id: str
    statement: str | None
    created_at: datetime


class CaseOut(_Out):
    """A case. `content` is null for roles that may not see it, `score` is null where the case is blind, and `appeal` is
    the one that somebody is to look at.
    """

    id: str
    status: Status
    content_version: int
    content: ContentOut | None
    report_count: int
    reports: list[ReportOut]
    score: Score | None
    blind: bool
    appeal: AppealOut | None
    due_at: datetime
    reopened: int
    decisions: list[Decision]


class ClaimAnswer(_Out):
    """A claim with its case."""

    claim: ClaimOut
    case: CaseOut


class ReportAnswer(_Out):
    """What became of a report."""

    report_id: str
    case_id: str
    status: Status
    score: Annotated[Score | None, Field(description="None for reviewers of a blind case.")]
    decisions: list[Decision]


class ModelEntry(ModelRef):
    """One bundle at hand; `champion` is the one in force."""

    created: str
    champion: bool


class ModelList(_Out):
    """The bundles at hand."""

    models: list[ModelEntry]


class ErrorDetail(_Out):
    """What went wrong, and what to do."""

    code: str
    message: str
    field: str | None = None
    request_id: str | None = None


class ErrorOut(_Out):
    """The one shape of every error."""

    error: ErrorDetail


class ItemError(_Out):
    """A report of a batch that was not taken."""

    report_id: str | None
    error: ErrorDetail


class BatchAnswer(_Out):
    """One result per report, in order."""

    results: list[Score | ItemError]
