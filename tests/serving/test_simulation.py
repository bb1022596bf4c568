"""The simulation: a seed gives one run, no case is lost or decided twice, and queues behave as theory says."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sqlalchemy import update
from typer.testing import CliRunner

from models.bundle import Bundle
from models.policy import LANES, Policy
from models.taxonomy import Taxonomy
from models.working_time import Shift
from serving.cli import app
from serving.review.imports import import_rows
from serving.review.past import Reading
from serving.runtime import Runtime
from serving.settings import SHIPPED_BUNDLE
from serving.simulation import demand, history, staff, svg
from serving.simulation.engine import Outcome, serve
from serving.simulation.measure import EFFORT, HARM, STARVED, WORST
from serving.simulation.queues import Fixed, Lanes, Live
from serving.simulation.ranking import NAMES, ORACLE, OURS, UNLIMITED, Scene, flag_weights, queue, severity_views
from serving.simulation.reports import Reporters, views_at
from serving.simulation.run import Figures, Plan, replications
from serving.simulation.scores import Places
from serving.simulation.staffing import START, Cover, due, reviewers, staffed_hours
from serving.simulation.summary import estimate, student, summarise
from serving.simulation.world import SHIPPED, InvalidWorld, World
from serving.store.tables import cases

SMALL: dict[str, Any] = {
    "weeks": 1,
    "teams": [
        {"reviewers": 1, "shift": {"zone": "UTC", "days": ["mon", "tue"], "opens": "08:00", "closes": "14:00"}},
    ],
    "scenarios": {"linked": {"link": 0.2, "stated": True}, "silent": {"link": 0, "stated": False}},
    "utilisations": [0.8, 1.1],
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped world with one reviewer for a week."""
    path = tmp_path_factory.mktemp("world") / "small.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(SHIPPED.read_text("utf-8")) | SMALL), "utf-8")
    return path


@pytest.fixture(scope="module")
def plan(small: Path) -> Plan:
    return Plan(World.read(small), Bundle.read(SHIPPED_BUNDLE), Policy.read())


@pytest.fixture(scope="module")
def scene(plan: Plan) -> Scene:
    return plan.scene("linked", 1)


@pytest.fixture(scope="module")
def figures(plan: Plan) -> list[Figures]:
    return [each for run in replications(plan, [1, 2]) for each in run]


def play(scene: Scene, name: str) -> Outcome:
    reports, world = scene.reports, scene.world
    coming = range(len(reports.case))
    staff = reviewers(world.teams, world.hours)
    return serve(queue(name, scene), coming, reports.case, reports.time, scene.cases.minutes, staff, world.hours)


def test_the_same_seed_gives_the_same_figures(plan: Plan, figures: list[Figures]) -> None:
    again = plan.replicate("linked", 1)
    first = [each for each in figures if each.scenario == "linked" and each.seed == 1]
    assert json.dumps([each.figures for each in again]) == json.dumps([each.figures for each in first])
    other = [each for each in figures if each.scenario == "linked" and each.seed == 2]
    assert again[0].figures[HARM] != other[0].figures[HARM]


@pytest.mark.parametrize("name", NAMES)
def test_no_case_is_lost_or_decided_twice(scene: Scene, name: str) -> None:
    outcome, cases = play(scene, name), scene.cases
    begun = np.isfinite(outcome.begun)
    assert np.array_equal(begun, np.isfinite(outcome.decided))
    assert (outcome.begun[begun] >= cases.arrival[begun] - 1e-9).all()
    assert np.allclose((outcome.decided[begun] - outcome.begun[begun]) * 60, cases.minutes[begun])
    # One reviewer: no two reviews overlap, each begins at work, and nobody is idle while a case waits.
    order = np.argsort(outcome.begun[begun])
    starts, ends = outcome.begun[begun][order], outcome.decided[begun][order]
    assert (starts[1:] >= ends[:-1] - 1e-9).all()
    cover = Cover.of(reviewers(scene.world.teams, scene.world.hours))
    assert np.array_equal(cover.next(starts), starts)
    idle = starts[1:] > cover.next(ends[:-1]) + 1e-9
    arrivals = cases.arrival[begun][order][1:]
    assert np.allclose(np.maximum(arrivals, cover.next(arrivals))[idle], starts[1:][idle])
    # What was not decided is what was left when the shift ended.
    waiting = ~begun & (cases.arrival < cover.until[-1])
    assert not waiting.any() or ends[-1] >= cover.until[-1]


