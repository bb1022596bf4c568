"""Second looks and QA, and what the feed makes of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from serving.accounts.auth import authenticate, create_token
from serving.queue import claims
from serving.queue.policies import moves
from serving.queue.stages import FIRST, QA, SECOND
from serving.queue.withdrawals import withdraw
from serving.review import decisions, second_looks, undo
from serving.review.second_looks import agree, is_drawn, opinions
from serving.runtime import Runtime
from serving.store.tables import decisions as kept
from serving.store.tables import events
from tests.serving.review.steps import THREAT, one_more
from training.decisions import read_decisions

Make = Callable[..., dict[str, Any]]
Accept = Callable[..., list[Any]]
DeskOf = Callable[..., Any]
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = timedelta(days=1)


@pytest.fixture
def desk(desk_of: DeskOf, runtime: Runtime, report: Make, accept: Accept) -> Any:
    """A desk at which every case has a second look, with a threat that waits."""
    accept(runtime.store, runtime.scorer, [report("threat", "We will ambush you", content={"id": "c"})], START, 0)
    return desk_of(double_share=1)


def fed(desk: Any, after: int = 0) -> list[tuple[str, str, int | None]]:
    found = decisions.feed(desk.store, after, 100, lambda: desk.now + LATER).decisions
    return [(decision.role, decision.outcome, decision.supersedes) for decision in found]


def opinion(outcome: str, *categories: str, severity: int | None = None) -> Any:
    return SimpleNamespace(outcome=outcome, categories=list(categories), severity=severity)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (opinion("no_violation"), opinion("no_violation", severity=0), True),
        (opinion("violation", "hate"), opinion("no_violation"), False),
        (opinion("violation", "hate"), opinion("violation", "hate", "spam"), True),
        (opinion("violation", "hate"), opinion("violation", "spam"), False),
        (opinion("violation", "hate", severity=1), opinion("violation", "hate", severity=2), True),
        (opinion("violation", "hate", severity=1), opinion("violation", "hate", severity=3), False),
        (opinion("violation", "hate"), opinion("violation", "hate", severity=4), True),
        (opinion("violation", "hate"), opinion("escalate"), False),
    ],
)
def test_what_agreeing_means(one: Any, other: Any, same: bool) -> None:
    assert agree(one, other) is agree(other, one) is same


def test_agreement_closes_and_the_first_stands(desk: Any, team: SimpleNamespace) -> None:
    case_id = one_more(desk, team.reviewer, **THREAT)
    row = desk.case(case_id)
    assert (row.status, row.stage, row.lane) == ("open", SECOND, "high")
    assert row.due_at == desk.policy.due("high", desk.now)  # it was acted on: the clock starts anew
    assert desk.claim(team.reviewer) is None  # never the same reviewer
    assert one_more(desk, team.reviewer2, **{**THREAT, "severity": 2}) == case_id
    assert desk.case(case_id).status == "decided"
    assert fed(desk) == [("reviewer", "violation", None)]
    with desk.store.read() as connection:
        rows = connection.execute(select(kept).order_by(kept.c.seq)).all()
    assert [(row.role, row.supersedes, row.selection_probability) for row in rows] == [
        ("reviewer", None, None),
        ("second", None, 1),
    ]


def test_disagreement_goes_to_qa_whose_decision_supersedes(desk: Any, team: SimpleNamespace) -> None:
    case_id = one_more(desk, team.reviewer, **THREAT)
    one_more(desk, team.reviewer2)
    assert (desk.case(case_id).status, desk.case(case_id).stage) == ("open", QA)
    # Nobody acts on a doubt: until QA decides, the first decision stands.
    assert fed(desk) == [("reviewer", "violation", None)]
    assert read_decisions(desk.store, ["violence_threat"]) == []  # but nothing is learnt from it
    for who in (team.reviewer, team.reviewer2, team.specialist):
        assert desk.claim(who) is None
    assert one_more(desk, team.qa, **{**THREAT, "severity": 4}) == case_id
    assert desk.case(case_id).status == "decided"
    assert fed(desk) == [("reviewer", "violation", None), ("qa", "violation", 1)]
    with desk.store.read() as connection:
        roles = connection.execute(select(kept.c.role).order_by(kept.c.seq)).scalars().all()
    assert roles == ["reviewer", "second", "qa"]
    assert len(read_decisions(desk.store, ["violence_threat"])) == 1


def test_who_cannot_decide_leaves_the_verdict_as_it_was(desk: Any, team: SimpleNamespace) -> None:
    case_id = one_more(desk, team.reviewer, **THREAT)
    one_more(desk, team.reviewer2)
    assert one_more(desk, team.qa, outcome="cannot_decide") == case_id
    assert fed(desk) == [("reviewer", "violation", None), ("qa", "cannot_decide", None)]
    with desk.store.read() as connection:
        stands = second_looks.standing(connection, case_id)
    assert stands is not None
    assert stands.role == "reviewer"


def test_a_new_text_that_nobody_decided_is_withdrawn(
    desk: Any, team: SimpleNamespace, runtime: Runtime, report: Make, accept: Accept
) -> None:
    case_id = one_more(desk, team.reviewer, **THREAT)
    accept(runtime.store, runtime.scorer, [report("again", "Another ambush", content={"id": "c"})], desk.now, 0)
    assert one_more(desk, team.reviewer, outcome="escalate") == case_id
    assert withdraw(runtime.store, team.intake, case_id, desk.now).status == "withdrawn"


def test_what_may_be_undone_is_not_fed(desk: Any, team: SimpleNamespace) -> None:
    one_more(desk, team.reviewer, **THREAT)
    held = desk.claim(team.reviewer2)
    assert held
    said = decisions.decide(desk.store, desk.scorer, team.reviewer2, _given(held, "late"), desk.now, undo=LATER)
    # A second opinion that may still be taken back holds nothing up, as it is never fed.
    assert [decision.role for decision in decisions.feed(desk.store, 0, 100, lambda: desk.now).decisions] == [
        "reviewer"
    ]
    again: Any = undo.retract(desk.store, team.reviewer2, said.decision_id, lambda: desk.now, lease=LATER)
    assert (desk.case(again.case_id).status, desk.case(again.case_id).stage) == ("claimed", SECOND)
    desk.decide(team.reviewer2, again, **THREAT)
    assert desk.case(again.case_id).status == "decided"


def test_a_first_decision_taken_back_waits_for_its_first_look(desk: Any, team: SimpleNamespace) -> None:
    held = desk.claim(team.reviewer)
    assert held
    said = decisions.decide(desk.store, desk.scorer, team.reviewer, _given(held, "first"), desk.now, undo=LATER)
    assert desk.case(held.case_id).stage == SECOND
    again: Any = undo.retract(desk.store, team.reviewer, said.decision_id, lambda: desk.now, lease=LATER)
    assert desk.case(held.case_id).stage == FIRST
    desk.decide(team.reviewer, again)
    assert fed(desk) == [("reviewer", "no_violation", None)]


def _given(held: claims.Claim, decision_id: str) -> Any:
    return decisions.DecisionIn(
        decision_id=decision_id,
        case_id=held.case_id,
        claim_id=held.id,
        token=held.token,
        content_version=1,
        outcome="no_violation",
    )


def test_the_second_reviewer_cannot_see_the_first_opinion(
    desk: Any,
    team: SimpleNamespace,
    tokens: SimpleNamespace,
    client_of: Callable[[str], TestClient],
    new_browser: Callable[[], Any],
) -> None:
    case_id = one_more(desk, team.reviewer, note="Plainly so", **THREAT)
    second, intake = client_of(tokens.reviewer2), client_of(tokens.intake)
    answer = second.post("/v1/queue/claim", json={}).json()
    assert (answer["case"]["id"], answer["case"]["decisions"]) == (case_id, [])
    assert second.get(f"/v1/cases/{case_id}").json()["decisions"] == []
    assert second.get("/v1/reports/threat").json()["decisions"] == []
    assert len(intake.get("/v1/reports/threat").json()["decisions"]) == 1
    path = f"/v1/queue/claims/{answer['claim']['id']}/release"
    second.post(path, json={"token": answer["claim"]["token"]})
    browser = new_browser()
    browser.sign_in("reviewer2")
    browser.submit("/console/next")
    assert browser.hidden()["case_id"] == case_id
    for tell in ("Plainly so", "Decided before", "econd look", "/console/opinions"):
        assert tell not in browser.text
    browser.get("/console/opinions")
    assert "Plainly so" not in browser.text


def test_qa_sees_both_opinions_on_request(
    desk: Any, team: SimpleNamespace, tokens: SimpleNamespace, new_browser: Callable[[], Any], runtime: Runtime
) -> None:
    case_id = one_more(desk, team.reviewer, note="Plainly <b>so</b>", **THREAT)
    one_more(desk, team.reviewer2, note="A quote")
    qa = new_browser()
    qa.sign_in("qa")
    qa.submit("/console/next")
    assert qa.hidden()["case_id"] == case_id
    assert "Plainly" not in qa.text and "A quote" not in qa.text
    assert "Two reviewers disagree here." in qa.text
    qa.get("/console/opinions")
    assert "Plainly &lt;b&gt;so&lt;/b&gt;" in qa.text and "A quote" in qa.text
    for who in (team.reviewer, team.reviewer2):
        assert who.id not in qa.text
    with runtime.store.read() as connection:
        seen = connection.execute(select(events.c.case_id).where(events.c.kind == "opinions_shown")).scalars().all()
    assert seen == [case_id]


def test_qa_is_told_why_a_case_is_theirs(desk: Any, team: SimpleNamespace, new_browser: Callable[[], Any]) -> None:
    one_more(desk, team.reviewer, outcome="escalate")
    qa = new_browser()
    qa.sign_in("qa")
    qa.submit("/console/next")
    for _ in range(2):
        assert "It was escalated." in qa.text and "Two reviewers" not in qa.text
        qa.get("/console/opinions")
    assert "Opinion 1" in qa.text and "Opinion 2" not in qa.text


def test_who_cannot_decide_leaves_it_to_a_third(desk: Any, team: SimpleNamespace, runtime: Runtime) -> None:
    case_id = one_more(desk, team.reviewer, **THREAT)
    one_more(desk, team.reviewer2, outcome="cannot_decide")
    assert (desk.case(case_id).status, desk.case(case_id).stage) == ("open", SECOND)
    assert desk.claim(team.reviewer2) is None
    third = authenticate(runtime.store, create_token(runtime.store, "third", "reviewer"))
    assert one_more(desk, third, **{**THREAT, "severity": 1}) == case_id
    assert desk.case(case_id).stage == QA
    with runtime.store.read() as connection:
        found = opinions(connection, desk.case(case_id))
    assert [(row.reviewer, row.severity) for row in found] == [(team.reviewer.id, 3), (third.id, 1)]


def test_another_text_is_looked_at_from_the_start(
    desk: Any, team: SimpleNamespace, report: Make, accept: Accept, runtime: Runtime
) -> None:
    case_id = one_more(desk, team.reviewer)
    one_more(desk, team.reviewer2, **THREAT)
    assert desk.case(case_id).stage == QA
    accept(runtime.store, runtime.scorer, [report("r-2", "We will ambush you all", content={"id": "c"})], desk.now, 0)
    assert desk.case(case_id).stage == FIRST
    assert one_more(desk, team.reviewer) == case_id
    assert desk.case(case_id).stage == SECOND


def test_the_same_policy_leaves_second_looks_where_they_are(desk: Any, team: SimpleNamespace) -> None:
    one_more(desk, team.reviewer, **THREAT)
    assert [move.changes for batch in moves(desk.store, desk.scorer) for move in batch] == [False]


def test_who_has_a_second_look_is_drawn(desk_of: DeskOf) -> None:
    def row(number: int, lane: str = "low") -> Any:
        return SimpleNamespace(id=f"case-{number}", content_version=1, reopened=0, lane=lane)

    some = desk_of(double_share=0.1).policy
    drawn = [is_drawn(some, row(number)) for number in range(2000)]
    assert drawn == [is_drawn(some, row(number)) for number in range(2000)]
    assert 150 <= sum(drawn) <= 250
    assert not any(is_drawn(desk_of(double_share=1).policy, row(number, "specialist")) for number in range(10))
    assert not any(is_drawn(desk_of().policy, row(number)) for number in range(100))
