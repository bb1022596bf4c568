"""What /metrics shows: requests by route pattern, never what somebody typed, and no more series for more addresses."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
SECRET = "pineapple-zeppelin"
COUNT = "frontline_request_duration_seconds_count"
Series = tuple[tuple[str, str], ...]


def series(client: TestClient) -> dict[Series, float]:
    """How many requests each combination of labels has counted."""
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain")
    assert SECRET not in response.text
    samples = [sample for family in text_string_to_metric_families(response.text) for sample in family.samples]
    return {tuple(sorted(sample.labels.items())): sample.value for sample in samples if sample.name == COUNT}


def key(method: str, route: str, status: int) -> Series:
    return (("method", method), ("route", route), ("status", str(status)))


def test_requests_are_counted_by_pattern(intake: TestClient, report: Callable[..., dict[str, Any]]) -> None:
    before = series(intake)
    intake.post("/v1/score", json=report("r-1", "hello"))
    intake.get("/v1/reports/r-1")
    intake.get("/v1/reports/r-2")
    analyze = "/v1alpha1/comments:analyze"
    intake.post(analyze, json={"comment": {"text": "hello"}, "requestedAttributes": {"TOXICITY": {}}})
    after = series(intake)
    counts = {("POST", "/v1/score", 200): 1, ("GET", "/v1/reports/{report_id}", 404): 2, ("POST", analyze, 200): 1}
    for counted, times in ((key(*each), times) for each, times in counts.items()):
        assert after[counted] - before.get(counted, 0) == times


def test_addresses_leave_no_trace(intake: TestClient) -> None:
    def knock(name: str) -> None:
        for path in ("v1/reports", "v1/cases", "v1/models", "console", "console/static", name):
            intake.get(f"/{path}/{name}")
            intake.get(f"/{path}/{name}/{name}", params={name: name})
            intake.post(f"/{path}/{name}")
            intake.request(name, f"/{path}")

    knock("first")
    known = series(intake)
    for number in range(20):
        knock(f"{SECRET}-{number}")
    assert series(intake).keys() - known.keys() <= {key("GET", "/metrics", 200)}


def test_metrics_are_read_in_an_overload(intake: TestClient) -> None:
    app = intake.app
    assert isinstance(app, FastAPI)
    edge = next(middleware for middleware in app.user_middleware if "max_in_flight" in middleware.kwargs)
    edge.kwargs["max_in_flight"] = 0
    assert intake.get("/v1/decisions").status_code == 429
    assert any(("status", "429") in labels for labels in series(intake))


def test_workers_add_up(intake: TestClient, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert series(intake) == {}  # this process keeps its figures elsewhere, and no other has left any
    worker = "from serving.metrics import count_request; count_request('POST', '/v1/score', 200, 0.1)"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", worker], check=True, cwd=ROOT)
    assert series(intake)[key("POST", "/v1/score", 200)] == 2


def test_the_dead_say_nothing_of_the_present(
    intake: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, alive = (tmp_path / f"gauge_livesum_{pid}.db" for pid in (ended.pid, os.getpid()))
    for file in (dead, alive):
        file.write_bytes(b"")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    intake.get("/metrics")
    assert (dead.exists(), alive.exists()) == (False, True)
