"""Golden cases: who gets them, what they look like, and where they never show."""

import html
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from serving.console import around
from serving.errors import DecisionFinal, Forbidden, InvalidRequest, NotFound
from serving.quality import figures, golden
from serving.queue import cases as reading
from serving.queue import claims, overview
from serving.queue.intake import count_reports
from serving.review import decisions, undo
from serving.runtime import Runtime
from serving.store.tables import cases
from serving.store.tables import claims as claim_log
from serving.store.tables import golden as golden_table
from training.decisions import read_decisions

Make = Callable[..., dict[str, Any]]
Accept = Callable[..., list[Any]]
DeskOf = Callable[..., Any]
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEASE = timedelta(minutes=15)
WHY = "It says when and where, and means it."


@pytest.fixture
def desk(desk_of: DeskOf) -> Any:
    """A desk at which every claim that can be is a golden case."""
    return desk_of(golden_share=1)


@pytest.fixture
def known(runtime: Runtime, desk: Any, team: SimpleNamespace, report: Make, accept: Accept) -> str:
    """A threat that the admin decided and QA made golden; and a joke and another threat that wait."""
    threat = report("threat", "We will ambush you", reason="threat", content={"id": "threat"})
    accept(runtime.store, runtime.scorer, [threat], START, 0)
    held = desk.claim(team.admin)
    assert held
    desk.decide(team.admin, held, "violation", categories=["violence_threat"], severity=3)
    golden.add(runtime.store, desk.policy, team.qa, held.case_id, WHY, desk.now)
    items = [report("joke", "good day"), report("other", "Another ambush for you")]
    accept(runtime.store, runtime.scorer, items, START, 0)
    return held.case_id


def test_everyone_gets_a_copy_of_their_own_once(desk: Any, team: SimpleNamespace, known: str) -> None:
    got = []
    for who in (team.reviewer, team.reviewer2):
        held = desk.claim(who)
        assert held
        assert desk.case(held.case_id).copy_of == known
        got.append(held.case_id)
        desk.decide(who, held)
        after = desk.claim(who)
        assert after
        assert desk.case(after.case_id).copy_of is None
    assert len(set(got)) == 2


def test_who_decided_or_named_it_never_gets_it(desk: Any, team: SimpleNamespace, known: str) -> None:
    held = desk.claim(team.admin)
    assert held
    assert desk.case(held.case_id).copy_of is None
    golden.remove(desk.store, team.admin, known, desk.now)
    golden.add(desk.store, desk.policy, team.admin, known, WHY, desk.now)
    with desk.store.write() as connection:
        limits = {"now": desk.now, "until": desk.now + LEASE, "lanes": ["high"]}
        assert golden.draw(connection, desk.policy, team.admin, **limits) is None
        assert golden.draw(connection, desk.policy, team.qa, **limits) is not None


def test_it_looks_like_any_other_case(
    desk: Any, team: SimpleNamespace, known: str, reviewer: TestClient, client_of: Any, tokens: SimpleNamespace
) -> None:
    held = desk.claim(team.reviewer)
    assert held
    case = reviewer.get(f"/v1/cases/{held.case_id}").json()
    assert case["content"]["text"] == "We will ambush you"
    assert [each["report_id"] for each in case["reports"]] == ["threat"]
    assert (case["report_count"], case["decisions"], case["blind"]) == (1, [], False)
    assert case["due_at"] == case["score"]["priority"]["due_at"]
    assert desk.case(held.case_id).due_at > desk.now
    # What was decided cannot be found by way of the report either.
    assert reviewer.get("/v1/reports/threat").json()["decisions"] == []
    assert reviewer.get(f"/v1/cases/{known}").json()["decisions"] == []
    assert len(client_of(tokens.intake).get("/v1/reports/threat").json()["decisions"]) == 1


def test_its_reports_are_as_old_as_it_says(
    runtime: Runtime, desk: Any, team: SimpleNamespace, report: Make, accept: Accept, reviewer: TestClient
) -> None:
    for number in range(3):
        item = report(f"r-{number}", "good day", content={"id": "c"})
        accept(runtime.store, runtime.scorer, [item], START + timedelta(hours=number * 20), 0)
    desk.now = START + timedelta(days=3)
    held = desk.claim(team.admin)
    desk.decide(team.admin, held)
    golden.add(runtime.store, desk.policy, team.qa, held.case_id, WHY, desk.now)
    desk.now += timedelta(days=30)
    accept(runtime.store, runtime.scorer, [report("waits", "good evening")], desk.now, 0)
    copy = desk.case(desk.claim(team.reviewer).case_id)
    assert copy.copy_of == held.case_id
    with runtime.store.read() as connection:
        shown = golden.reading.view(connection, copy, None, with_content=True, decisions=[]).reports
    times = [each.received_at for each in shown][::-1]
    assert times[0] == copy.waits_since and times == sorted(set(times)) and times[-1] <= desk.now


