"""How claims end, and who holds what."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from serving.accounts.auth import Identity
from serving.errors import ClaimLapsed
from serving.queue import claims
from serving.runtime import Runtime
from serving.store.tables import claims as history
from tests.serving.queue.steps import (
    JOKE,
    LEASE,
    NOW,
    THREAT,
    Accept,
    Make,
    conclude,
    ended,
    send,
    take,
    token_of,
)


def test_what_changed_while_it_was_held_and_was_skipped_does_not_come_back(
    runtime: Runtime, accept: Accept, report: Make, tokens: SimpleNamespace, next_of: Callable[..., str | None]
) -> None:
    reviewer = token_of(runtime, tokens, "reviewer")
    send(runtime, accept, report, threat=THREAT)
    held = take(runtime, reviewer)
    accept(runtime.store, runtime.scorer, [report("new", f"{THREAT}!", content={"id": "threat"})], NOW, 0)
    claims.skip(runtime.store, reviewer, held.id, held.token, "I know somebody in it", NOW)
    assert next_of(reviewer) is None


def test_who_is_no_specialist_any_more_holds_no_specialist_case(
    runtime: Runtime, accept: Accept, report: Make, person: Callable[..., Identity]
) -> None:
    send(runtime, accept, report, child={"reason": "child_safety"})
    specialist = person("specialist")
    held = take(runtime, specialist)
    demoted = dataclasses.replace(specialist, role="reviewer")
    assert claims.held_by(runtime.store, demoted, NOW) is None
    with pytest.raises(ClaimLapsed):
        claims.release(runtime.store, demoted, held.id, held.token, now=NOW)
    assert claims.held_by(runtime.store, specialist, NOW) == held


def test_every_claim_is_a_row_that_says_how_it_ended(
    runtime: Runtime, accept: Accept, report: Make, tokens: SimpleNamespace
) -> None:
    reviewer = token_of(runtime, tokens, "reviewer")
    send(runtime, accept, report, threat=THREAT, joke=JOKE)
    first = take(runtime, reviewer)
    claims.release(runtime.store, reviewer, first.id, first.token, now=NOW)
    take(runtime, reviewer, NOW + timedelta(seconds=1))
    third = take(runtime, reviewer, NOW + 2 * LEASE)
    again = claims.extend(runtime.store, reviewer, third.id, third.token, lease=LEASE, now=NOW + 2 * LEASE)
    assert (again.id, again.token) == (third.id, third.token)
    conclude(runtime, reviewer, third)
    assert ended(runtime) == [("released", None), ("lapsed", None), ("decided", None)]
    with runtime.store.read() as connection:
        rows = connection.execute(select(history).order_by(history.c.claimed_at)).all()
    assert {(row.case_id, row.lane, row.severity, row.stage) for row in rows} == {(first.case_id, "high", 3, "first")}
    assert rows[1].ended_at == rows[1].claimed_at + LEASE


def test_a_case_that_is_taken_away_ends_its_claim(
    runtime: Runtime, accept: Accept, report: Make, tokens: SimpleNamespace
) -> None:
    reviewer = token_of(runtime, tokens, "reviewer")
    send(runtime, accept, report, c="hello")
    take(runtime, reviewer)
    accept(runtime.store, runtime.scorer, [report("r-2", "hello", reason="csam", content={"id": "c"})], NOW, 0)
    assert ended(runtime) == [("withdrawn", None)]


def test_held_is_what_was_claimed_last_and_has_not_lapsed(
    runtime: Runtime, accept: Accept, report: Make, tokens: SimpleNamespace
) -> None:
    reviewer, other = (token_of(runtime, tokens, name) for name in ("reviewer", "reviewer2"))
    send(runtime, accept, report, threat=THREAT, joke=JOKE)
    take(runtime, reviewer)
    second = take(runtime, reviewer, NOW + timedelta(seconds=1))
    assert claims.held_by(runtime.store, reviewer, NOW) == second
    assert claims.held_by(runtime.store, other, NOW) is None
    assert claims.held_by(runtime.store, reviewer, NOW + 2 * LEASE) is None
