"""The operating policy: what ships, what is refused, and the order that it gives."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidPolicy
from models.policy import LANES, SHIPPED, Policy
from models.taxonomy import Severity, Taxonomy

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[Edit], Policy]:
    """The shipped policy after an edit."""

    def make(edit: Edit) -> Policy:
        raw = yaml.safe_load(SHIPPED.read_text("utf-8"))
        edit(raw)
        (tmp_path / "policy.yaml").write_text(yaml.safe_dump(raw), "utf-8")
        return Policy.read(tmp_path / "policy.yaml")

    return make


def test_it_names_every_category_and_every_severity_has_a_lane(policy: Policy, taxonomy: Taxonomy) -> None:
    assert set(policy.categories) == set(taxonomy.keys)
    assert [policy.lane_of_severity(level) for level in Severity] == ["low", "low", "standard", "high", "critical"]


def test_floors(policy: Policy) -> None:
    assert policy.of("sexual_minors").floor == "specialist"
    assert policy.of("self_harm").floor == "critical"


def test_each_category_has_a_lane_that_keeps_its_service_level(policy: Policy) -> None:
    for key, level in policy.categories.items():
        assert policy.lane(policy.lane_of_category(key)).service_level_hours <= level.service_level_hours


def test_a_category_that_is_not_named_has_the_default(policy: Policy) -> None:
    assert policy.of("zorbleflax") == policy.default


def test_views_that_are_not_known_are_those_of_the_kind(edited: Callable[[Edit], Policy]) -> None:
    found = edited(lambda raw: raw["exposure"].update(unknown_views_of={"video": 5000}))
    assert [found.forecast(None, None, 3, kind) for kind in ("video", "comment")] == [5000, 100]
    assert found.forecast(None, None, None, None) == 100


def test_views_still_to_come_follow_from_rate_and_age(policy: Policy) -> None:
    hours = policy.exposure.forecast_hours
    assert policy.forecast(None, 10, None, "video") == 10 * hours
    assert policy.forecast(700, None, 5, "video") == 700  # half of all views are still to come when somebody reports
    forecasts = [policy.forecast(500, 10, age, None) for age in (1, 10, 100, 10_000)]
    assert forecasts == sorted(forecasts) and forecasts[-1] == pytest.approx(10 * hours, rel=0.01)
    # 50 views in the first quarter of an hour are 200 an hour, although the last hour has had no more than 50.
    assert policy.forecast(50, 50, 0.25, None) == policy.forecast(50, 200, 0.25, None)
    assert policy.forecast(0, 0, -1, None) == 0


def test_a_lane_on_the_working_clock_waits_for_the_team(edited: Callable[[Edit], Policy]) -> None:
    def edit(raw: dict[str, Any]) -> None:
        raw["lanes"][4]["clock"] = "working"
        shift = {"zone": "UTC", "days": ["mon", "tue"], "opens": "09:00", "closes": "17:00"}
        raw["working_hours"] = [shift]

    sunday = datetime.fromisoformat("2026-11-22T09:00+00:00")
    assert edited(edit).due("low", sunday).isoformat() == "2026-12-21T17:00:00+00:00"  # 72 hours in 9 days of 8
    assert edited(edit).due("standard", sunday) == sunday + timedelta(hours=24)


@given(
    lane=st.sampled_from(LANES),
    values=st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)),
    waits=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    later=st.integers(0, 10**6),
)
def test_inside_a_lane_the_order_never_changes_and_across_lanes_waiting_raises(
    policy: Policy, lane: Any, values: tuple[float, float], waits: tuple[int, int], later: int
) -> None:
    now = datetime.fromisoformat("2026-11-22T09:00+00:00")
    first, second = (
        policy.rank(lane, value, now - timedelta(seconds=wait)) for value, wait in zip(values, waits, strict=True)
    )
    ahead = now + timedelta(seconds=later)
    assert (policy.urgency(lane, first, now) < policy.urgency(lane, second, now)) == (first < second)
    assert policy.urgency(lane, first, ahead) >= policy.urgency(lane, first, now)


def test_the_weight_of_a_case_doubles_as_said(policy: Policy) -> None:
    now = datetime.fromisoformat("2026-11-22T09:00+00:00")
    for level in policy.lanes:
        rank = policy.rank(level.lane, 200, now)
        doubled = policy.rank(level.lane, 400, now + timedelta(hours=level.doubling_hours))
        assert rank == pytest.approx(doubled, abs=1e-6)


def test_nothing_waits_for_ever(policy: Policy) -> None:
    """A nearly harmless case overtakes the worst new one of its lane, and of every other, in bounded time."""
    now = datetime.fromisoformat("2026-11-22T09:00+00:00")
    old = policy.rank("low", 0, now)
    months = now + timedelta(days=60)
    for lane in LANES:
        assert policy.urgency("low", old, months) > policy.urgency(lane, policy.rank(lane, 10_000, months), months)


def test_a_reporter_without_history_changes_nothing_and_nobody_is_beyond_recovery(policy: Policy) -> None:
    weight = policy.reporters.weight
    assert weight(None, None) == weight(0, 0) == weight(40, 20) == 1
    assert weight(1000, 0) == weight(40, 0) > policy.reporters.least
    assert weight(1020, 20) > weight(1000, 0)


def _remove(key: str) -> Edit:
    return lambda raw: raw.pop(key)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_remove("lanes"), "lanes"),
        (lambda raw: raw["lanes"].reverse(), "in this order"),
        (lambda raw: raw["lanes"].pop(), "in this order"),
        (lambda raw: raw["lanes"][4].update(min_severity=1), "down to 0"),
        (lambda raw: raw["lanes"][0].update(min_severity=4), "null for specialist"),
        (lambda raw: raw["severity_harm"].pop(), "severity_harm"),
        (lambda raw: raw["severity_harm"].reverse(), "rise"),
        (lambda raw: raw["categories"]["sexual_minors"].pop("floor"), "specialist"),
        (lambda raw: raw["categories"]["spam"]["harm"].update(target=-1), "target"),
        (lambda raw: raw["categories"]["spam"]["harm"].update(target=float("nan")), "target"),
        (lambda raw: raw["categories"]["spam"].update(floor="express"), "floor"),
        (lambda raw: raw["lanes"][1].update(clock="working"), "working_hours"),
        (lambda raw: raw.update(zorbleflax=1), "zorbleflax"),
    ],
)
def test_what_is_refused(edited: Callable[[Edit], Policy], edit: Edit, said: str) -> None:
    with pytest.raises(InvalidPolicy, match=said):
        edited(edit)


@pytest.mark.parametrize("text", ["", "- a list", "lanes: [", "\x00"])
def test_what_is_no_policy_at_all(tmp_path: Path, text: str) -> None:
    (tmp_path / "policy.yaml").write_text(text, "utf-8")
    with pytest.raises(InvalidPolicy):
        Policy.read(tmp_path / "policy.yaml")
