"""Undo and bulk: what may be taken back, what the feed shows until then, and which cases are decided together."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from models import Scorer
from models.policy import Policy
from serving.accounts.auth import Identity
from serving.errors import ClaimLapsed, DecisionFinal, NotFound
from serving.queue import claims, withdrawals
from serving.review import alike, decisions, undo
from serving.runtime import Runtime
from serving.schemas import Decision, DecisionIn
from serving.store import Store
from serving.store.tables import cases
from serving.store.tables import decisions as kept

Make = Callable[..., dict[str, Any]]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEASE, TEN = timedelta(minutes=15), timedelta(seconds=10)


class Desk:
    """A reviewer's view of a store at made-up times."""

    def __init__(self, runtime: Runtime, who: Identity, policy: Policy | None = None) -> None:
        self.store: Store = runtime.store
        self.scorer: Scorer = runtime.scorer.under(policy) if policy else runtime.scorer
        self.who = who
        self.count = 0

    def claim(self, now: datetime = NOW) -> claims.Claim | None:
        return claims.claim(self.store, self.scorer.policy, self.who, lease=LEASE, now=now)

    def decide(self, held: claims.Claim, now: datetime = NOW, also: list[str] | None = None, **given: Any) -> Decision:
        self.count += 1
        said = {"outcome": "no_violation", **given}
        body = DecisionIn(
            decision_id=f"d-{self.who.name}-{self.count}",
            case_id=held.case_id,
            claim_id=held.id,
            token=held.token,
            content_version=said.pop("content_version", 1),
            **said,
        )
        return decisions.decide(self.store, self.scorer, self.who, body, now, undo=TEN, also=also or ())

    def retract(self, decision: Decision, now: datetime) -> claims.Claim:
        return held(undo.retract(self.store, self.who, decision.decision_id, lambda: now, lease=LEASE))

    def feed(self, now: datetime, after: int = 0) -> list[str]:
        return [decision.decision_id for decision in decisions.feed(self.store, after, 100, lambda: now).decisions]

    def row(self, case_id: str) -> Any:
        with self.store.read() as connection:
            return connection.execute(select(cases).where(cases.c.id == case_id)).one()


@pytest.fixture
def desk(runtime: Runtime, staff: SimpleNamespace) -> Desk:
    """The first reviewer's."""
    return Desk(runtime, staff.reviewer)


@pytest.fixture
def other(runtime: Runtime, staff: SimpleNamespace) -> Desk:
    """The second reviewer's."""
    return Desk(runtime, staff.reviewer2)


@pytest.fixture
def put(runtime: Runtime, accept: Callable[..., list[Any]], report: Make) -> Callable[..., None]:
    """Keep reports with these texts."""

    def put(*texts: str, at: datetime = NOW, **fields: Any) -> None:
        items = [report(f"{at.timestamp()}-{number}", text, **fields) for number, text in enumerate(texts)]
        accept(runtime.store, runtime.scorer, items, at, 0)

    return put


def held(claim: claims.Claim | None) -> claims.Claim:
    assert claim is not None
    return claim


def test_undo_gives_the_case_back(desk: Desk, other: Desk, put: Callable[..., None]) -> None:
    put("good day")
    first = held(desk.claim())
    before = desk.row(first.case_id)
    decision = desk.decide(first)
    again = desk.retract(decision, NOW + timedelta(seconds=9))
    assert (again.case_id, again.token) == (first.case_id, first.token + 1)
    assert other.claim(NOW + TEN) is None
    with pytest.raises(ClaimLapsed):
        desk.decide(first, NOW + TEN)
    after = desk.row(first.case_id)
    assert (after.status, after.claimed_by) == ("claimed", desk.who.id)
    assert (after.rank, after.due_at, after.waits_since) == (before.rank, before.due_at, before.waits_since)
    second = desk.decide(again, NOW + TEN, outcome="violation", categories=["spam"])
    assert second.supersedes is None
    assert desk.feed(NOW + timedelta(minutes=1)) == [second.decision_id]


