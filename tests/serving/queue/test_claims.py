"""Who is given which case: the order across lanes, skills and wishes, and care."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from models.policy import Policy
from serving.accounts.auth import Identity
from serving.errors import ClaimLapsed
from serving.queue import claims
from serving.queue.exposure import exposure
from serving.queue.policies import moves
from serving.runtime import Runtime
from tests.serving.queue.steps import JOKE, NOW, SCAM, THREAT, Accept, ClientOf, Make, ended, send, take, token_of


def test_what_waits_long_enough_comes_before_what_is_worse(
    runtime: Runtime, accept: Accept, report: Make, tokens: SimpleNamespace, next_of: Callable[..., str | None]
) -> None:
    reviewer = token_of(runtime, tokens, "reviewer")
    send(runtime, accept, report, NOW - timedelta(days=30), old=JOKE)
    send(runtime, accept, report, new=JOKE, scam=SCAM)
    assert [next_of(reviewer) for _ in range(4)] == ["old", "scam", "new", None]


def test_skills(
    runtime: Runtime,
    accept: Accept,
    report: Make,
    person: Callable[..., Identity],
    next_of: Callable[..., str | None],
) -> None:
    languages: dict[str, Any] = {name: {"content": {"language": name}} for name in ("de", "fr", "en")}
    languages["en"]["text"] = None
    send(runtime, accept, report, spam="discount", threat=THREAT, scam=SCAM, **languages)
    german, fraud, both = (
        person(languages=["de"]),
        person(categories=["scam_fraud"]),
        person(languages=["fr"], categories=["spam"]),
    )
    assert next_of(german, languages=["fr"]) is None  # it was asked for, and is not known
    assert next_of(fraud, languages=["en"]) == "en"  # no category is known, so it is everybody's
    assert {next_of(both), next_of(both), next_of(both)} == {"spam", "fr", None}
    assert [next_of(fraud), next_of(german)] == ["scam", "threat"]  # the latter in no language that is known
    assert [next_of(german), next_of(german)] == ["de", None]


def test_the_critical_lane_is_for_those_who_chose_it(
    runtime: Runtime,
    accept: Accept,
    report: Make,
    person: Callable[..., Identity],
    tokens: SimpleNamespace,
    next_of: Callable[..., str | None],
) -> None:
    send(runtime, accept, report, note={"reason": "suicide"}, other={"reason": "suicide"}, joke=JOKE)
    assert [next_of(person()), next_of(person())] == ["joke", None]
    assert next_of(person(critical=True)) in ("note", "other")
    assert next_of(token_of(runtime, tokens, "reviewer")) in ("note", "other")


def test_what_was_skipped_is_for_others_until_it_changes(
    runtime: Runtime,
    accept: Accept,
    report: Make,
    tokens: SimpleNamespace,
    next_of: Callable[..., str | None],
) -> None:
    first, second = (token_of(runtime, tokens, name) for name in ("reviewer", "reviewer2"))
    send(runtime, accept, report, threat=THREAT)
    held = take(runtime, first)
    claims.skip(runtime.store, first, held.id, held.token, "I know somebody in it", NOW)
    with pytest.raises(ClaimLapsed):
        claims.skip(runtime.store, first, held.id, held.token, "again", NOW)
    assert next_of(first) is None
    again = take(runtime, second)
    assert again.case_id == held.case_id
    claims.release(runtime.store, second, again.id, again.token, now=NOW)
    assert next_of(first) is None
    accept(runtime.store, runtime.scorer, [report("new", f"{THREAT}!", content={"id": "threat"})], NOW, 0)
    assert next_of(first) == "threat"
    assert ended(runtime) == [("skipped", "I know somebody in it"), ("released", None), (None, None)]


def test_languages_are_asked_for_as_cases_name_them(
    runtime: Runtime, accept: Accept, report: Make, tokens: SimpleNamespace, next_of: Callable[..., str | None]
) -> None:
    send(runtime, accept, report, german={"content": {"language": "de-AT"}}, odd={"content": {"language": "und"}})
    reviewer = token_of(runtime, tokens, "reviewer")
    assert next_of(reviewer, languages=["de-CH", "DE"]) == "german"
    assert next_of(reviewer, languages=["zxx", "und"]) == "odd"


def test_what_is_transferred_is_the_specialists_for_good(
    runtime: Runtime,
    intake: TestClient,
    reviewer: TestClient,
    client_of: ClientOf,
    report: Make,
    tokens: SimpleNamespace,
) -> None:
    intake.post("/v1/reports", json=report("r-1", "hello", content={"id": "c"}))
    answer = reviewer.post("/v1/queue/claim", json={}).json()
    path = f"/v1/queue/claims/{answer['claim']['id']}/transfer"
    given = {"token": answer["claim"]["token"], "reason": "a child"}
    assert reviewer.post(path, json={"token": 9, "reason": "a child"}).status_code == 409
    assert reviewer.post(path, json={**given, "reason": ""}).status_code == 422
    assert reviewer.post(path, json=given).status_code == 204
    assert not [move for batch in moves(runtime.store, runtime.scorer) for move in batch if move.changes]
    case = f"/v1/cases/{answer['case']['id']}"
    assert reviewer.get(case).json()["content"] is None
    assert reviewer.post("/v1/queue/claim", json={}).status_code == 204
    specialist = client_of(tokens.specialist)
    found = specialist.post("/v1/queue/claim", json={}).json()
    assert found["case"]["id"] == answer["case"]["id"]
    assert found["case"]["due_at"] <= (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {
        "decision_id": "d-1",
        "case_id": found["case"]["id"],
        "claim_id": found["claim"]["id"],
        "token": found["claim"]["token"],
        "content_version": 1,
        "outcome": "no_violation",
    }
    assert specialist.post("/v1/decisions", json=body).status_code == 200
    intake.post("/v1/reports", json=report("r-2", "something else", content={"id": "c"}))
    assert reviewer.get(case).json()["status"] == "open"
    assert reviewer.get(case).json()["content"] is None
    assert reviewer.post("/v1/queue/claim", json={}).status_code == 204


def test_after_a_run_of_severe_cases_comes_a_lighter_one(
    runtime: Runtime,
    accept: Accept,
    report: Make,
    person: Callable[..., Identity],
    next_of: Callable[..., str | None],
) -> None:
    send(runtime, accept, report, joke=JOKE, **{f"threat{i}": f"{THREAT} {i}" for i in range(7)})
    reviewer, in_a_row = person(critical=True), runtime.scorer.policy.care.severe_in_a_row
    got = [str(next_of(reviewer, NOW + timedelta(seconds=i))) for i in range(8)]
    assert [name[:4] for name in got] == ["thre"] * in_a_row + ["joke"] + ["thre"] * (7 - in_a_row)


def test_past_the_days_budget_no_severe_cases_come(
    runtime: Runtime,
    accept: Accept,
    report: Make,
    person: Callable[..., Identity],
    next_of: Callable[..., str | None],
) -> None:
    send(runtime, accept, report, joke=JOKE, **{f"threat{i}": f"{THREAT} {i}" for i in range(4)})
    reviewer = person(daily_severe=2)
    got = [next_of(reviewer, NOW + timedelta(seconds=i)) for i in range(4)]
    assert [str(name)[:4] for name in got] == ["thre", "thre", "joke", "None"]
    with runtime.store.read() as connection:
        had = exposure(connection, reviewer, NOW + timedelta(minutes=1))
        later = exposure(connection, reviewer, NOW + timedelta(days=2))
    assert (had.severe(runtime.scorer.policy), had.in_a_row(runtime.scorer.policy), len(had.seen)) == (2, 0, 3)
    assert later.seen == ()
    assert str(next_of(reviewer, NOW + timedelta(days=2)))[:4] == "thre"


def test_what_counts_as_severe(policy: Policy) -> None:
    assert policy.light_lanes == ["standard", "low"]
    assert [policy.is_severe("low", severity) for severity in (None, 2, 3)] == [False, False, True]
    assert [policy.is_severe("high", severity) for severity in (None, 2, 3)] == [True, False, True]
