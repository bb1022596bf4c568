"""Who gets which case, for how long, and what a decision needs to count."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from serving.accounts.auth import authenticate
from serving.errors import ClaimLapsed
from serving.queue import claims, overview
from serving.runtime import Runtime
from serving.store import Store
from serving.store.tables import events

Make = Callable[..., dict[str, Any]]
Accept = Callable[..., list[Any]]
ClientOf = Callable[[str], TestClient]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEASE = timedelta(minutes=15)


@pytest.fixture
def waiting(runtime: Runtime, report: Make, accept: Accept) -> Runtime:
    """A store with a joke, a scam and a threat in its queue, reported in this order."""
    texts = {"joke": "good day", "scam": "Your parcel waits", "threat": "We will ambush you"}
    items = [report(name, text) for name, text in texts.items()]
    accept(runtime.store, runtime.scorer, items, datetime.now(UTC), 0)
    return runtime


def claim(client: TestClient, **wanted: Any) -> Any:
    response = client.post("/v1/queue/claim", json=wanted)
    return response.json() if response.status_code == 200 else response.status_code


def body_of(answer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "decision_id": "d-1",
        "case_id": answer["case"]["id"],
        "claim_id": answer["claim"]["id"],
        "token": answer["claim"]["token"],
        "content_version": answer["case"]["content_version"],
        "outcome": "no_violation",
        **fields,
    }


def refused(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_the_worst_comes_first_and_each_once(waiting: Runtime, reviewer: TestClient) -> None:
    got = [claim(reviewer)["case"]["reports"][0]["report_id"] for _ in range(3)]
    assert got == ["threat", "scam", "joke"]
    assert claim(reviewer) == 204


def test_two_reviewers_never_get_the_same(
    runtime: Runtime, tokens: SimpleNamespace, report: Make, accept: Accept
) -> None:
    accept(runtime.store, runtime.scorer, [report(f"r-{i}", "hello") for i in range(60)], NOW, 0)
    stores = [Store(runtime.settings.store_url) for _ in range(2)]
    people = [authenticate(runtime.store, token) for token in (tokens.reviewer, tokens.reviewer2)]

    def work(i: int) -> list[str]:
        found = []
        while held := claims.claim(stores[i % 2], runtime.scorer.policy, people[i % 2], lease=LEASE, now=NOW):
            found.append(held.case_id)
        return found

    with ThreadPoolExecutor(4) as pool:
        got = [case for found in pool.map(work, range(4)) for case in found]
    assert len(got) == len(set(got)) == 60
    for store in stores:
        store.close()


def test_filters(waiting: Runtime, reviewer: TestClient, intake: TestClient, report: Make) -> None:
    intake.post("/v1/reports", json=report("german", "Guten Tag", content={"language": "de-AT"}))
    assert claim(reviewer, languages=["de"])["case"]["reports"][0]["report_id"] == "german"
    assert claim(reviewer, languages=["fr"]) == 204
    assert claim(reviewer, lanes=["low"])["case"]["reports"][0]["report_id"] == "joke"
    assert claim(reviewer, languages=["und"])["case"]["reports"][0]["report_id"] == "threat"
    assert refused(reviewer.post("/v1/queue/claim", json={"lanes": ["fast"]})) == (422, "invalid_request")
    assert refused(reviewer.post("/v1/queue/claim", json={"lane": "low"})) == (422, "invalid_request")


def test_a_lapsed_lease_goes_to_the_next(waiting: Runtime, tokens: SimpleNamespace) -> None:
    first, second = (authenticate(waiting.store, token) for token in (tokens.reviewer, tokens.reviewer2))
    old = claims.claim(waiting.store, waiting.scorer.policy, first, lease=LEASE, now=NOW)
    new = claims.claim(waiting.store, waiting.scorer.policy, second, lease=LEASE, now=NOW + LEASE)
    assert old and new
    assert old.case_id == new.case_id
    assert new.token > old.token
    with pytest.raises(ClaimLapsed):
        claims.extend(waiting.store, first, old.id, old.token, lease=LEASE, now=NOW + LEASE)


def test_a_lapsed_or_wrong_token_decides_nothing(
    waiting: Runtime, reviewer: TestClient, client_of: ClientOf, tokens: SimpleNamespace
) -> None:
    answer = claim(reviewer)
    lapsed = (409, "claim_lapsed")
    assert refused(reviewer.post("/v1/decisions", json=body_of(answer, token=99))) == lapsed
    assert refused(reviewer.post("/v1/decisions", json=body_of(answer, case_id="another"))) == lapsed
    assert refused(client_of(tokens.reviewer2).post("/v1/decisions", json=body_of(answer))) == lapsed
    path = f"/v1/queue/claims/{answer['claim']['id']}/release"
    assert reviewer.post(path, json={"token": answer["claim"]["token"]}).status_code == 204
    assert refused(reviewer.post("/v1/decisions", json=body_of(answer))) == lapsed
    assert refused(reviewer.post(path, json={"token": answer["claim"]["token"]})) == lapsed


def test_extending(waiting: Runtime, reviewer: TestClient) -> None:
    answer = claim(reviewer)
    path = f"/v1/queue/claims/{answer['claim']['id']}/extend"
    longer = reviewer.post(path, json={"token": answer["claim"]["token"]}).json()
    assert longer["expires_at"] > answer["claim"]["expires_at"]
    assert longer["token"] == answer["claim"]["token"]


def test_the_same_decision_again_gives_the_same_answer(waiting: Runtime, reviewer: TestClient) -> None:
    body = body_of(claim(reviewer))
    first = reviewer.post("/v1/decisions", json=body)
    assert first.status_code == 200
    assert reviewer.post("/v1/decisions", json=body).json() == first.json()
    other = reviewer.post("/v1/decisions", json={**body, "note": "another thought"})
    assert refused(other) == (409, "decision_conflict")


def test_a_decision_knows_where_it_comes_from(waiting: Runtime, reviewer: TestClient) -> None:
    body = body_of(claim(reviewer), outcome="violation", categories=["violence_threat"], severity=3, action="remove")
    decision = reviewer.post("/v1/decisions", json=body).json()
    assert decision["bundle"] == waiting.scorer.bundle.digest
    assert decision["policy_version"] == waiting.scorer.policy.version
    assert (decision["role"], decision["blind"], decision["bulk"]) == ("reviewer", False, False)
    assert 0 <= decision["seconds_spent"] < 60
    assert decision["supersedes"] is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"outcome": "violation", "categories": ["rudeness"]}, "categories"),
        ({"outcome": "violation"}, "categories"),
        ({"outcome": "no_violation", "severity": 2}, "outcome"),
        ({"outcome": "maybe"}, "outcome"),
        ({"severity": 5}, "severity"),
        ({"severity": True}, "severity"),
        ({"token": "1"}, "token"),
        ({"verdict": "guilty"}, None),
    ],
    ids=str,
)
def test_decisions_that_make_no_sense(
    waiting: Runtime, reviewer: TestClient, fields: dict[str, Any], field: str | None
) -> None:
    response = reviewer.post("/v1/decisions", json=body_of(claim(reviewer), **fields))
    assert refused(response) == (422, "invalid_request")
    assert response.json()["error"]["field"] == field


def test_a_decision_on_an_old_version_is_refused(intake: TestClient, reviewer: TestClient, report: Make) -> None:
    intake.post("/v1/reports", json=report("r-1", "hello", content={"id": "c"}))
    answer = claim(reviewer)
    intake.post("/v1/reports", json=report("r-2", "hello!", content={"id": "c"}))
    assert refused(reviewer.post("/v1/decisions", json=body_of(answer))) == (409, "content_changed")


@pytest.mark.parametrize(
    ("outcome", "status"), [("cannot_decide", "open"), ("escalate", "escalated"), ("no_violation", "decided")]
)
def test_what_becomes_of_a_case(waiting: Runtime, reviewer: TestClient, outcome: str, status: str) -> None:
    answer = claim(reviewer)
    assert reviewer.post("/v1/decisions", json=body_of(answer, outcome=outcome)).status_code == 200
    assert reviewer.get(f"/v1/cases/{answer['case']['id']}").json()["status"] == status


def test_who_could_not_decide_does_not_get_it_again(
    waiting: Runtime, reviewer: TestClient, client_of: ClientOf, tokens: SimpleNamespace
) -> None:
    answer = claim(reviewer)
    reviewer.post("/v1/decisions", json=body_of(answer, outcome="cannot_decide"))
    assert claim(reviewer)["case"]["id"] != answer["case"]["id"]
    assert claim(client_of(tokens.reviewer2))["case"]["id"] == answer["case"]["id"]


def test_only_specialists_open_specialist_cases(
    runtime: Runtime, intake: TestClient, client_of: ClientOf, tokens: SimpleNamespace, report: Make
) -> None:
    intake.post("/v1/reports", json=report("r-1", "hello there", reason="child_safety"))
    case_id = intake.get("/v1/reports/r-1").json()["case_id"]
    for role in ("reviewer", "qa", "admin"):
        client = client_of(getattr(tokens, role))
        assert claim(client) == 204
        assert claim(client, lanes=["specialist"]) == 204
        assert client.get(f"/v1/cases/{case_id}").json()["content"] is None
    with runtime.store.read() as connection:
        assert not connection.execute(select(events)).all()
    specialist = client_of(tokens.specialist)
    assert claim(specialist)["case"]["content"]["text"] == "hello there"
    specialist.get(f"/v1/cases/{case_id}")
    with runtime.store.read() as connection:
        kinds = connection.execute(select(events.c.kind, events.c.actor)).all()
    me = authenticate(runtime.store, tokens.specialist).id
    assert kinds == [("specialist_opened", me), ("specialist_opened", me)]


def test_a_case_that_turns_special_is_taken_away(intake: TestClient, reviewer: TestClient, report: Make) -> None:
    intake.post("/v1/reports", json=report("r-1", "hello", content={"id": "c"}))
    answer = claim(reviewer)
    intake.post("/v1/reports", json=report("r-2", "hello", reason="csam", content={"id": "c"}))
    assert refused(reviewer.post("/v1/decisions", json=body_of(answer))) == (409, "claim_lapsed")
    assert claim(reviewer) == 204


def test_intake_systems_see_no_content(waiting: Runtime, intake: TestClient) -> None:
    case_id = intake.get("/v1/reports/threat").json()["case_id"]
    assert intake.get(f"/v1/cases/{case_id}").json()["content"] is None


def test_blind_cases_come_without_a_score(runtime: Runtime, reviewer: TestClient, report: Make, accept: Accept) -> None:
    accept(runtime.store, runtime.scorer, [report("r-1", "We will ambush you")], datetime.now(UTC), 1)
    answer = claim(reviewer)
    assert answer["case"]["blind"]
    assert answer["case"]["score"] is None
    assert reviewer.get(f"/v1/cases/{answer['case']['id']}").json()["score"] is None
    decision = reviewer.post("/v1/decisions", json=body_of(answer)).json()
    assert decision["blind"]
    assert decision["bundle"] is None


def test_the_feed_goes_on_where_it_stopped(waiting: Runtime, reviewer: TestClient, intake: TestClient) -> None:
    for i in range(3):
        reviewer.post("/v1/decisions", json=body_of(claim(reviewer), decision_id=f"d-{i}"))
    seen, after = [], 0
    while page := intake.get("/v1/decisions", params={"after": after, "limit": 2}).json():
        if not page["decisions"]:
            break
        seen += [decision["decision_id"] for decision in page["decisions"]]
        after = page["next"]
    assert seen == ["d-0", "d-1", "d-2"]


def test_the_overview_counts_what_waits(waiting: Runtime) -> None:
    late = datetime.now(UTC) + timedelta(hours=5)
    counts = {count.lane: (count.waiting, count.breached) for count in overview.lanes(waiting.store, late)}
    assert counts == {"specialist": (0, 0), "critical": (0, 0), "high": (2, 2), "standard": (0, 0), "low": (1, 0)}
    first = overview.top(waiting.store, waiting.scorer.policy, 2, datetime.now(UTC), specialist=True)
    assert [row.lane for row in first] == ["high", "high"]
