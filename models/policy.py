"""The operating policy: what harm weighs, how soon each lane must be worked, and what never waits for a model."""

import hashlib
import math
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.errors import InvalidPolicy
from models.taxonomy import Severity
from models.working_time import Shift, after
from models.yaml_file import read_yaml

Lane = Literal["specialist", "critical", "high", "standard", "low"]
LANES: tuple[Lane, ...] = get_args(Lane)  # most urgent first
SPECIALIST: Lane = "specialist"
SHIPPED = Path(__file__).with_name("policy.yaml")
SEVERITIES = len(Severity)
TINY = 1e-6  # a weight above nothing
YOUNGEST = 0.05  # hours; of a content younger than that no rate can be told
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LaneLevel(_Frozen):
    """One lane: how soon its cases are due, from which severity a case belongs in it (none: by a floor alone), in how
    many hours of waiting the weight of a case doubles, what it weighs at least, and how long one takes.
    """

    lane: Lane
    service_level_hours: Positive
    min_severity: Severity | None
    doubling_hours: Positive
    least_weight: Weight
    minutes_per_case: Positive
    clock: Literal["always", "working"] = "always"


class Harm(_Frozen):
    """Harm of one clear case, in units of one clear case of harassment."""

    target: Weight  # to the person aimed at, whatever the audience
    spread: Weight  # by reaching its audience, per 1,000 further viewers


class CategoryLevel(_Frozen):
    """What follows from a category: its harm, the longest that a flagged case waits, and the lane that a report naming
    it goes to at once.
    """

    harm: Harm
    service_level_hours: Positive
    floor: Lane | None = None


class Exposure(_Frozen):
    """How views still to come are forecast."""

    forecast_hours: Positive
    unknown_views: Weight
    unknown_views_of: dict[str, Weight] = {}

    def unknown(self, kind: str | None) -> float:
        """The views that a content of this kind is taken to have where nobody states them."""
        return self.unknown_views_of.get(kind or "", self.unknown_views)


class Reporters(_Frozen):
    """How far a reporter's history moves harm: between `least` and 2 - `least`."""

    prior_reports: Positive
    most_reports: Annotated[int, Field(gt=0)]
    least: Annotated[float, Field(ge=0, le=1)]

    def weight(self, filed: int | None, upheld: int | None) -> float:
        """What harm is multiplied with: 1 for a reporter without history.

        Posterior mean of the share of upheld reports under a Beta prior with mean 1/2 that counts as `prior_reports`.
        """
        if not filed or upheld is None:
            return 1.0
        counted = min(filed, self.most_reports)
        share = min(upheld, filed) / filed
        mean = (share * counted + self.prior_reports / 2) / (counted + self.prior_reports)
        return self.least + (1 - self.least) * 2 * mean


class Brigades(_Frozen):
    """When reports on one case are a brigade: at least so many within the window, of which at least this share by
    reporters whose account is this new or whose history weighs less than this.
    """

    window_hours: Positive
    reports: Annotated[int, Field(ge=2)]
    share: Annotated[float, Field(gt=0, le=1)]
    new_account_days: Weight
    least_weight: Weight


class Quality(_Frozen):
    """How much of the work checks reviews: the share of claims that are golden cases, and of decided cases that another
    reviewer looks at too.
    """

    golden_share: Share = 0
    double_share: Share = 0


class Care(_Frozen):
    """What reviewers are spared: a break is offered after so many minutes of work without a rest of at least
    `break_minutes`; after so many severe cases in a row comes a lighter one, and past so many in 24 hours none; the
    on-call contact hears of what nobody is there for this long before it is due.
    """

    break_after_minutes: Positive = 55
    break_minutes: Positive = 10
    severe_from: Severity = Severity.HIGH
    severe_in_a_row: Annotated[int, Field(ge=1)] = 3
    severe_per_day: Annotated[int, Field(ge=0)] = 60
    on_call_minutes: Positive = 20


