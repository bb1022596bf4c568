"""Replaying what happened: an operator's own cases in another order, decided at the very moments at which they were."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.errors import FrontlineError
from models.policy import LANES, Policy
from models.priority import prioritise
from models.report import Content, Exposure, Name, Report, Time
from models.score import CategoryScore, Priority, SeverityScore
from models.taxonomy import Severity, Taxonomy
from serving.files import read_records
from serving.simulation.curves import Floats
from serving.simulation.engine import Queue
from serving.simulation.measure import CRITICAL, HARM, HIGH, HOURS, WORST
from serving.simulation.queues import Fixed, Lanes
from serving.simulation.ranking import OURS
from serving.simulation.scores import Places
from serving.simulation.staffing import START

AS_IT_WAS = "as it was"
FLAGGED = 0.5  # the score from which a history's category counts as flagged, as it says no thresholds
Views = Annotated[float, Field(ge=0, le=10**12)]


class InvalidHistory(FrontlineError):
    """A history that cannot be replayed."""

    code, status = "invalid_history", 422


class DecidedCase(BaseModel):
    """One decided case of a history. `severity` is what was decided; `score` is P(violation), `expected_severity` the
    mean severity and `reports` the number of reports, all as they were when it came; `views` are readings of how often
    it had been seen, by time.
    """

    model_config = ConfigDict(frozen=True)

    received_at: AwareDatetime
    decided_at: AwareDatetime
    severity: Annotated[int, Field(ge=0, le=4)]
    score: Annotated[float, Field(ge=0, le=1)]
    expected_severity: Annotated[float, Field(ge=0, le=4)] | None = None
    category: str | None = None
    kind: Name | None = None
    created_at: Time | None = None
    views_per_hour: Views | None = None
    reports: Annotated[int, Field(ge=1)] = 1
    views: list[tuple[AwareDatetime, Views]] = []

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, row: Any) -> Any:
        """Cells that a table leaves empty say nothing; of Parquet they are no numbers."""
        if not isinstance(row, dict):
            return row
        return {key: value for key, value in row.items() if value not in (None, "") and value == value}

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.decided_at < self.received_at:
            raise ValueError("decided_at is before received_at")
        counts = [count for _, count in sorted(self.views)]
        if counts != sorted(counts):
            raise ValueError("views falls, but all views up to a moment never become fewer")
        return self

    def seen(self, until: datetime) -> float:
        """Views from when it came until then: even between two readings, none after the last."""
        if not self.views:
            return 0.0
        times, counts = zip(*sorted(self.views), strict=True)
        moments = [moment.timestamp() for moment in times]
        before, after = np.interp([self.received_at.timestamp(), until.timestamp()], moments, counts)
        return float(after - before)

    @property
    def first_views(self) -> float | None:
        """Views when it came; None where nobody read them by then."""
        known = [count for moment, count in sorted(self.views) if moment <= self.received_at]
        return known[-1] if known else None


def read(path: Path) -> list[DecidedCase]:
    """Read a history, in the order in which cases came. Raises MissingData or InvalidHistory."""
    found = []
    for number, row in enumerate(read_records(path), 1):
        try:
            found.append(DecidedCase.model_validate(row))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"])) or "row"
            raise InvalidHistory(f"row {number} of {path.name}: {where}: {first['msg']}") from None
    if not found:
        raise InvalidHistory(f"{path.name} holds no cases")
    return sorted(found, key=lambda case: case.received_at)


@dataclass(frozen=True)
class Replayed:
    """What an order came to: of n cases the figures of `measure` that a history can tell, and those alone."""

    n: int
    figures: dict[str, float]


def replay(history: Sequence[DecidedCase], policy: Policy, taxonomy: Taxonomy) -> dict[str, Replayed]:
    """Decide the cases of a history in the order of each policy.

    Whenever a case was decided, the first of those that have come is decided instead; so the reviewers, their shifts
    and their pace are those of the history, and only that some cases take longer than others is lost.
    """
    cases = np.arange(len(history))
    ones = np.array([case.score for case in history])
    expected = np.array([_severity(case, taxonomy).expected for case in history])
    views = np.array(
        [policy.exposure.unknown(case.kind) if case.first_views is None else case.first_views for case in history]
    )
    keys: dict[str, Floats] = {
        "first come": -cases.astype(float),
        "report count": np.array([float(case.reports) for case in history]),
        "probability": ones,
        "severity": expected,
        "severity × views": expected * np.maximum(views, 1),
    }
    queues: dict[str, Queue] = {name: Fixed(cases, key) for name, key in keys.items()}
    queues[OURS] = Lanes(policy, cases, _places(history, policy, taxonomy))
    found = {AS_IT_WAS: [case.decided_at for case in history]}
    found |= {name: _decided(history, queue) for name, queue in queues.items()}
    return {name: _measured(history, policy, decided) for name, decided in found.items()}


def _decided(history: Sequence[DecidedCase], queue: Queue) -> list[datetime]:
    """When each case is decided in a queue's order."""
    found: list[datetime] = [history[0].decided_at] * len(history)
    coming = 0
    for moment in sorted(case.decided_at for case in history):
        while coming < len(history) and history[coming].received_at <= moment:
            queue.report(coming)
            coming += 1
        case = queue.next((moment - START).total_seconds() / 3600)
        if case is None:  # cannot be: by then as many have come as were decided
            raise RuntimeError("nothing waits where a case was decided")
        found[case] = moment
    return found


