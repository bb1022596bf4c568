"""What the interface does with more load than it can take, with deadlines, and with clients that leave."""

import asyncio
import json
import math
import time
from collections.abc import Callable
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from models import Report, Score, Scorer
from serving.api import create_app
from serving.errors import Overloaded
from serving.runtime import Runtime

Make = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("path", ["/v1/score", "/v1/score/batch", "/v1/reports", "/v1/reports/batch"])
def test_overload_is_said_at_once(
    intake: TestClient, runtime: Runtime, report: Make, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def admit() -> None:
        raise Overloaded("7 seconds of work wait already", retry_after=7)

    monkeypatch.setattr(runtime.executor, "admit", admit)
    response = intake.post(path, json=report("r-1", "hello"))
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")
    assert response.json()["error"]["code"] == "overloaded"
    assert intake.get("/v1/reports/r-1").status_code == 404  # reading goes on


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Scores wait for this event."""
    go, score = Event(), Scorer.score

    def waiting(self: Scorer, report: Report, **options: Any) -> Score:
        assert go.wait(30)
        return score(self, report, **options)

    monkeypatch.setattr(Scorer, "score", waiting)
    return go


def test_a_deadline_that_passed(intake: TestClient, report: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    score = Scorer.score

    def late(self: Scorer, item: Report, **options: Any) -> Score:
        time.sleep(0.3)
        return score(self, item, **options)

    monkeypatch.setattr(Scorer, "score", late)
    batch = {"reports": [report(f"r-{i}", "hello") for i in range(4)]}
    results = intake.post("/v1/score/batch?deadline_ms=200", json=batch).json()["results"]
    assert "violation" in results[0]
    assert [(r["report_id"], r["error"]["code"]) for r in results[1:]] == [
        (f"r-{i}", "deadline_exceeded") for i in (1, 2, 3)
    ]
    assert intake.post("/v1/score?deadline_ms=0", json=report("r-1", "hello")).status_code == 422
    assert intake.post("/v1/score?deadline_ms=60000", json=report("r-1", "hello")).status_code == 200


def test_nothing_late_is_kept(intake: TestClient, report: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.intake.time", SimpleNamespace(monotonic=lambda: math.inf))
    response = intake.post("/v1/reports?deadline_ms=100", json=report("r-1", "hello"))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert response.json()["error"]["code"] == "deadline_exceeded"
    assert intake.get("/v1/reports/r-1").status_code == 404


def test_nobody_works_for_a_client_that_left(
    runtime: Runtime, tokens: SimpleNamespace, report: Make, slow: Event
) -> None:
    app, scored = create_app(runtime), list[str]()
    body = json.dumps({"reports": [report(f"r-{i}", f"text {i}") for i in range(50)]}).encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/score/batch",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"authorization", f"Bearer {tokens.intake}".encode())],
    }
    messages: list[Message] = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        scored.append(message["type"])

    asyncio.run(app(scope, receive, send))
    assert scored == []
    slow.set()
    assert asyncio.run(runtime.executor.run([lambda: "next"])) == ["next"]  # at once: the fifty are gone