class Policy(_Frozen):
    """Everything that follows from a score besides the score itself."""

    version: Annotated[str, Field(min_length=1, max_length=64)]
    lanes: list[LaneLevel]
    severity_harm: Annotated[list[Weight], Field(min_length=SEVERITIES, max_length=SEVERITIES)]
    exposure: Exposure
    reporters: Reporters
    brigades: Brigades
    quality: Quality = Quality()
    care: Care = Care()
    trusted_floor: Lane
    abstained_floor: Lane
    working_hours: list[Shift] = []
    default: CategoryLevel
    categories: dict[str, CategoryLevel]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if tuple(level.lane for level in self.lanes) != LANES:
            raise ValueError(f"lanes must be {', '.join(LANES)}, in this order")
        steps = [level.min_severity for level in self.lanes if level.min_severity is not None]
        if self.lanes[0].min_severity is not None or steps != sorted(set(steps), reverse=True) or steps[-1:] != [0]:
            raise ValueError("min_severity must fall from lane to lane down to 0, and be null for specialist")
        if self.care.severe_from not in steps:
            raise ValueError("care.severe_from must be the min_severity of a lane: a lane is severe as a whole or not")
        if self.severity_harm != sorted(self.severity_harm):
            raise ValueError("severity_harm must rise with severity")
        if self.of("sexual_minors").floor != SPECIALIST:
            raise ValueError("the floor of sexual_minors must be specialist, as nobody else may see these cases")
        if any(level.clock == "working" for level in self.lanes) and not self.working_hours:
            raise ValueError("a lane is on the working clock, but there are no working_hours")
        return self

    @classmethod
    def read(cls, path: Path = SHIPPED) -> Self:
        """Read and check a policy file, by default the shipped one. Raises InvalidPolicy."""
        return read_yaml(cls, path, InvalidPolicy, "policy")

    @cached_property
    def digest(self) -> str:
        """What tells this policy from every other, whatever its version says."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def of(self, category: str) -> CategoryLevel:
        """What follows from a category."""
        return self.categories.get(category, self.default)

    def lane(self, name: Lane) -> LaneLevel:
        """One lane."""
        return self.lanes[LANES.index(name)]

    def most_urgent(self, lanes: Iterable[Lane]) -> Lane:
        """Of some lanes the one that comes first."""
        return min(lanes, key=LANES.index)

    @property
    def light_lanes(self) -> list[Lane]:
        """The lanes in which no case is severe."""
        severe_from = self.care.severe_from
        return [
            level.lane for level in self.lanes if level.min_severity is not None and level.min_severity < severe_from
        ]

    def is_severe(self, lane: Lane, severity: int | None) -> bool:
        """Whether a case counts as severe for whoever sees it; where no model could tell, its lane says so."""
        return lane not in self.light_lanes if severity is None else severity >= self.care.severe_from

    def lane_of_severity(self, severity: Severity) -> Lane:
        """The lane of a severity."""
        ordinary = (level for level in self.lanes if level.min_severity is not None)
        return next(level.lane for level in ordinary if severity >= (level.min_severity or 0))

    def lane_of_category(self, category: str) -> Lane:
        """The least urgent ordinary lane that still keeps a category's service level."""
        allowed = self.of(category).service_level_hours
        ordinary = [level for level in self.lanes if level.min_severity is not None]
        keeping = [level.lane for level in ordinary if level.service_level_hours <= allowed]
        return keeping[-1] if keeping else ordinary[0].lane

    def rank(self, lane: Lane, value: float, since: datetime) -> float:
        """The order inside a lane, higher first, of a case of this priority that has waited since then.

        Delay costs grow exponentially, so that the order of two cases never changes: log2 of the cost now is this plus
        the hours of now ÷ the lane's doubling time.
        """
        level = self.lane(lane)
        return math.log2(max(value, level.least_weight, TINY)) - since.timestamp() / 3600 / level.doubling_hours

    def urgency(self, lane: Lane, rank: float, now: datetime) -> float:
        """The order across lanes, higher first, of a lane's first case: log2 of marginal cost of delay × service rate.

        The generalised cμ rule (van Mieghem 1995; Mandelbaum and Stolyar 2004).
        """
        level = self.lane(lane)
        return rank + now.timestamp() / 3600 / level.doubling_hours - math.log2(level.minutes_per_case)

    def due(self, lane: Lane, received_at: datetime) -> datetime:
        """When a case of a lane breaches its service level."""
        level = self.lane(lane)
        shifts = self.working_hours if level.clock == "working" else []
        return after(shifts, received_at, level.service_level_hours)

    def forecast(
        self, views: int | None, views_per_hour: float | None, age_hours: float | None, kind: str | None
    ) -> float:
        """Views still to come in the next `forecast_hours` of a content that has had so many and gets so many an hour.

        The rate falls as one over the age of the content, the middle of what is measured (Crane and Sornette 2008;
        Simkin and Roychowdhury 2015), so that rate × age × ln(1 + hours ÷ age) come; where the age is not said, rate ×
        hours. Without a rate, as many again as it has had: somebody who reports is one of its viewers at random, and so
        half of all views, in the median, are still to come. Without either, those of its kind.
        """
        known = self.exposure
        if views_per_hour is None:
            return known.unknown(kind) if views is None else float(views)
        if age_hours is None:
            return views_per_hour * known.forecast_hours
        age = max(age_hours, YOUNGEST)
        # Within its first hour nobody can have counted a whole one.
        rate = max(views_per_hour, (views or 0) / age) if age < 1 else views_per_hour
        return rate * age * math.log1p(known.forecast_hours / age)
