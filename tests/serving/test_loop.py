"""From a report to a decision, over HTTP."""

from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

Make = Callable[..., dict[str, Any]]


def decision_of(answer: dict[str, Any], decision_id: str = "d-1", **fields: Any) -> dict[str, Any]:
    return {
        "decision_id": decision_id,
        "case_id": answer["case"]["id"],
        "claim_id": answer["claim"]["id"],
        "token": answer["claim"]["token"],
        "content_version": answer["case"]["content_version"],
        "outcome": "violation",
        "categories": ["violence_threat"],
        "severity": 3,
        **fields,
    }


def test_the_threat_comes_first_and_is_decided(intake: TestClient, reviewer: TestClient, report: Make) -> None:
    reports = [
        report("r-joke", "What a lovely day"),
        report("r-scam", "Your parcel waits, pay the fee"),
        report("r-threat", "We will ambush you tonight"),
    ]
    results = intake.post("/v1/reports/batch", json={"reports": reports}).json()["results"]
    assert [result["report_id"] for result in results] == ["r-joke", "r-scam", "r-threat"]
    answer = reviewer.post("/v1/queue/claim", json={}).json()
    assert [r["report_id"] for r in answer["case"]["reports"]] == ["r-threat"]
    decided = reviewer.post("/v1/decisions", json=decision_of(answer))
    assert decided.status_code == 200, decided.text
    became = intake.get("/v1/reports/r-threat").json()
    assert became["status"] == "decided"
    assert became["decisions"] == [decided.json()]
    feed = intake.get("/v1/decisions").json()
    assert feed["decisions"] == [decided.json()]
    assert intake.get("/v1/decisions", params={"after": feed["next"]}).json()["decisions"] == []