def test_too_late_or_not_ones_own(desk: Desk, other: Desk, put: Callable[..., None]) -> None:
    put("good day")
    decision = desk.decide(held(desk.claim()))
    with pytest.raises(NotFound):
        undo.retract(desk.store, other.who, decision.decision_id, lambda: NOW, lease=LEASE)
    with pytest.raises(DecisionFinal):
        desk.retract(decision, NOW + TEN)
    again = desk.retract(decision, NOW + timedelta(seconds=1))
    assert desk.retract(decision, NOW + timedelta(seconds=2)) == again
    desk.decide(again, NOW + timedelta(seconds=3))
    with pytest.raises(DecisionFinal):
        desk.retract(decision, NOW + timedelta(seconds=4))


def test_what_somebody_else_has_taken_is_not_undone(desk: Desk, other: Desk, put: Callable[..., None]) -> None:
    put("good day")
    decision = desk.decide(held(desk.claim()), outcome="cannot_decide")
    assert held(other.claim(NOW + timedelta(seconds=1))).case_id == decision.case_id
    with pytest.raises(DecisionFinal):
        desk.retract(decision, NOW + timedelta(seconds=2))
    with desk.store.read() as connection:
        assert connection.execute(select(kept.c.retracted_at)).scalars().all() == [None]


def test_undo_of_what_cannot_be_decided_lets_one_decide(desk: Desk, put: Callable[..., None]) -> None:
    put("good day")
    decision = desk.decide(held(desk.claim()), outcome="cannot_decide")
    again = desk.retract(decision, NOW + timedelta(seconds=1))
    claims.release(desk.store, desk.who, again.id, again.token, now=NOW + timedelta(seconds=2))
    assert held(desk.claim(NOW + timedelta(seconds=3))).case_id == decision.case_id


def test_the_feed_waits_and_misses_none(desk: Desk, other: Desk, put: Callable[..., None]) -> None:
    put("good day", "good evening", "good night")
    claimed = [held(desk.claim()), held(other.claim()), held(desk.claim())]
    first = desk.decide(claimed[0], NOW)
    second = other.decide(claimed[1], NOW + timedelta(seconds=5))
    third = desk.decide(claimed[2], NOW + timedelta(seconds=6))
    assert desk.feed(NOW + timedelta(seconds=9)) == []
    assert desk.feed(NOW + timedelta(seconds=11)) == [first.decision_id]
    other.retract(second, NOW + timedelta(seconds=12))
    assert desk.feed(NOW + timedelta(seconds=13)) == [first.decision_id]
    page = decisions.feed(desk.store, first.seq, 1, lambda: NOW + timedelta(seconds=30))
    assert (page.decisions, page.next) == ([], second.seq)  # the one that was taken back is passed over
    assert desk.feed(NOW + timedelta(seconds=30), page.next) == [third.decision_id]


def test_undo_of_a_case_that_went_on_to_a_second_look(
    runtime: Runtime, staff: SimpleNamespace, put: Callable[..., None]
) -> None:
    policy = runtime.scorer.policy
    doubled = policy.model_copy(update={"quality": policy.quality.model_copy(update={"double_share": 1.0})})
    desk = Desk(runtime, staff.reviewer, doubled)
    put("good day")
    first = held(desk.claim())
    before = desk.row(first.case_id)
    decision = desk.decide(first, NOW + timedelta(minutes=5))
    assert desk.row(first.case_id).stage == "second"
    desk.retract(decision, NOW + timedelta(minutes=5, seconds=1))
    after = desk.row(first.case_id)
    assert (after.stage, after.due_at, after.rank) == ("first", before.due_at, before.rank)


def test_a_report_that_came_meanwhile_stays_counted(desk: Desk, put: Callable[..., None]) -> None:
    put("good day", content={"id": "c"})
    decision = desk.decide(held(desk.claim()))
    put("We will ambush you", at=NOW + timedelta(seconds=3), content={"id": "c"})
    again = desk.retract(decision, NOW + timedelta(seconds=5))
    row = desk.row(again.case_id)
    assert (row.content_version, row.stage, row.lane, row.status) == (2, "first", "high", "claimed")


