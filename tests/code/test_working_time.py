"""Working time: shifts of several zones, over midnight, over weekends, over the day the clocks change."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.working_time import DAYS, Shift, after, worked

WEEK = ["mon", "tue", "wed", "thu", "fri"]
DUBLIN = Shift(zone="Europe/Dublin", days=WEEK, opens="09:00", closes="17:00")  # type: ignore[arg-type]
MANILA = Shift(zone="Asia/Manila", days=list(DAYS), opens="22:00", closes="06:00")  # type: ignore[arg-type]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_without_shifts_every_hour_counts() -> None:
    assert after([], at("2026-11-22T09:00+00:00"), 30) == at("2026-11-23T15:00+00:00")


@pytest.mark.parametrize(
    ("since", "hours", "due"),
    [
        ("2026-11-23T10:00+00:00", 4, "2026-11-23T14:00+00:00"),  # within a Monday
        ("2026-11-23T16:00+00:00", 4, "2026-11-24T12:00+00:00"),  # the rest on Tuesday
        ("2026-11-27T16:30+00:00", 1, "2026-11-30T09:30+00:00"),  # over the weekend
        ("2026-11-22T03:00+00:00", 8, "2026-11-23T17:00+00:00"),  # a Sunday counts from Monday
        ("2026-10-23T16:00+01:00", 2, "2026-10-26T10:00+00:00"),  # the clocks went back meanwhile
    ],
)
def test_one_team(since: str, hours: float, due: str) -> None:
    assert after([DUBLIN], at(since), hours) == at(due)


def test_a_shift_past_midnight() -> None:
    assert after([MANILA], at("2026-11-23T21:00+08:00"), 8) == at("2026-11-24T06:00+08:00")
    assert after([MANILA], at("2026-11-24T05:00+08:00"), 2) == at("2026-11-24T23:00+08:00")


def test_hours_in_which_two_teams_work_count_once() -> None:
    later = Shift(zone="Europe/Dublin", days=WEEK, opens="12:00", closes="20:00")  # type: ignore[arg-type]
    assert after([DUBLIN, later], at("2026-11-23T09:00+00:00"), 11) == at("2026-11-23T20:00+00:00")


@given(
    zones=st.lists(st.sampled_from(["Pacific/Auckland", "Pacific/Honolulu", "Asia/Kolkata", "UTC"]), min_size=1),
    opens=st.integers(0, 23),
    length=st.integers(1, 23),
    since=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    hours=st.floats(0.01, 100),
)
def test_exactly_so_much_working_time_has_passed(
    zones: list[str], opens: int, length: int, since: datetime, hours: float
) -> None:
    shifts = [
        Shift(zone=zone, days=list(DAYS)[: 1 + i], opens=time(opens), closes=time((opens + length) % 24))
        for i, zone in enumerate(zones[:7])
    ]
    due = after(shifts, since, hours)
    passed, last = timedelta(), since
    for start, end in worked(shifts, since):
        assert last <= start < end
        if start >= due:
            break
        passed, last = passed + min(end, due) - start, end
    assert passed == pytest.approx(timedelta(hours=hours), abs=timedelta(milliseconds=1))


def test_hours_without_quotes_are_refused() -> None:
    with pytest.raises(ValidationError, match="in quotes"):  # YAML reads 17:00 as 1020
        Shift.model_validate({"zone": "UTC", "days": ["mon"], "opens": "09:00", "closes": 1020})
    with pytest.raises(ValidationError, match="`zone` says"):
        Shift.model_validate({"zone": "UTC", "days": ["mon"], "opens": "09:00Z", "closes": "17:00"})


@pytest.mark.parametrize(
    "wrong", [{"zone": "Europe/Atlantis"}, {"closes": "09:00"}, {"days": []}, {"days": ["funday"]}]
)
def test_what_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Shift.model_validate({"zone": "UTC", "days": ["mon"], "opens": "09:00", "closes": "17:00"} | wrong)