def test_its_subject_has_a_history_but_for_itself(
    runtime: Runtime, desk: Any, team: SimpleNamespace, report: Make, accept: Accept
) -> None:
    texts = {"r-0": "good day", "r-1": "good evening", "r-2": "good night"}
    items = [report(name, text, subject={"id": "u-1"}) for name, text in texts.items()]
    accept(runtime.store, runtime.scorer, items, START, 0)
    first = desk.claim(team.admin)
    desk.decide(team.admin, first, "violation", categories=["spam"])
    golden.add(runtime.store, desk.policy, team.qa, first.case_id, WHY, desk.now)
    desk.decide(team.admin, desk.claim(team.admin))
    copy = desk.claim(team.reviewer)
    assert desk.case(copy.case_id).copy_of == first.case_id
    with runtime.store.read() as connection:
        found = around.read(connection, desk.policy, desk.scorer.bundle.taxonomy, team.reviewer, copy.case_id)
    assert found.subject_verdicts == (0, 1)
    assert [case.status for case in found.subject_cases] == ["open"]


def test_answers_go_nowhere_else(desk: Any, team: SimpleNamespace, known: str, intake: TestClient) -> None:
    before = [(count.waiting, count.breached) for count in overview.lanes(desk.store, desk.now)]
    reports = count_reports(desk.store)
    held = desk.claim(team.reviewer)
    assert held
    assert [(count.waiting, count.breached) for count in overview.lanes(desk.store, desk.now)] == before
    said = desk.decide(team.reviewer, held, "violation", categories=["harassment"], severity=1)
    assert said.role == "reviewer"  # nobody is told that it was a test
    assert desk.case(held.case_id).status == "decided"
    assert [count.waiting for count in overview.lanes(desk.store, desk.now)] == [pair[0] for pair in before]
    with desk.store.read() as connection:
        kept = [decision.role for decision in golden.reading.read_decisions(connection, decisions.decisions.c.seq > 0)]
    assert kept == ["admin", "golden"]
    fed = decisions.feed(desk.store, 0, 10, lambda: desk.now + LEASE).decisions
    assert [decision.case_id for decision in fed] == [known]
    learned = read_decisions(desk.store, desk.scorer.bundle.taxonomy.learned)
    assert [each.example.text for each in learned] == ["We will ambush you"]
    assert count_reports(desk.store) == reports
    assert intake.get("/v1/reports/threat").json()["decisions"][0]["role"] == "admin"


@pytest.mark.parametrize("outcome", ["cannot_decide", "escalate"])
def test_a_golden_case_never_waits(desk: Any, team: SimpleNamespace, known: str, outcome: str) -> None:
    held = desk.claim(team.reviewer)
    assert held
    desk.decide(team.reviewer, held, outcome)
    assert desk.case(held.case_id).status == "decided"
    other = desk.claim(team.reviewer2)
    assert other
    claims.release(desk.store, team.reviewer2, other.id, other.token, now=desk.now)
    assert desk.case(other.case_id).status == "withdrawn"
    third = desk.claim(team.specialist)
    assert third
    assert desk.case(third.case_id).copy_of == known
    with desk.store.write() as connection:
        claims.free_lapsed(connection, desk.now + LEASE)
    assert desk.case(third.case_id).status == "withdrawn"


def test_none_comes_while_nothing_waits(desk: Any, team: SimpleNamespace, known: str, runtime: Runtime) -> None:
    with runtime.store.write() as connection:
        connection.execute(cases.update().where(cases.c.status == "open").values(status="withdrawn"))
    assert desk.claim(team.reviewer) is None
    with runtime.store.read() as connection:
        assert connection.execute(select(claim_log).where(claim_log.c.reviewer == team.reviewer.id)).all() == []


def test_the_share_is_kept(
    runtime: Runtime, team: SimpleNamespace, desk_of: DeskOf, report: Make, accept: Accept
) -> None:
    texts = [report(f"old-{i}", "good day") for i in range(25)]
    accept(runtime.store, runtime.scorer, texts, START, 0)
    none = desk_of()
    for _ in range(25):
        held = none.claim(team.admin)
        assert held
        none.decide(team.admin, held)
        golden.add(runtime.store, none.policy, team.qa, held.case_id, WHY, none.now)
    accept(runtime.store, runtime.scorer, [report(f"new-{i}", "good day") for i in range(60)], START, 0)
    some, drawn = desk_of(golden_share=0.25), 0
    some.now, some.made = none.now, none.made
    for _ in range(60):
        held = some.claim(team.reviewer)
        assert held
        drawn += some.case(held.case_id).copy_of is not None
        some.decide(team.reviewer, held)
    assert 2 <= drawn <= 33  # 15 are expected; all but one in a million draws lie here
    assert len(figures.own(runtime.store, team.reviewer, START).golden) == 2