def _measured(history: Sequence[DecidedCase], policy: Policy, decided: Sequence[datetime]) -> Replayed:
    pairs = list(zip(history, decided, strict=True))
    waits = np.array([(at - case.received_at).total_seconds() / 3600 for case, at in pairs])
    weights = np.array([policy.severity_harm[case.severity] for case in history])
    figures = {
        HARM: sum(policy.severity_harm[case.severity] * case.seen(at) for case, at in pairs) / 1000,
        HOURS: float(weights @ waits) / 1000,
        WORST: float(waits.max()),
    }
    for name, severity in ((CRITICAL, Severity.CRITICAL), (HIGH, Severity.HIGH)):
        lane = policy.lane_of_severity(severity)
        kept = [at <= policy.due(lane, case.received_at) for case, at in pairs if case.severity == severity]
        figures[name] = float(np.mean(kept)) if kept else float("nan")
    return Replayed(len(history), figures)


def _places(history: Sequence[DecidedCase], policy: Policy, taxonomy: Taxonomy) -> Places:
    placed = [_priority(case, policy, taxonomy) for case in history]
    ranks = [
        policy.rank(place.lane, place.value, case.received_at) for place, case in zip(placed, history, strict=True)
    ]
    return Places(
        np.array([LANES.index(place.lane) for place in placed]),
        np.array([place.value for place in placed]),
        np.array(ranks),
    )


def _priority(case: DecidedCase, policy: Policy, taxonomy: Taxonomy) -> Priority:
    flagged = case.score >= FLAGGED
    key = case.category if case.category in taxonomy.keys else None
    categories = (
        [CategoryScore(category=key, probability=case.score, threshold=FLAGGED, flagged=flagged, source="model")]
        if key
        else []
    )
    views = case.first_views
    report = Report(
        report_id="history",
        content=Content(kind=case.kind, created_at=case.created_at),
        exposure=Exposure(views=None if views is None else int(views), views_per_hour=case.views_per_hour),
    )
    severity = _severity(case, taxonomy)
    return prioritise(report, taxonomy, policy, categories, severity, case.score, case.received_at)


def _severity(case: DecidedCase, taxonomy: Taxonomy) -> SeverityScore:
    """A distribution with the mean that the history says, on two neighbouring steps above none; without one, a
    violation is as severe as its category usually is, or medium.
    """
    usual = int(taxonomy[case.category].base_severity) if case.category in taxonomy.keys else int(Severity.MEDIUM)
    mean = usual * case.score if case.expected_severity is None else case.expected_severity
    given = min(max(mean / case.score, 1.0), 4.0) if case.score else 1.0
    shares = [0.0] * 5
    low = min(int(given), 3)
    shares[0] = 1 - case.score
    shares[low] += case.score * (low + 1 - given)
    shares[low + 1] += case.score * (given - low)
    level = Severity(min(int(mean + 0.5), 4)).name.lower()
    return SeverityScore(expected=mean, level=level, distribution=tuple(shares))  # type: ignore[arg-type]