def test_all_policies_do_the_same_amount_of_work(scene: Scene) -> None:
    minutes = [scene.cases.minutes[np.isfinite(play(scene, name).begun)].sum() for name in NAMES]
    assert max(minutes) / min(minutes) < 1.05


def test_the_oracle_is_the_best_at_what_it_aims_for_and_more_staff_is_better_still(figures: list[Figures]) -> None:
    for scenario, utilisation, seed in {(each.scenario, each.utilisation, each.seed) for each in figures}:
        harm = {
            each.policy: each.figures[HARM]
            for each in figures
            if (each.scenario, each.utilisation, each.seed) == (scenario, utilisation, seed)
        }
        assert harm[UNLIMITED] <= min(harm.values()) + 1e-9
        assert all(harm[ORACLE] <= harm[name] * 1.001 for name in NAMES)


def test_first_come_first_served_waits_as_theory_says() -> None:
    """An M/M/3 queue at 80 %: mean wait and share that waits, by Erlang-C."""
    rng, n, servers, per_hour, minutes = np.random.default_rng(5), 60_000, 3, 24.0, 6.0
    arrival = np.cumsum(rng.exponential(1 / per_hour, n))
    spent = rng.exponential(minutes, n)
    case, hours = np.arange(n), float(arrival[-1]) + 100
    outcome = serve(Fixed(case, -arrival), case.tolist(), case, arrival, spent, [[(0.0, hours)]] * servers, hours)
    waits = (outcome.begun - arrival)[2000:]
    load = per_hour * minutes / 60
    chance = staff.erlang_c(servers, load)
    assert (waits > 1e-9).mean() == pytest.approx(chance, abs=0.02)
    assert waits.mean() * 60 == pytest.approx(chance * minutes / (servers - load), rel=0.08)
    assert (waits > 0.2).mean() == pytest.approx(staff.waits_longer(servers, per_hour, minutes, 0.2), abs=0.02)


def test_erlang_c_is_that_of_the_tables() -> None:
    assert staff.erlang_c(1, 0.8) == pytest.approx(0.8)
    assert staff.erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert staff.erlang_c(10, 8.0) == pytest.approx(0.4092, abs=1e-4)
    assert staff.erlang_c(2, 2.0) == 1.0


def test_views_only_grow_and_ages_are_where_shares_are_reached(scene: Scene) -> None:
    created, cases = scene.reports.created, scene.cases
    before, after = (views_at(cases, created, np.full(len(cases), hours)) for hours in (50.0, 51.0))
    assert (after >= before - 1e-9).all() and (after <= cases.views * (1 + 1e-9)).all()
    share = np.linspace(0.05, 0.95, len(cases))
    assert np.allclose(cases.curves.share(cases.curves.age(share)), share, atol=1e-3)


def test_reports_come_when_cases_do_and_in_order(scene: Scene) -> None:
    reports = scene.reports
    assert (np.diff(reports.time) >= 0).all()
    _, first = np.unique(reports.case, return_index=True)
    assert np.allclose(reports.time[first], scene.cases.arrival, atol=1e-6)


def test_scenarios_differ_in_nothing_but_what_they_say(plan: Plan, scene: Scene) -> None:
    silent = plan.scene("silent", 1)
    assert np.array_equal(silent.cases.arrival, scene.cases.arrival)
    assert np.array_equal(silent.scores.violation, scene.scores.violation)
    assert not silent.cases.stated.any() and scene.cases.stated.any()


def test_scores_are_real_answers_for_texts_of_the_same_truth(scene: Scene) -> None:
    assert scene.scores.violation[scene.cases.violating].mean() > 0.6
    assert scene.scores.violation[~scene.cases.violating].mean() < 0.25


def test_a_new_key_moves_a_case_and_equal_keys_go_by_arrival() -> None:
    waiting = Fixed(np.array([0, 1, 2, 0]), np.array([1.0, 5.0, 5.0, 9.0]))
    for number in range(4):
        waiting.report(number)
    assert [waiting.next(0) for _ in range(4)] == [0, 1, 2, None]


