"""Content that is gone, and subjects who object."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from serving.runtime import Runtime
from serving.store.tables import cases, decisions
from serving.store.tables import claims as history

Make = Callable[..., dict[str, Any]]
ClientOf = Callable[[str], TestClient]


def claim(client: TestClient) -> Any:
    response = client.post("/v1/queue/claim", json={})
    return response.json() if response.status_code == 200 else None


def body_of(answer: dict[str, Any], decision_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "decision_id": decision_id,
        "case_id": answer["case"]["id"],
        "claim_id": answer["claim"]["id"],
        "token": answer["claim"]["token"],
        "content_version": answer["case"]["content_version"],
        "outcome": "no_violation",
        **fields,
    }


def refused(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.fixture
def decided(intake: TestClient, reviewer: TestClient, report: Make) -> str:
    """The id of a case that was decided as decision d-1."""
    intake.post("/v1/reports", json=report("r-1", "We will ambush you", content={"id": "c"}))
    answer = claim(reviewer)
    violation = {"outcome": "violation", "categories": ["violence_threat"], "severity": 3}
    assert reviewer.post("/v1/decisions", json=body_of(answer, "d-1", **violation)).status_code == 200
    return str(answer["case"]["id"])


def appeal(client: TestClient, **fields: Any) -> Any:
    return client.post("/v1/appeals", json={"appeal_id": "a-1", "decision_id": "d-1", **fields})


def test_an_appeal_goes_to_somebody_else(
    decided: str, intake: TestClient, client_of: ClientOf, tokens: SimpleNamespace, reviewer: TestClient
) -> None:
    answer = appeal(intake, statement="We are rehearsing a play")
    assert (answer.status_code, answer.json()["case_id"]) == (200, decided)
    assert appeal(intake, statement="We are rehearsing a play").json() == answer.json()
    assert refused(appeal(intake, statement="I object")) == (409, "appeal_conflict")
    assert intake.get(f"/v1/cases/{decided}").json()["appeal"] is None  # callers without content do not see it
    assert [claim(client) for client in (reviewer, client_of(tokens.reviewer2), client_of(tokens.specialist))] == [
        None
    ] * 3
    qa = client_of(tokens.qa)
    found = claim(qa)
    assert (found["case"]["id"], found["case"]["appeal"]["statement"]) == (decided, "We are rehearsing a play")
    decision = qa.post("/v1/decisions", json=body_of(found, "d-2")).json()
    assert (decision["role"], decision["supersedes"], decision["outcome"]) == ("appeal", 1, "no_violation")
    case = qa.get(f"/v1/cases/{decided}").json()
    assert (case["status"], case["appeal"]) == ("decided", None)
    assert refused(appeal(intake, appeal_id="a-2")) == (409, "not_appealable")
    assert appeal(intake, appeal_id="a-2", decision_id="d-2").status_code == 200
    assert claim(qa) is None
    assert claim(client_of(tokens.admin))["case"]["id"] == decided


def test_an_appeal_that_specialists_get_goes_to_somebody_else_too(
    intake: TestClient, report: Make, client_of: ClientOf, tokens: SimpleNamespace
) -> None:
    intake.post("/v1/reports", json=report("r-1", "We will ambush you", content={"id": "c"}))
    specialist, qa = client_of(tokens.specialist), client_of(tokens.qa)
    violation = {"outcome": "violation", "categories": ["violence_threat"], "severity": 3}
    assert specialist.post("/v1/decisions", json=body_of(claim(specialist), "d-1", **violation)).status_code == 200
    appeal(intake, statement="We are rehearsing a play")
    held = claim(qa)["claim"]
    given = {"token": held["token"], "reason": "A child plays in it"}
    assert qa.post(f"/v1/queue/claims/{held['id']}/transfer", json=given).status_code == 204
    assert claim(specialist) is None


def test_the_same_appeal_twice_at_once_gives_the_same_answer(decided: str, intake: TestClient) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: appeal(intake), range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert all(answer.json() == answers[0].json() for answer in answers)


def test_what_cannot_be_appealed(decided: str, intake: TestClient, report: Make, runtime: Runtime) -> None:
    assert refused(appeal(intake, decision_id="d-9")) == (404, "not_found")
    assert refused(appeal(intake, statement=3)) == (422, "invalid_request")
    with runtime.store.write() as connection:
        connection.execute(update(decisions).values(role="import"))
    assert refused(appeal(intake)) == (409, "not_appealable")
    with runtime.store.write() as connection:
        connection.execute(update(decisions).values(role="reviewer"))
    intake.post("/v1/reports", json=report("r-2", "We will ambush you all", content={"id": "c"}))
    assert refused(appeal(intake)) == (409, "not_appealable")


def test_content_that_is_gone_leaves_the_queue(
    intake: TestClient, reviewer: TestClient, report: Make, runtime: Runtime
) -> None:
    intake.post("/v1/reports", json=report("r-1", "hello", content={"id": "c"}))
    answer = claim(reviewer)
    path = f"/v1/cases/{answer['case']['id']}/withdraw"
    assert refused(reviewer.post(path, json={})) == (403, "forbidden")
    assert refused(intake.post("/v1/cases/nobody/withdraw", json={})) == (404, "not_found")
    for _ in range(2):
        case = intake.post(path, json={"reason": "deleted by its author"})
        assert (case.status_code, case.json()["status"]) == (200, "withdrawn")
    assert refused(reviewer.post("/v1/decisions", json=body_of(answer, "d-1"))) == (409, "claim_lapsed")
    assert claim(reviewer) is None
    with runtime.store.read() as connection:
        assert connection.execute(select(history.c.ending)).scalars().all() == ["withdrawn"]
    intake.post("/v1/reports", json=report("r-2", "hello again", content={"id": "c"}))
    assert claim(reviewer)["case"]["id"] == answer["case"]["id"]


@pytest.mark.parametrize(
    ("stage", "status", "after"),
    [
        ("first", "decided", "decided"),
        ("second", "open", "decided"),
        ("qa", "open", "decided"),
        ("appeal", "open", "open"),
    ],
)
def test_what_was_decided_stays(
    decided: str, intake: TestClient, runtime: Runtime, stage: str, status: str, after: str
) -> None:
    with runtime.store.write() as connection:
        connection.execute(update(cases).values(stage=stage, status=status))
    if stage == "appeal":
        with runtime.store.write() as connection:
            connection.execute(update(cases).values(stage="first", status="decided"))
        assert appeal(intake).status_code == 200
    assert intake.post(f"/v1/cases/{decided}/withdraw", json={}).json()["status"] == after
