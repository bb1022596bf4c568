"""What comes out: the score of one report, as the contract has it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.policy import Lane

Probability = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ModelRef(_Part):
    """Which bundle gave the score."""

    name: str
    version: str
    bundle: str


class Violation(_Part):
    """Calibrated P(any policy violation) with its 95 % interval; null where the model abstains.

    The interval alone is null where the bundle knows none.
    """

    probability: Probability | None
    interval: tuple[Probability, Probability] | None


class CategoryScore(_Part):
    """One category of the taxonomy. `probability` is null where no model speaks of it."""

    category: str
    probability: Probability | None
    threshold: Probability | None
    flagged: bool
    source: Literal["model", "reason", "rule", "none"]


class SeverityScore(_Part):
    """Severity 0 none … 4 critical: its distribution, its mean, and the mean's name."""

    expected: Annotated[float, Field(ge=0, le=4)]
    level: Literal["none", "low", "medium", "high", "critical"]
    distribution: tuple[Probability, Probability, Probability, Probability, Probability]


class Component(_Part):
    """One part of the priority: its own value, and how much of the priority it makes up."""

    name: str
    value: float
    contribution: float


class Priority(_Part):
    """Where in the queue, and why. `value` orders cases inside a lane, higher first."""

    value: float
    lane: Lane
    due_at: datetime
    components: list[Component]


class Span(_Part):
    """Code points [start, end) of the text as sent that moved the score of a category, by `weight` in log-odds."""

    start: int
    end: int
    category: str
    weight: float


class Reason(_Part):
    """One fact of the metadata that moved the score."""

    code: str
    text: str
    direction: Literal["raises", "lowers"]


class Hints(_Part):
    """What the model shows a reviewer."""

    spans: list[Span]
    reasons: list[Reason]


class Score(_Part):
    """The score of one report."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "report_id": "r-123",
                    "score_id": "3f0c9a7be1d24a55",
                    "model": {"name": "frontline", "version": "2026.11.22", "bundle": "sha256:8c1f…"},
                    "violation": {"probability": 0.93, "interval": [0.88, 0.96]},
                    "categories": [
                        {
                            "category": "harassment",
                            "probability": 0.91,
                            "threshold": 0.55,
                            "flagged": True,
                            "source": "model",
                        }
                    ],
                    "severity": {"expected": 2.1, "level": "medium", "distribution": [0.07, 0.1, 0.5, 0.3, 0.03]},
                    "priority": {
                        "value": 87.4,
                        "lane": "standard",
                        "due_at": "2026-11-23T09:00:00Z",
                        "components": [{"name": "target_harm", "value": 3.2, "contribution": 52.0}],
                    },
                    "hints": None,
                    "warnings": [],
                    "abstained": False,
                }
            ]
        }
    )

    report_id: str
    score_id: str
    model: ModelRef
    violation: Violation
    categories: list[CategoryScore]
    severity: SeverityScore | None  # null where the model abstains and no rule or reason fixes it
    priority: Priority
    hints: Hints | None = None
    warnings: list[str] = Field(
        default=[],
        description="`truncated`: only the beginning of the text was read. The model abstains on `no_text`, "
        "`language_unsupported` and `out_of_distribution`; `metadata_only` then says that the priority rests on the "
        "metadata, the reason and the rules alone. `unknown_field:<path>`: a field that the contract does not know. "
        "`unknown_reason`: the stated reason maps to no category.",
    )
    abstained: bool