def test_keys_that_change_with_time_are_those_of_the_moment() -> None:
    def index(now: float, some: Any) -> Any:
        return some * (1.0 if now < 5 else -1.0)

    waiting = Live(np.array([0, 1, 2, 3, 0]), index)
    for number in range(5):
        waiting.report(number)
    assert [waiting.next(now) for now in (4.9, 5.0, 5.0, 5.0, 5.0)] == [3, 0, 1, 2, None]


def test_unstated_views_are_what_our_own_policy_takes(scene: Scene) -> None:
    kinds, cases = list(scene.world.kinds), np.arange(len(scene.cases))
    expected = np.array([each.expected for each in scene.scores.severity])
    taken = (severity_views(scene)(100.0, cases) / expected).round(6)
    message = scene.cases.kind == kinds.index("message")
    assert (taken[message] == 1).all()
    assert (taken[~message & ~scene.cases.stated] == scene.policy.exposure.unknown_views).all()


def test_a_case_that_changes_its_lane_waits_once(policy: Policy) -> None:
    low, high = LANES.index("low"), LANES.index("high")
    places = Places(np.array([low, low, high]), np.zeros(3), np.array([5.0, 4.0, 9.0]))
    waiting = Lanes(policy, np.array([0, 1, 1]), places)
    for number in range(3):
        waiting.report(number)
    assert [waiting.next(0) for _ in range(3)] == [1, 0, None]


def test_flags_weigh_more_from_those_who_were_right() -> None:
    right, wrong, unknown = flag_weights(
        Reporters(np.array([50, 50, -1]), np.array([48, 2, -1]), np.array([500.0, 500.0, 500.0]))
    ).tolist()
    assert right > unknown > wrong == 0


def test_shifts_are_put_together() -> None:
    cover = Cover.of([[(0.0, 8.0), (24.0, 32.0)], [(4.0, 10.0)]])
    assert cover.next(np.array([2.0, 12.0, 40.0])).tolist() == [2.0, 24.0, np.inf]
    assert cover.hours(np.array([5.0, 10.0, 20.0, 28.0])).tolist() == [5.0, 10.0, 10.0, 14.0]
    assert staffed_hours(World.read()) == 288 * World.read().weeks


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


def test_intervals() -> None:
    # Tables of Student's t.
    assert [student(n) for n in (3, 9, 19)] == pytest.approx([3.182, 2.262, 2.093], abs=0.02)
    found = estimate([1.0, 2.0, 3.0, float("nan")])
    assert found.n == 3 and found.value == 2 and found.interval == pytest.approx((2 - 2.484, 2 + 2.484), abs=0.01)


