"""Working time: clocks that only run while some team is at work, whatever its time zone."""

import heapq
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Stretch = tuple[datetime, datetime]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone such as Europe/Dublin") from None
    return name


def _clock(value: object) -> object:
    # YAML reads 18:00 as a number in base 60, which would pass for seconds.
    if isinstance(value, int | float):
        raise ValueError('is a number; write the time in quotes, such as "18:00"')
    return value


def _local(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("names a time zone of its own; `zone` says which one holds")
    return value


Clock = Annotated[time, BeforeValidator(_clock), AfterValidator(_local)]


class Shift(BaseModel):
    """When one team works: on these days, from `opens` to `closes` by the clocks of its zone, past midnight where it
    closes earlier than it opens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    zone: Annotated[str, AfterValidator(_zone)]
    days: Annotated[list[Day], Field(min_length=1)]
    opens: Clock
    closes: Clock

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.opens == self.closes:
            raise ValueError("opens and closes are the same time; a shift around the clock is 00:00 to 23:59:59")
        return self

    def stretches(self, since: date) -> Iterator[Stretch]:
        """When it works, in UTC, from a day of its own calendar on."""
        zone, overnight = ZoneInfo(self.zone), timedelta(days=self.closes < self.opens)
        for number in count():
            day = since + timedelta(days=number)
            if DAYS[day.weekday()] in self.days:
                opens, closes = (
                    datetime.combine(on, at, zone).astimezone(UTC)
                    for on, at in ((day, self.opens), (day + overnight, self.closes))
                )
                yield opens, closes


def worked(shifts: Sequence[Shift], since: datetime) -> Iterator[Stretch]:
    """The stretches of time in which any of some shifts works, from a moment on, in order and without overlap."""
    reached = since.astimezone(UTC)
    first = reached.date() - timedelta(days=2)  # what began then may not have ended, in any zone
    for start, end in heapq.merge(*(shift.stretches(first) for shift in shifts)):
        if end > reached:
            yield max(start, reached), end
            reached = end


def after(shifts: Sequence[Shift], since: datetime, hours: float) -> datetime:
    """The moment when so many hours of working time have passed; of any time, where there are no shifts."""
    left = timedelta(hours=hours)
    for start, end in worked(shifts, since):
        if end - start >= left:
            return start + left
        left -= end - start
    return since + left
