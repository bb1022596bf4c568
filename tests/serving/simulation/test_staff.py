"""How many reviewers hold the service levels, and the demand that they meet."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from models.policy import LANES, Policy
from models.taxonomy import Taxonomy
from models.working_time import Shift
from serving.review.imports import import_rows
from serving.review.past import Reading
from serving.runtime import Runtime
from serving.simulation import demand, staff
from serving.simulation.run import Plan
from serving.simulation.staffing import START, due
from serving.store.tables import cases


def test_erlang_c_is_that_of_the_tables() -> None:
    assert staff.erlang_c(1, 0.8) == pytest.approx(0.8)
    assert staff.erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert staff.erlang_c(10, 8.0) == pytest.approx(0.4092, abs=1e-4)
    assert staff.erlang_c(2, 2.0) == 1.0


def test_the_working_clock_is_the_policys_own(policy: Policy) -> None:
    lanes = [level.model_copy(update={"clock": "working", "service_level_hours": 8}) for level in policy.lanes]
    shifts = [Shift(zone="Europe/Lisbon", days=["mon", "tue", "wed", "thu", "fri"], opens="09:00", closes="17:00")]
    working = policy.model_copy(update={"lanes": lanes, "working_hours": shifts})
    arrival = np.array([0.0, 8.0, 8.5, 15.9, 16.5, 100.0, 120.25, 167.0])
    expected = [working.due("high", START + timedelta(hours=each)) for each in arrival]
    found = due(working, "high", arrival, 400)
    assert found == pytest.approx([(moment - START) / timedelta(hours=1) for moment in expected], abs=1e-6)
    assert due(working, "high", np.array([393.0]), 400) == np.inf
    assert due(policy, "high", arrival, 400) == pytest.approx(arrival + policy.lane("high").service_level_hours)


def test_a_lane_on_the_working_clock_needs_nobody_at_night(policy: Policy) -> None:
    lanes = [level.model_copy(update={"clock": "working"}) for level in policy.lanes]
    shifts = [Shift(zone="UTC", days=["mon", "tue", "wed", "thu", "fri"], opens="09:00", closes="17:00")]
    working = policy.model_copy(update={"lanes": lanes, "working_hours": shifts})
    hourly = np.zeros((168, len(LANES)))
    hourly[:, LANES.index("high")] = 1.0
    by_day = np.zeros((7, 24), np.int64)
    by_day[:5, 9:17] = 3
    wanted = staff.Demand(hourly, np.full(len(LANES), 5.0), 0.5)
    assert staff.simulate(wanted, working, by_day.ravel(), 0.95, seed=1).holds
    assert not staff.simulate(wanted, policy, by_day.ravel(), 0.95, seed=1).holds


def test_the_staff_that_is_found_holds_and_less_would_not(policy: Policy) -> None:
    hourly = np.zeros((168, len(LANES)))
    hourly[:, LANES.index("high")], hourly[:, LANES.index("low")] = 2.0, 3.0
    wanted = staff.Demand(hourly, np.array([10.0, 4.0, 12.0, 1.5, 6.0]), 0.5)
    found = staff.needed(wanted, policy, 0.8)
    work = float((hourly * wanted.minutes / 60).sum())
    assert set(found.in_time) == {"high", "low"} and all(share > 0.8 for share in found.in_time.values())
    assert work < found.hours < 4 * work
    assert not staff.simulate(wanted, policy, found.reviewers // 2, 0.8, seed=1).holds


def test_the_demand_of_a_world(plan: Plan) -> None:
    found = demand.of_world(plan, 700)
    assert found.arrivals.sum() == pytest.approx(700)
    assert found.arrivals.argmax() // len(LANES) // 24 == 6  # the last day is the busiest
    assert (found.minutes > 0).all()


def test_a_target_that_reviews_alone_miss_is_refused(policy: Policy) -> None:
    hourly = np.zeros((168, len(LANES)))
    hourly[:, LANES.index("critical")] = 1.0
    brief = policy.model_copy(
        update={"lanes": [level.model_copy(update={"service_level_hours": 0.1}) for level in policy.lanes]}
    )
    with pytest.raises(staff.UnreachableTarget, match=r"no staff decides .* of lane critical"):
        staff.needed(staff.Demand(hourly, np.full(len(LANES), 4.0), 0.7), brief, 0.95)
    with pytest.raises(staff.UnreachableTarget, match="more than 10,000"):
        staff.enough(staff.MOST, 60.0, 1.0, 0.95)


def test_the_demand_of_a_store_is_what_was_reported(
    runtime: Runtime, desk_of: Callable[..., Any], team: Any, report: Any, accept: Any, taxonomy: Taxonomy
) -> None:
    desk = desk_of()
    accept(runtime.store, runtime.scorer, [report(f"r-{i}", f"good day {i}") for i in range(3)], desk.now, 0)
    desk.decide(team.reviewer, desk.claim(team.reviewer))
    copied = desk.claim(team.reviewer).case_id
    with runtime.store.write() as connection:
        connection.execute(update(cases).where(cases.c.id == copied).values(copy_of="a golden case"))
    reading = Reading({field: field for field in ("text", "outcome")}, taxonomy, desk.policy, {}, {})
    old = [{"text": "Some time ago", "outcome": "no_violation"}]
    list(import_rows(runtime.store, reading, old, lambda *_: None, desk.now, dry_run=False))
    assert demand.of_store(runtime.store, desk.policy, 1, desk.now).arrivals.sum() == 2


def test_cases_that_are_looked_at_again_count_again(
    runtime: Runtime, desk_of: Callable[..., Any], team: Any, report: Any, accept: Any
) -> None:
    desk = desk_of(double_share=1)
    accept(runtime.store, runtime.scorer, [report(f"r-{i}", f"good day {i}") for i in range(10)], desk.now, 0)
    for who in [team.reviewer] * 10 + [team.reviewer2] * 10:
        desk.decide(who, desk.claim(who))
    found = demand.of_store(runtime.store, desk.policy, 1, desk.now)
    assert found.arrivals.sum() == pytest.approx(20)


def test_the_spread_of_minutes_is_that_inside_lanes() -> None:
    lane, minutes = np.repeat([0, 1], 20), np.repeat([1.0, 20.0], 20)
    assert demand._spread(lane, minutes) == pytest.approx(0, abs=1e-9)
    assert demand._spread(lane, minutes * np.tile([0.5, 2.0], 20)) == pytest.approx(np.log(2), rel=0.05)