def test_the_summary_compares_seed_by_seed(figures: list[Figures]) -> None:
    found = summarise(figures)
    assert [(each.scenario, each.utilisation) for each in found] == [
        (scenario, utilisation) for scenario in ("linked", "silent") for utilisation in (0.8, 1.1)
    ]
    for each in found:
        assert each.best in set(NAMES) - {OURS, ORACLE}
        assert set(each.less_harm) == set(NAMES) - {OURS, ORACLE}
        assert each.policies[OURS][WORST].n == 2
        assert 0 <= each.policies[OURS][STARVED].value <= 1 and each.policies[OURS][EFFORT].value > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weeks": 0}, "weeks"),
        ({"severity": {"lower": 0.6, "higher": 0.6}}, "more than 1"),
        ({"kinds": {}}, "kinds"),
        ({"teams": []}, "teams"),
        ({"zorbleflax": 1}, "zorbleflax"),
    ],
)
def test_worlds_that_are_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    (tmp_path / "w.yaml").write_text(yaml.safe_dump(yaml.safe_load(SHIPPED.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(InvalidWorld, match=said):
        World.read(tmp_path / "w.yaml")


def _past(minute: int, decided: int, severity: int, score: float, **fields: Any) -> dict[str, Any]:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    moments = {"received_at": start + timedelta(minutes=minute), "decided_at": start + timedelta(minutes=decided)}
    return {**{key: at.isoformat() for key, at in moments.items()}, "severity": severity, "score": score, **fields}


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def past(tmp_path: Path) -> Path:
    """Three cases, decided in the order in which they came, the last of which spreads and is severe."""
    views = [["2026-03-02T09:00:00Z", 0], ["2026-03-02T13:00:00Z", 24_000]]
    rows = [
        _past(0, 60, 0, 0.1),
        _past(1, 120, 1, 0.3, category="spam"),
        _past(2, 180, 4, 0.9, category="violence_threat", expected_severity=3.2, views_per_hour=6000, views=views),
    ]
    return _write(tmp_path / "history.jsonl", rows)


def test_a_history_is_replayed_at_the_moments_of_its_decisions(past: Path, policy: Policy) -> None:
    taxonomy = Bundle.read(SHIPPED_BUNDLE).taxonomy
    found = history.replay(history.read(past), policy, taxonomy)
    was, ours = found[history.AS_IT_WAS].figures, found[OURS].figures
    assert [was[what] for what in (HARM, WORST)] == [found["first come"].figures[what] for what in (HARM, WORST)]
    # From 09:02 to 12:00 instead of to 10:00, at 6,000 views an hour.
    assert was[HARM] == pytest.approx(27 * 6 * 178 / 60)
    assert ours[HARM] == pytest.approx(27 * 6 * 58 / 60)


def test_cells_that_are_empty_say_nothing(tmp_path: Path) -> None:
    row = _past(0, 60, 0, 0.5, kind="", expected_severity="", views_per_hour="", category="", created_at="")
    (tmp_path / "h.csv").write_text(f"{','.join(row)}\n{','.join(map(str, row.values()))}\n", "utf-8")
    (case,) = history.read(tmp_path / "h.csv")
    assert (case.kind, case.expected_severity, case.views_per_hour, case.created_at) == (None, None, None, None)


def test_a_history_without_views_has_those_of_the_policy(tmp_path: Path, policy: Policy) -> None:
    rows = [_past(minute, 60 + minute, 0, 0.5, kind=kind) for minute, kind in enumerate(("message", "post"))]
    taxonomy = Bundle.read(SHIPPED_BUNDLE).taxonomy
    found = history.replay(history.read(_write(tmp_path / "h.jsonl", rows)), policy, taxonomy)
    assert found["severity"].figures[WORST] == 1
    assert found["severity × views"].figures[WORST] == pytest.approx(61 / 60)  # the message waits for the post


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (_past(5, 1, 0, 0.1), "row 1 .*before received_at"),
        (_past(0, 1, 9, 0.1), "row 1 .*severity"),
        (_past(0, 1, 1, 0.1, created_at="1985-01-01T00:00:00Z"), "row 1 .*created_at"),
        (_past(0, 1, 1, 0.1, views_per_hour=1e15), "row 1 .*views_per_hour"),
        (_past(0, 1, 0, 0.1, views=[["2026-03-02T09:00:00Z", 5], ["2026-03-02T10:00:00Z", 4]]), "never become fewer"),
    ],
)
def test_histories_that_are_refused(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(history.InvalidHistory, match=said):
        history.read(_write(tmp_path / "h.jsonl", [row]))


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


def test_charts_are_whole_documents_and_escape_names() -> None:
    from xml.etree import ElementTree

    for drawn in (
        svg.bars("a < b", {"x & y": {"one": (2.0, 1.0, 3.0)}}, "views", highlight="one"),
        svg.steps("week", {"staff": [1.0, 2.0, 0.0]}, "", {0: "Mon"}),
    ):
        assert ElementTree.fromstring(drawn).tag.endswith("svg")


def test_the_commands(small: Path, past: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTLINE_HOME", str(tmp_path))
    run: Callable[..., Any] = CliRunner().invoke
    shown = run(app, ["simulate", "--seeds", "1", "--world", str(small), "--plot", str(tmp_path / "p.svg"), "--json"])
    assert shown.exit_code == 0, shown.output
    settings = json.loads(shown.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert {each["scenario"] for each in settings} == {"linked", "silent"}
    assert settings[0]["policies"][OURS]["starving, specialist"]["value"] is None  # nothing comes to specialists
    assert (tmp_path / "p.svg").read_text("utf-8").startswith("<svg")
    replayed = run(app, ["simulate", "--history", str(past)])
    assert replayed.exit_code == 0 and OURS in replayed.stdout
    replayed = run(app, ["simulate", "--history", str(past), "--json"])
    assert json.loads(replayed.stdout, parse_constant=pytest.fail)[OURS]["figures"]["high in time"] is None
    lacking = run(app, ["simulate", "--history", str(tmp_path / "none.jsonl")])
    assert lacking.exit_code == 1 and "missing_data" in lacking.output
    needed = run(app, ["staff", "--from-store", "4"])
    assert needed.exit_code == 1