def test_skills_hold_for_golden_cases_too(desk: Any, team: SimpleNamespace, known: str) -> None:
    limits = {"now": desk.now, "until": desk.now + LEASE}
    with desk.store.write() as connection:
        for wanted in (
            {"lanes": ["low"]},
            {"lanes": ["high"], "languages": ["fr"]},
            {"lanes": ["high"], "categories": ["spam"]},
        ):
            assert golden.draw(connection, desk.policy, team.reviewer, **limits, **wanted) is None
        wanted = {"lanes": ["high"], "languages": ["und"], "categories": ["violence_threat"]}
        assert golden.draw(connection, desk.policy, team.reviewer, **limits, **wanted) is not None


def test_what_turns_special_is_taken_away(
    runtime: Runtime, desk: Any, desk_of: DeskOf, team: SimpleNamespace, report: Make, accept: Accept, known: str
) -> None:
    accept(runtime.store, runtime.scorer, [report("r-1", "hello", content={"id": "c"})], START, 0)
    plain = desk_of()
    plain.made = 10
    while held := plain.claim(team.admin):
        plain.decide(team.admin, held)
        if plain.case(held.case_id).content_id == "c":
            golden.add(runtime.store, plain.policy, team.qa, held.case_id, WHY, plain.now)
            golden.remove(runtime.store, team.qa, known, plain.now)
            break
    accept(runtime.store, runtime.scorer, [report("r-2", "good day")], START, 0)
    copy = desk.claim(team.reviewer)
    assert copy and held
    assert desk.case(copy.case_id).copy_of == held.case_id
    accept(runtime.store, runtime.scorer, [report("r-3", "hello", reason="csam", content={"id": "c"})], desk.now, 0)
    assert desk.case(copy.case_id).status == "withdrawn"
    assert claims.held_by(runtime.store, team.reviewer, desk.now) is None
    other = desk.claim(team.reviewer2)
    assert other
    assert desk.case(other.case_id).copy_of is None


@pytest.mark.parametrize("transferred", [False, True], ids=["reported", "transferred"])
def test_a_copy_shows_nothing_more_once_its_case_is_the_specialists(
    runtime: Runtime, desk: Any, team: SimpleNamespace, report: Make, accept: Accept, known: str, transferred: bool
) -> None:
    done, held = desk.claim(team.reviewer), desk.claim(team.reviewer2)
    assert desk.case(done.case_id).copy_of == desk.case(held.case_id).copy_of == known
    desk.undo = LEASE
    decision = desk.decide(team.reviewer, done)
    reason = "threat" if transferred else "csam"
    fields = {"reason": reason, "content": {"id": "threat"}, "exposure": {"views": 10**6}}
    again = report("again", "We will ambush you at noon", **fields)
    accept(runtime.store, runtime.scorer, [again], desk.now, 0)
    if transferred:
        hand = desk.claim(team.admin)
        assert hand.case_id == known
        claims.transfer(runtime.store, desk.policy, team.admin, hand.id, hand.token, "Not for me", desk.now)
    assert (desk.case(known).lane, desk.case(held.case_id).status) == ("specialist", "withdrawn")
    assert reading.read_case(runtime.store, done.case_id, team.reviewer, desk.now).content is None
    with pytest.raises(DecisionFinal):
        undo.retract(runtime.store, team.reviewer, decision.decision_id, lambda: desk.now, lease=LEASE)


def test_the_id_of_a_copy_says_no_more_than_that_of_another_case(
    runtime: Runtime, desk: Any, team: SimpleNamespace, known: str
) -> None:
    copy = desk.case(desk.claim(team.reviewer).case_id)
    for case in (copy, desk.case(known)):
        assert UUID(case.id).version == 7
        assert int(case.id[:12], 16) == int(case.created_at.timestamp() * 1000)
    with runtime.store.write() as connection:
        connection.execute(update(cases).where(cases.c.id == known).values(created_at=START + timedelta(seconds=7)))
    again = desk.case(desk.claim(team.reviewer2).case_id)
    shown = reading.read_case(runtime.store, again.id, team.reviewer2, desk.now)
    assert again.created_at - shown.reports[0].received_at == timedelta(seconds=7)
    assert shown.due_at == desk.policy.due("high", shown.reports[0].received_at)


