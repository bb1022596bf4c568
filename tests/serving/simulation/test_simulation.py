"""The simulation: a seed gives one run, no case is lost or decided twice, and queues behave as theory says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from models.policy import LANES, Policy
from serving.cli import app
from serving.simulation import staff, svg
from serving.simulation.engine import Outcome, serve
from serving.simulation.measure import EFFORT, HARM, STARVED, WORST
from serving.simulation.queues import Fixed, Lanes, Live
from serving.simulation.ranking import NAMES, ORACLE, OURS, UNLIMITED, Scene, flag_weights, queue, severity_views
from serving.simulation.reports import Reporters, views_at
from serving.simulation.run import Figures, Plan, replications
from serving.simulation.scores import Places
from serving.simulation.staffing import Cover, reviewers, staffed_hours
from serving.simulation.summary import estimate, student, summarise
from serving.simulation.world import SHIPPED, InvalidWorld, World


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
