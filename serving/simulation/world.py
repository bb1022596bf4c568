"""The world of the simulation: every parameter, read from one file and checked."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.errors import FrontlineError
from models.working_time import Shift
from models.yaml_file import read_yaml

SHIPPED = Path(__file__).with_name("world.yaml")
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class InvalidWorld(FrontlineError):
    """A world file that cannot be used."""

    code, status = "invalid_world", 422


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arrivals(_Frozen):
    """Weights of the 24 hours of a day (UTC) and of the seven days from Monday."""

    hours: Annotated[list[Amount], Field(min_length=24, max_length=24)]
    days: Annotated[list[Amount], Field(min_length=7, max_length=7)]


class SeverityMix(_Frozen):
    """How often a violation is one step less, or more, severe than its category usually is."""

    lower: Share
    higher: Share


class Kind(_Frozen):
    """One kind of content: its share, its views, the mix of their shapes, and how often a platform states them."""

    share: Amount
    median_views: Positive
    spread: Amount
    fast: Amount
    slow: Amount
    burst: Amount
    stated: Share


class FastCurve(_Frozen):
    """Exponential decay."""

    half_life_hours: Positive


class SlowCurve(_Frozen):
    """Power law of age + `offset_hours`, over so many days."""

    exponent: Annotated[float, Field(gt=1)]
    offset_hours: Positive
    days: Positive


class BurstCurve(_Frozen):
    """A share decays as `fast` does; the rest comes in one later burst."""

    early: Share
    delay_hours: Positive
    width_hours: Positive


class Curves(_Frozen):
    """The shapes of views over time; hours are medians, `spread` that of their logarithm."""

    spread: Amount
    fast: FastCurve
    slow: SlowCurve
    burst: BurstCurve


class Reports(_Frozen):
    """How many reports a case gathers after its first."""

    mean_if_violating: Amount
    mean_if_not: Amount
    dispersion: Positive
    by_views: Amount
    most: Annotated[int, Field(ge=0)]


class Reporters(_Frozen):
    """Who reports: how often they are right (Beta), how much they filed, and how old their accounts are."""

    number: Annotated[int, Field(gt=0)]
    right: tuple[Positive, Positive]
    filed_median: Positive
    filed_spread: Amount
    no_history: Share
    age_median: Positive
    age_spread: Amount


class Brigades(_Frozen):
    """Bursts of reports by new accounts."""

    if_violating: Share
    if_not: Share
    least: Annotated[int, Field(ge=1)]
    mean: Positive
    hours: Positive
    right: Share
    account_days: Amount


class IfViolating(_Frozen):
    """A mean that depends on whether a content violates."""

    if_violating: Amount
    if_not: Amount


class Team(_Frozen):
    """So many reviewers who work the same shift."""

    reviewers: Annotated[int, Field(gt=0)]
    shift: Shift


class Review(_Frozen):
    """Minutes of one review: log-normal, medians by true severity 0 to 4."""

    minutes: Annotated[list[Positive], Field(min_length=5, max_length=5)]
    spread: Amount


class Scenario(_Frozen):
    """What views say: their correlation with severity, and whether reports state them at all."""

    link: Annotated[float, Field(ge=-1, le=1)]
    stated: bool


class World(_Frozen):
    """Everything that a run depends on besides its seed and the policy; `world.yaml` says what each means and why."""

    version: str
    weeks: Annotated[int, Field(gt=0)]
    arrivals: Arrivals
    violating: Share
    categories: Annotated[dict[str, Positive], Field(min_length=1)]
    severity: SeverityMix
    severity_weight: Annotated[list[Amount], Field(min_length=5, max_length=5)]
    severity_separation: Annotated[list[Amount], Field(min_length=3, max_length=3)]
    kinds: Annotated[dict[str, Kind], Field(min_length=1)]
    curves: Curves
    reports: Reports
    right_reason: Share
    reporters: Reporters
    brigades: Brigades
    prior_violations: IfViolating
    teams: Annotated[list[Team], Field(min_length=1)]
    review: Review
    scenarios: Annotated[dict[str, Scenario], Field(min_length=1)]
    utilisations: Annotated[list[Positive], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not sum(self.arrivals.hours) or not sum(self.arrivals.days) or not sum(k.share for k in self.kinds.values()):
            raise ValueError("the weights of hours, of days and of kinds must not all be 0")
        if any(not kind.fast + kind.slow + kind.burst for kind in self.kinds.values()):
            raise ValueError("a kind of content needs a shape: fast, slow or burst")
        if self.severity.lower + self.severity.higher > 1:
            raise ValueError("severity.lower and severity.higher are more than 1 together")
        return self

    @classmethod
    def read(cls, path: Path = SHIPPED) -> Self:
        """Read and check a world file, by default the shipped one. Raises InvalidWorld."""
        return read_yaml(cls, path, InvalidWorld, "world")

    @property
    def hours(self) -> float:
        """How long a run lasts."""
        return self.weeks * 168.0
