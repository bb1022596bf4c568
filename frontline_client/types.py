"""The JSON of the HTTP API as types: reports as they are sent, scores and decisions as they come back.

Answers are not checked here, so that fields that a later service adds break nothing.
"""

from typing import Literal, NotRequired, TypedDict

Source = Literal["user", "trusted_flagger", "authority", "court", "automated"]
Level = Literal["none", "low", "medium", "high", "critical"]
Lane = Literal["specialist", "critical", "high", "standard", "low"]


class Turn(TypedDict):
    """One neighbouring text, shown to the reviewer and not scored."""

    role: str
    text: str


class Attachment(TypedDict):
    """A file that belongs to the content; kept and shown, not scored."""

    url: str
    kind: NotRequired[str | None]


class Content(TypedDict, total=False):
    """What is complained about; times are ISO 8601 with a zone, everywhere."""

    id: str | None
    text: str | None
    kind: str | None
    language: str | None
    created_at: str | None
    url: str | None
    context: list[Turn]
    attachments: list[Attachment]


class Subject(TypedDict, total=False):
    """Whoever made the content."""

    id: str | None
    account_age_days: float | None
    prior_violations: int | None
    followers: int | None


class Reporter(TypedDict, total=False):
    """Whoever complains."""

    id: str | None
    account_age_days: float | None
    reports_filed: int | None
    reports_upheld: int | None
    trusted_flagger: bool | None
    is_target: bool | None


class Exposure(TypedDict, total=False):
    """How far the content has spread."""

    views: int | None
    views_per_hour: float | None
    distinct_reporters: int | None


class Report(TypedDict):
    """One person's complaint about one piece of content. The same `report_id` again is the same report."""

    report_id: str
    content: Content
    received_at: NotRequired[str | None]
    reason: NotRequired[str | None]
    note: NotRequired[str | None]
    subject: NotRequired[Subject | None]
    reporter: NotRequired[Reporter | None]
    exposure: NotRequired[Exposure | None]
    region: NotRequired[str | None]
    source: NotRequired[Source]
    due_by: NotRequired[str | None]


class ModelRef(TypedDict):
    """Which bundle gave the score."""

    name: str
    version: str
    bundle: str


class Violation(TypedDict):
    """P(any policy violation) with its 95 % interval, each from 0 to 1; null where the model abstains."""

    probability: float | None
    interval: list[float] | None


class CategoryScore(TypedDict):
    """One category of the taxonomy; `probability` is null where no model speaks of it."""

    category: str
    probability: float | None
    threshold: float | None
    flagged: bool
    source: Literal["model", "reason", "rule", "none"]


class SeverityScore(TypedDict):
    """Severity 0 none to 4 critical: its mean, the mean's name, and P of each."""

    expected: float
    level: Level
    distribution: list[float]


class Component(TypedDict):
    """One part of the priority."""

    name: str
    value: float
    contribution: float


class Priority(TypedDict):
    """Where in the queue; `value` orders cases inside a lane, higher first."""

    value: float
    lane: Lane
    due_at: str
    components: list[Component]


class Span(TypedDict):
    """Code points [start, end) of the text as sent that moved the score of a category."""

    start: int
    end: int
    category: str
    weight: float


class Reason(TypedDict):
    """One fact of the metadata that moved the score."""

    code: str
    text: str
    direction: Literal["raises", "lowers"]


class Hints(TypedDict):
    """What the model shows a reviewer."""

    spans: list[Span]
    reasons: list[Reason]


class Score(TypedDict):
    """The score of one report."""

    report_id: str
    score_id: str
    model: ModelRef
    violation: Violation
    categories: list[CategoryScore]
    severity: SeverityScore | None
    priority: Priority
    hints: Hints | None
    warnings: list[str]
    abstained: bool


class Decision(TypedDict):
    """What a reviewer concluded; `seq` is the cursor after which the next ones come."""

    seq: int
    decision_id: str
    case_id: str
    content_id: str | None
    content_version: int
    outcome: Literal["violation", "no_violation", "cannot_decide", "escalate"]
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
    created_at: str
    supersedes: int | None


class Page(TypedDict):
    """Decisions in order; ask again with `after` = `next`, until it stays the same."""

    decisions: list[Decision]
    next: int
