"""Another policy: what it makes of the waiting cases, those that are held, came back, or are the specialists'."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from models.policy import SPECIALIST, Policy
from serving.queue import claims, policies
from serving.queue.policies import Move
from serving.runtime import Runtime
from serving.store.tables import cases
from serving.store.tables import claims as history

Put = Callable[..., None]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEASE = timedelta(minutes=15)
C9 = {"id": "c-9"}


@pytest.fixture
def put(runtime: Runtime, accept: Callable[..., list[Any]], report: Callable[..., dict[str, Any]]) -> Put:
    """Keep one report on c-9."""
    made: list[str] = []

    def put(text: str | None, at: datetime = NOW, **fields: Any) -> None:
        made.append(f"r-{len(made)}")
        accept(runtime.store, runtime.scorer, [report(made[-1], text, content=dict(C9), **fields)], at, 0)

    return put


def moved(runtime: Runtime, policy: Policy | None = None) -> list[Move]:
    scorer = runtime.scorer.under(policy) if policy else runtime.scorer
    return [move for batch in policies.moves(runtime.store, scorer) for move in batch]


def without_floor(policy: Policy, category: str) -> Policy:
    """The policy without the floor of a category; not one that could be read, as some floors have to be."""
    level = policy.of(category).model_copy(update={"floor": None})
    return policy.model_copy(update={"version": "other", "categories": {**policy.categories, category: level}})


def row_of(runtime: Runtime) -> Any:
    with runtime.store.read() as connection:
        return connection.execute(select(cases)).one()


def test_a_specialist_case_stays_one_whatever_its_text_says_now(runtime: Runtime, put: Put) -> None:
    put("hello", reason="child_safety", due_by="2026-11-22T12:10:00Z")
    put("a useless discount", NOW + timedelta(minutes=1), reason="spam")
    (move,) = moved(runtime)
    assert not move.changes
    (move,) = moved(runtime, without_floor(runtime.scorer.policy, "sexual_minors"))
    assert (move.after.lane, move.after.due_at) == (SPECIALIST, move.before.due_at)


def test_what_a_brigade_left_alone_stays_alone(runtime: Runtime, put: Put) -> None:
    for number in range(9):
        put("good day", NOW + timedelta(seconds=number), reporter={"account_age_days": 1})
    put("good day", NOW + timedelta(seconds=10), reporter={"account_age_days": 1}, reason="suicide")
    assert (row_of(runtime).brigade, row_of(runtime).lane) == (True, "low")
    assert not moved(runtime)[0].changes


def test_what_was_decided_raises_a_reopened_case_no_more(
    runtime: Runtime, desk_of: Callable[..., Any], team: SimpleNamespace, put: Put
) -> None:
    desk = desk_of()
    put("We will ambush you", due_by="2026-11-22T12:10:00Z")
    desk.decide(team.reviewer, desk.claim(team.reviewer), "violation", categories=["violence_threat"], severity=3)
    put("We will ambush you", NOW + timedelta(minutes=1), exposure={"views": 10**9})  # it brings no more
    put("a useless discount", NOW + timedelta(hours=1), received_at=NOW.isoformat())
    assert (row_of(runtime).status, row_of(runtime).lane) == ("open", "standard")
    assert not moved(runtime)[0].changes


@pytest.mark.parametrize("then", [None, "We will ambush you"])
def test_the_clock_of_another_look_stays(
    runtime: Runtime, desk_of: Callable[..., Any], team: SimpleNamespace, put: Put, then: str | None
) -> None:
    desk = desk_of(double_share=1)
    put("hello", due_by="2026-11-22T12:10:00Z")
    desk.decide(team.reviewer, desk.claim(team.reviewer))
    if then:
        put(then, NOW + timedelta(hours=1))
    assert row_of(runtime).stage == ("first" if then else "second")
    assert not moved(runtime)[0].changes


def test_an_escalated_case_keeps_the_time_that_its_reports_set(
    runtime: Runtime, desk_of: Callable[..., Any], team: SimpleNamespace, put: Put
) -> None:
    desk = desk_of()
    put("hello", due_by="2026-11-22T12:10:00Z")
    desk.decide(team.reviewer, desk.claim(team.reviewer), "escalate")
    assert not moved(runtime)[0].changes


def test_what_a_case_holds_follows_its_text(runtime: Runtime, put: Put) -> None:
    put("a useless discount", exposure={"views": 5 * 10**6})
    put("We will ambush you", NOW + timedelta(minutes=1))
    threat = row_of(runtime)
    assert (threat.category, threat.lane, threat.severity) == ("violence_threat", "high", 3)
    held = {"category": "violence_threat", "severity": 3, "flagged": ["violence_threat"]}
    assert moved(runtime)[0].content == held
    put("We will ambush you", NOW + timedelta(minutes=2), reason="spam")
    assert (row_of(runtime).category, row_of(runtime).severity) == ("violence_threat", 3)
    with runtime.store.write() as connection:
        connection.execute(update(cases).values(category="spam", severity=2))  # as another bundle had it
    policies.place_anew(runtime.store, runtime.scorer.policy, moved(runtime))
    assert (row_of(runtime).category, row_of(runtime).severity) == ("violence_threat", 3)


def test_what_changed_while_it_was_scored_stays(runtime: Runtime, put: Put) -> None:
    put("We will ambush you", exposure={"views": 5 * 10**6})
    found = moved(runtime)
    put("a useless discount", NOW)
    before = row_of(runtime)
    policies.place_anew(runtime.store, runtime.scorer.policy, found)
    assert (row_of(runtime).category, row_of(runtime).severity) == (before.category, before.severity)
    assert before.category != "violence_threat"


def test_a_held_case_is_placed_anew_too_and_leaves_who_may_not_see_it(
    runtime: Runtime, team: SimpleNamespace, put: Put
) -> None:
    put("hello", reason="spam")
    policy = runtime.scorer.policy
    assert claims.claim(runtime.store, policy, team.reviewer, lease=LEASE, now=NOW)
    lanes = [level.model_copy(update={"doubling_hours": 1.0}) for level in policy.lanes]
    faster = policy.model_copy(update={"lanes": lanes})
    policies.place_anew(runtime.store, faster, moved(runtime, faster))
    row = row_of(runtime)
    assert (row.status, row.rank) == ("claimed", faster.rank("low", row.priority, NOW))
    spam = policy.of("spam").model_copy(update={"floor": SPECIALIST})
    stricter = policy.model_copy(update={"categories": {**policy.categories, "spam": spam}})
    policies.place_anew(runtime.store, stricter, moved(runtime, stricter))
    assert (row_of(runtime).status, row_of(runtime).lane, row_of(runtime).claim_id) == ("open", SPECIALIST, None)
    with runtime.store.read() as connection:
        assert connection.execute(select(history.c.ending)).scalars().all() == ["withdrawn"]