def test_what_was_withdrawn_meanwhile_waits_no_more(
    desk: Desk, staff: SimpleNamespace, put: Callable[..., None]
) -> None:
    put("a useless discount", "a useless discount", "a useless discount")
    mine = held(desk.claim())
    with desk.store.read() as connection:
        others = [row.id for row in alike.waiting(connection, desk.row(mine.case_id))]
    decision = desk.decide(mine, also=others)
    for case_id in (mine.case_id, others[0]):
        withdrawals.withdraw(desk.store, staff.intake, case_id, NOW + timedelta(seconds=1))
    clock = lambda: NOW + timedelta(seconds=2)  # noqa: E731
    assert undo.retract(desk.store, desk.who, decision.decision_id, clock, lease=LEASE) is None
    assert [desk.row(each).status for each in (mine.case_id, *others)] == ["withdrawn", "withdrawn", "open"]
    assert desk.feed(NOW + timedelta(minutes=1)) == []


def test_what_is_undone_late_is_never_fed(desk: Desk, put: Callable[..., None]) -> None:
    """Undo waits for the feed's look at the clock, and reads its own only then."""
    put("good day")
    decision = desk.decide(held(desk.claim()))
    looking, asked = threading.Event(), threading.Event()

    def feed_clock() -> datetime:
        looking.set()
        asked.wait(10)
        time.sleep(0.2)
        undo_read.append(False)
        return NOW + TEN

    def undo_clock() -> datetime:
        undo_read.append(True)
        return NOW + TEN

    undo_read: list[bool] = []
    with ThreadPoolExecutor(1) as pool:
        fed = pool.submit(decisions.feed, desk.store, 0, 10, feed_clock)
        assert looking.wait(10)
        asked.set()
        with pytest.raises(DecisionFinal):
            undo.retract(desk.store, desk.who, decision.decision_id, undo_clock, lease=LEASE)
        assert [each.decision_id for each in fed.result().decisions] == [decision.decision_id]
    assert undo_read == [False, True]


def test_near_duplicates_are_decided_together_and_undone_together(
    desk: Desk, other: Desk, put: Callable[..., None]
) -> None:
    put("a useless discount", "a useless   discount", "a useless discount", "good day")
    mine, theirs = held(desk.claim()), held(other.claim())
    with desk.store.read() as connection:
        waiting = [row.id for row in alike.waiting(connection, desk.row(mine.case_id))]
    assert len(waiting) == 1 and theirs.case_id not in waiting
    also = [*waiting, theirs.case_id, "nothing"]
    decision = desk.decide(mine, also=also, outcome="violation", categories=["spam"], severity=1)
    with desk.store.read() as connection:
        rows = connection.execute(select(kept).order_by(kept.c.seq)).all()
    assert [row.case_id for row in rows] == [mine.case_id, *waiting]
    assert all(row.bulk and row.categories == ["spam"] and row.final_at == NOW + TEN for row in rows)
    assert [row.seconds_spent for row in rows] == [0, None]
    assert desk.row(theirs.case_id).status == "claimed"
    desk.retract(decision, NOW + timedelta(seconds=1))
    assert [desk.row(case_id).status for case_id in (mine.case_id, *waiting)] == ["claimed", "open"]
    assert desk.feed(NOW + timedelta(minutes=1)) == []


def test_specialist_cases_are_never_near_duplicates(runtime: Runtime, desk: Desk, put: Callable[..., None]) -> None:
    put("a useless discount")
    put("a useless discount", at=NOW + timedelta(seconds=1), reason="child_safety")
    mine = held(desk.claim())
    with runtime.store.read() as connection:
        rows = connection.execute(select(cases).order_by(cases.c.lane)).all()
        assert {row.lane for row in rows} == {"specialist", "standard"}
        assert alike.waiting(connection, desk.row(mine.case_id)) == []
        special = next(row for row in rows if row.lane == "specialist")
        assert alike.waiting(connection, special) == []
        assert alike.decided(connection, special) == []


def test_precedents_are_standing_verdicts_on_the_same_text(desk: Desk, put: Callable[..., None]) -> None:
    put("a useless discount", "a useless discount", "a useless discount")
    first, second, third = (held(desk.claim()) for _ in range(3))
    desk.decide(first, outcome="violation", categories=["spam"], severity=1)
    back = desk.decide(second)
    desk.retract(back, NOW)
    with desk.store.read() as connection:
        found = alike.decided(connection, desk.row(third.case_id))
    assert [(one.outcome, one.categories, one.severity) for one in found] == [("violation", ["spam"], 1)]
