"""What a claim and a look at the queue cost, however many cases wait."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event

from models.policy import LANES
from serving.accounts.auth import Identity
from serving.queue import claims, fronts, overview
from serving.queue.reach import MOST_CELLS, Reach
from serving.runtime import Runtime
from tests.serving.queue.steps import JOKE, LEASE, NOW, Accept, Make, send, token_of


def test_a_claim_takes_few_statements(
    runtime: Runtime, accept: Accept, report: Make, person: Callable[..., Identity], desk_of: Callable[..., Any]
) -> None:
    send(runtime, accept, report, **{f"joke{i}": JOKE for i in range(3)})
    desk, who, statements = desk_of(golden_share=0), person(), list[str]()
    assert desk.claim(who)
    note = lambda *given: "BEGIN" in given[2] or statements.append(given[2])  # noqa: E731
    event.listen(runtime.store.engine, "before_cursor_execute", note)
    assert desk.claim(who)
    assert len(statements) == 5, statements
    statements.clear()
    desk.now += 2 * LEASE
    assert desk.claim(who)
    assert len(statements) == 7, statements  # however many leases ran out


def test_a_claim_looks_into_so_many_parts_of_the_queue_at_most(person: Callable[..., Identity]) -> None:
    reach = Reach((LANES[1:],), tuple(f"l{i}" for i in range(100)), tuple(f"c{i}" for i in range(20)))
    cells = reach.cells(person(), LANES[1:])
    assert len(cells) == MOST_CELLS
    assert {cell[1] for cell in cells if cell[3] == "l0"} == set(LANES[1:])


def test_counts_stop_somewhere(runtime: Runtime, accept: Accept, report: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    send(runtime, accept, report, **{f"joke{i}": JOKE for i in range(5)})
    monkeypatch.setattr(overview, "MOST_COUNTED", 3)
    counts = {count.lane: count for count in overview.lanes(runtime.store, NOW)}
    assert (counts["low"].waiting, counts["low"].breached, counts["high"].waiting) == (3, 0, 0)
    assert [overview.counted(number) for number in (2, counts["low"].waiting)] == ["2", "3+"]
    assert counts["low"].next_due == NOW + timedelta(hours=72)


@pytest.mark.parametrize("languages", [None, ("en", "und")])
@pytest.mark.parametrize("categories", [None, ("spam", "none")])
def test_finding_the_next_case_is_a_seek(
    runtime: Runtime,
    accept: Accept,
    report: Make,
    tokens: SimpleNamespace,
    languages: Sequence[str] | None,
    categories: Sequence[str] | None,
) -> None:
    if not runtime.store.is_sqlite:
        pytest.skip("PostgreSQL plans by how many cases there are; see benchmarks/queue.py")
    send(runtime, accept, report, discount="discount", joke=JOKE)
    reviewer, store = token_of(runtime, tokens, "reviewer"), runtime.store
    reach = Reach((LANES[1:],), tuple(languages) if languages else None, tuple(categories) if categories else None)
    cells = reach.cells(reviewer, LANES[1:])
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "cases" in statement:
            seen.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    with store.write() as connection:
        first = fronts.by_urgency(connection, runtime.scorer.policy, reviewer.id, cells, NOW)
        assert fronts.take(connection, reviewer.id, first[0], "c", NOW, NOW + LEASE)
        claims.free_lapsed(connection, NOW)
        steps = [str(row[-1]) for statement, given in seen[:3]
                 for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)]  # fmt: skip
    event.remove(store.engine, "before_cursor_execute", note)
    index = {(0, 0): "queue", (1, 0): "language", (0, 1): "category", (1, 1): "skills"}
    used = index[bool(languages), bool(categories)]
    assert sum(f"ix_cases_{used}" in step for step in steps) == 2
    assert any("ix_cases_claim_expires_at" in step for step in steps)
    assert any("ix_claims_case" in step for step in steps)
    assert any("ix_decisions_case" in step for step in steps)
    assert not [step for step in steps if "TEMP B-TREE" in step]
    assert not [step for step in steps if step.startswith(("SCAN cases", "SCAN waiting", "SCAN claims"))]
