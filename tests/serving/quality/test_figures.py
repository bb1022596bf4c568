"""The figures that everyone has for themselves, totals, and what agreement means."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from serving.accounts.auth import authenticate, create_token
from serving.cli import app
from serving.quality import figures, golden
from serving.quality.agreement import Pairs, Share, ac1
from serving.quality.figures import FEWEST, own, totals
from serving.runtime import Runtime
from serving.store.tables import cases
from tests.serving.review.steps import THREAT, one_more

Make = Callable[..., dict[str, Any]]
Accept = Callable[..., list[Any]]
DeskOf = Callable[..., Any]
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = timedelta(days=1)


def test_wilson_interval() -> None:
    # Brown, Cai and DasGupta 2001 and any table of Wilson's interval.
    assert Share(0, 10).interval == pytest.approx((0, 0.2775), abs=1e-4)
    assert Share(5, 10).interval == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert Share(10, 10).interval == pytest.approx((0.7225, 1), abs=1e-4)
    assert (Share(0, 0).value, Share(0, 0).interval) == (None, None)


def test_gwets_ac1() -> None:
    pairs = Pairs(118, 7, 0)  # a known example, where kappa is below 0 although 94 % agree
    assert pairs.agreement.value == pytest.approx(0.944)
    assert pairs.ac1 == pytest.approx(0.9408, abs=1e-4)
    low, high = pairs.interval() or (0, 0)
    assert low < 0.9408 < high
    assert pairs.interval() == pairs.interval()
    assert Pairs(5, 0, 5).ac1 == 1
    assert Pairs(0, 10, 0).ac1 == -1
    assert (Pairs(0, 0, 0).ac1, Pairs(0, 0, 0).interval()) == (None, None)
    assert Pairs.of([(True, True), (True, False), (False, False), (False, True)]) == Pairs(1, 2, 1)


def test_the_bootstrap_covers_the_truth() -> None:
    rng, shares, hits = np.random.default_rng(1), np.array([0.2, 0.15, 0.65]), 0
    truth = float(ac1(np.array([200, 150, 650])))
    for counts in rng.multinomial(200, shares, 300):
        low, high = Pairs(*map(int, counts)).interval() or (0, 0)
        hits += low <= truth <= high
    assert hits >= 270  # of 300; 285 are promised


@pytest.fixture
def history(
    desk_of: DeskOf, runtime: Runtime, team: SimpleNamespace, report: Make, accept: Accept
) -> tuple[Any, SimpleNamespace]:
    """A golden case that the reviewer got wrong, a second look that agreed, one that QA decided for the reviewer."""
    accept(runtime.store, runtime.scorer, [report("gold", "You useless parcel")], START, 0)
    plain = desk_of()
    golden_id = one_more(plain, team.admin, outcome="violation", categories=["harassment"], severity=2)
    golden.add(runtime.store, plain.policy, team.qa, golden_id, "It is <i>aimed</i> at somebody.", plain.now)
    texts = ["We will ambush you", "Another ambush"]
    accept(runtime.store, runtime.scorer, [report(f"r-{i}", text) for i, text in enumerate(texts)], START, 0)
    both = desk_of(double_share=1)
    both.now, both.made = plain.now, 10
    for said in (THREAT, THREAT):
        one_more(both, team.reviewer, **said)
    one_more(both, team.reviewer2, **THREAT)
    one_more(both, team.reviewer2, outcome="no_violation")
    tests = desk_of(golden_share=1)
    tests.now, tests.made = both.now, 20
    accept(runtime.store, runtime.scorer, [report("r-9", "good day")], START, 0)
    assert tests.case(one_more(tests, team.reviewer, outcome="no_violation")).copy_of == golden_id
    one_more(tests, team.qa, **THREAT)
    return tests, team


def shares(found: list[Any]) -> dict[str | None, tuple[int, int]]:
    return {figure.category: (figure.share.k, figure.share.n) for figure in found}


def test_own_figures(history: tuple[Any, SimpleNamespace]) -> None:
    desk, team = history
    mine, other = own(desk.store, team.reviewer, START), own(desk.store, team.reviewer2, START)
    assert shares(mine.golden) == {None: (0, 1), "harassment": (0, 1)}
    assert shares(mine.second) == shares(other.second) == {None: (1, 2), "violence_threat": (1, 2)}
    assert shares(mine.qa) == {None: (1, 1), "violence_threat": (1, 1)}
    assert shares(other.qa) == {None: (0, 1), "violence_threat": (0, 1)}
    assert [lesson.text for lesson in mine.lessons] == ["You useless parcel"]
    assert (other.golden, other.lessons) == ([], [])
    assert own(desk.store, team.reviewer, desk.now + LATER) == figures.Own([], [], [], [])


def test_answers_to_what_is_golden_no_more_do_not_count(history: tuple[Any, SimpleNamespace]) -> None:
    desk, team = history
    with desk.store.read() as connection:
        case_id = connection.execute(select(cases.c.copy_of).where(cases.c.copy_of.is_not(None))).scalar_one()
    golden.remove(desk.store, team.qa, case_id, desk.now)
    assert own(desk.store, team.reviewer, START).golden == []


def test_the_page_is_ones_own(
    desk_of: DeskOf,
    runtime: Runtime,
    staff: SimpleNamespace,
    new_browser: Callable[[], Any],
    report: Make,
    accept: Accept,
) -> None:
    desk = desk_of(double_share=1)
    desk.now = datetime.now(UTC) - timedelta(days=40)
    accept(runtime.store, runtime.scorer, [report("threat", "We will ambush you")], desk.now, 0)
    one_more(desk, staff.reviewer, **THREAT)
    one_more(desk, staff.reviewer2, **THREAT)
    browser, other = new_browser(), new_browser()
    browser.sign_in("reviewer")
    other.sign_in("admin")
    browser.get("/console/me/quality")
    assert "1 of 1" not in browser.text
    browser.get("/console/me/quality?days=90")
    assert "1 of 1" in browser.text
    assert "few cases: this says little yet" in browser.text
    assert "reviewer2" not in browser.text
    other.get(f"/console/me/quality?days=90&who={staff.reviewer.id}")
    assert "1 of 1" not in other.text
    browser.get("/console/me/quality?days=9000")
    assert "the last 30 days" in browser.text


def test_the_text_of_a_lesson_goes_when_the_case_turns_special(history: tuple[Any, SimpleNamespace]) -> None:
    desk, team = history
    lesson = own(desk.store, team.reviewer, START).lessons[0]
    assert lesson.answer.why == "It is <i>aimed</i> at somebody."
    with desk.store.write() as connection:
        connection.execute(cases.update().where(cases.c.id == lesson.answer.case_id).values(lane="specialist"))
    assert own(desk.store, team.reviewer, START).lessons[0].text is None


def test_totals_hide_the_few(history: tuple[Any, SimpleNamespace]) -> None:
    desk, _ = history
    found = totals(desk.store, START)
    assert {total.name for total in found} == {"golden", "second look", "first confirmed by QA"}
    assert all(total.share is None and total.pairs is None for total in found)


def test_totals_of_enough_reviewers(
    desk_of: DeskOf, runtime: Runtime, report: Make, accept: Accept, monkeypatch: pytest.MonkeyPatch, tokens: Any
) -> None:
    desk = desk_of(double_share=1)
    desk.now = datetime.now(UTC) - timedelta(hours=1)
    accept(runtime.store, runtime.scorer, [report(f"r-{i}", "We will ambush you") for i in range(5)], desk.now, 0)
    crowd = [authenticate(runtime.store, create_token(runtime.store, f"p-{i}", "reviewer")) for i in range(FEWEST)]
    for number, who in enumerate(crowd):
        one_more(desk, who, **THREAT)
        one_more(desk, crowd[number - 1], **(THREAT if number else {"outcome": "no_violation"}))
    found = {(total.name, total.category): total for total in totals(desk.store, START)}
    total = found["second look", None]
    assert (total.reviewers, total.share, total.pairs) == (5, Share(4, 5), Pairs(4, 1, 0))
    assert found["second look", "violence_threat"].pairs == Pairs(4, 1, 0)
    for name in ("database_url", "home"):
        monkeypatch.setenv(f"FRONTLINE_{name.upper()}", str(getattr(runtime.settings, name)))
    result = CliRunner().invoke(app, ["quality", "--days", "3000"])
    assert result.exit_code == 0, result.output
    assert "4 of 5" in result.output
    assert not any(who.id in result.output or who.name in result.output for who in crowd)
