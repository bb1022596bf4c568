"""What the interface does with more load than it can take, with deadlines, and with clients that leave."""

import asyncio
import itertools
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
from serving.api.application import create_app
from serving.errors import Overloaded
from serving.runtime import Runtime
from serving.settings import Settings

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


@pytest.mark.parametrize(("workers", "busy", "closes"), [(2, True, True), (2, False, False), (1, True, False)])
def test_a_busy_worker_of_several_lets_connections_go(
    intake: TestClient,
    runtime: Runtime,
    report: Make,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    busy: bool,
    closes: bool,
) -> None:
    monkeypatch.setattr("serving.api.scoring.SHED_SHARE", 1)
    monkeypatch.setattr(type(runtime.executor), "is_busy", busy)
    monkeypatch.setattr(runtime, "settings", runtime.settings.model_copy(update={"workers": workers}))
    assert (intake.post("/v1/score", json=report("r-1", "hello")).headers.get("Connection") == "close") is closes
    assert "Connection" not in intake.get("/v1/reports/r-1").headers


def test_before_its_start_one_of_several_workers_says_so(settings: Settings, report: Make) -> None:
    several = settings.model_copy(update={"workers": 2})
    response = TestClient(create_app(Runtime(several))).post("/v1/score", json=report("r-1", "hello"))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")


def test_a_deadline_that_passed(intake: TestClient, report: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a minute whenever somebody looks at it, once when a report's turn comes."""
    moments = itertools.count(time.monotonic(), 60)
    monkeypatch.setattr("serving.queue.intake.time", SimpleNamespace(monotonic=lambda: next(moments)))
    batch = {"reports": [report(f"r-{i}", "hello") for i in range(9)]}
    results = intake.post("/v1/score/batch?deadline_ms=500", json=batch).json()["results"]
    assert "violation" in results[0]
    late = [(result["report_id"], result["error"]["code"]) for result in results[1:]]
    assert late == [(f"r-{i}", "deadline_exceeded") for i in range(1, 9)]
    assert intake.post("/v1/score?deadline_ms=0", json=report("r-1", "hello")).status_code == 422


def test_nothing_late_is_kept(intake: TestClient, report: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.queue.intake.time", SimpleNamespace(monotonic=lambda: math.inf))
    response = intake.post("/v1/reports?deadline_ms=100", json=report("r-1", "hello"))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert response.json()["error"]["code"] == "deadline_exceeded"
    assert intake.get("/v1/reports/r-1").status_code == 404


def test_what_does_not_get_its_turns_is_refused(
    intake: TestClient, runtime: Runtime, report: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, score = Event(), Scorer.score

    def waiting(self: Scorer, item: Report, **options: Any) -> Score:
        assert go.wait(30)
        return score(self, item, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Scorer, "score", waiting)
        patch.setattr("serving.api.scoring.SCORING_SECONDS", 0.1)
        response = intake.post("/v1/reports/batch", json={"reports": [report(f"r-{i}", "hello") for i in range(3)]})
        go.set()
    assert (response.status_code, response.json()["error"]["code"]) == (429, "overloaded")
    asyncio.run(runtime.executor.run([dict]))  # comes after whatever had begun
    assert [intake.get(f"/v1/reports/r-{i}").status_code for i in range(3)] == [404] * 3


def test_nobody_works_for_a_client_that_left(
    runtime: Runtime, tokens: SimpleNamespace, report: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, scored, sent, score = Event(), list[str](), list[Message](), Scorer.score

    def waiting(self: Scorer, item: Report, **options: Any) -> Score:
        scored.append(item.report_id)
        assert go.wait(30)
        return score(self, item, **options)

    monkeypatch.setattr(Scorer, "score", waiting)
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
        sent.append(message)

    asyncio.run(create_app(runtime)(scope, receive, send))
    go.set()
    asyncio.run(runtime.executor.run([dict]))  # comes after whatever had begun
    assert [message.get("status") for message in sent] == [499, None]  # the server drops it
    assert len(scored) <= runtime.settings.threads