def test_nothing_that_reviewers_may_ask_for_tells_a_test(
    runtime: Runtime, desk: Any, team: SimpleNamespace, known: str
) -> None:
    held = desk.claim(team.reviewer)
    shown = reading.read_case(runtime.store, held.case_id, team.reviewer, desk.now)
    told = reading.read_report(runtime.store, "threat", team.reviewer)
    assert (told.case_id, told.status, told.decisions) == (held.case_id, "claimed", [])
    assert told.score.priority.due_at == shown.due_at
    assert reading.read_report(runtime.store, "threat", team.intake).case_id == known
    decision = desk.decide(team.reviewer, held)
    assert (decision.content_id, decision.role, decision.selection_probability) == (shown.content.id, "reviewer", None)
    after = reading.read_case(runtime.store, held.case_id, team.reviewer, desk.now)
    assert (after.status, after.decisions) == ("decided", [decision])


@pytest.mark.parametrize("role", ["reviewer", "specialist", "scientist", "manager", "intake"])
def test_only_qa_and_admins_keep_them(desk: Any, team: SimpleNamespace, known: str, role: str) -> None:
    who = getattr(team, role)
    with pytest.raises(Forbidden):
        golden.add(desk.store, desk.policy, who, known, WHY, desk.now)
    with pytest.raises(Forbidden):
        golden.remove(desk.store, who, known, desk.now)


def test_what_cannot_be_golden(
    runtime: Runtime, desk: Any, team: SimpleNamespace, report: Make, accept: Accept, known: str
) -> None:
    def refused(case_id: str) -> str:
        with pytest.raises(InvalidRequest) as error:
            golden.add(runtime.store, desk.policy, team.qa, case_id, WHY, desk.now)
        return error.value.message

    accept(runtime.store, runtime.scorer, [report("s", "hello there", reason="csam")], START, 0)
    with runtime.store.read() as connection:
        special = connection.execute(select(cases.c.id).where(cases.c.lane == "specialist")).scalar_one()
        open_one = connection.execute(select(cases.c.id).where(cases.c.status == "open")).scalars().first()
    assert "specialist" in refused(special)
    assert "no decision" in refused(str(open_one))
    copy = desk.claim(team.reviewer)
    assert copy
    assert "copy" in refused(copy.case_id)
    with pytest.raises(NotFound):
        golden.add(runtime.store, desk.policy, team.qa, "nothing", WHY, desk.now)
    with pytest.raises(NotFound):
        golden.remove(runtime.store, team.qa, "nothing", desk.now)


def test_named_again_it_has_the_new_answer(desk: Any, team: SimpleNamespace, known: str) -> None:
    golden.add(desk.store, desk.policy, team.qa, known, "Because of the place.", desk.now)
    with desk.store.read() as connection:
        assert connection.execute(select(golden_table.c.why)).scalars().all() == ["Because of the place."]


def test_qa_keeps_them_in_the_console(new_browser: Callable[[], Any], desk: Any, known: str) -> None:
    qa, reviewer = new_browser(), new_browser()
    qa.sign_in("qa")
    qa.get("/console/golden")
    assert html.escape(WHY) in qa.text
    qa.submit("/console/golden/remove", case_id=known)
    assert "There are none yet" in qa.text
    qa.get(f"/console/golden/add?case={known}")
    assert "We will ambush you" in qa.text
    qa.submit("/console/golden/add", case_id=known, why=" ")
    assert qa.page.status_code == 422
    qa.submit("/console/golden/add", case_id=known, why="Because <b>so</b>.")
    assert "Because &lt;b&gt;so&lt;/b&gt;." in qa.text
    qa.get("/console/golden/add?case=nothing")
    assert qa.page.status_code == 404
    reviewer.sign_in("reviewer")
    reviewer.get("/console/golden")
    assert reviewer.page.status_code == 403
    reviewer.get(f"/console/golden/add?case={known}")
    assert reviewer.page.status_code == 403


def test_its_page_says_nothing_of_what_was_decided(
    runtime: Runtime, desk: Any, known: str, new_browser: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_scorer", desk.scorer)
    browser = new_browser()
    browser.sign_in("reviewer")
    browser.submit("/console/next")
    case_id = browser.hidden()["case_id"]
    assert desk.case(case_id).copy_of == known
    for tell in ("Decided before", "Same text before", "olden", known):
        assert tell not in browser.text
    assert "ambush" in browser.text
    assert "Threat" in browser.text  # the reporter's reason
    browser.submit("/console/decide", outcome="violation", category=["violence_threat"], severity="3")
    assert browser.hidden()["case_id"] != case_id
