"""Whatever is wrong with a request, the answer has one shape and quotes nothing."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from serving.http.errors import InternalError
from serving.schemas import MAX_EXPLAINED

SECRET = "pineapple-zeppelin"
JSON = {"Content-Type": "application/json"}


def check_shape(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"code", "message", "field", "request_id"}
    assert error["code"] == code
    assert error["request_id"] == response.headers["X-Request-ID"]
    assert SECRET not in response.text
    return dict(error)


def routes(client: TestClient) -> list[tuple[str, str]]:
    paths = client.get("/openapi.json").json()["paths"]
    return [(method.upper(), path.replace("{", "").replace("}", "")) for path, item in paths.items() for method in item]


def test_every_route_wants_a_known_token(client_of: Callable[[str], TestClient]) -> None:
    for token in ("", "fl_unknown"):
        client = client_of(token)
        for method, path in routes(client):
            response = client.request(method, path, content=b"{}", headers=JSON)
            check_shape(response, 401, "unauthenticated")
            assert response.headers["WWW-Authenticate"] == "Bearer"


def test_every_route_refuses_a_role_without_business_there(
    client_of: Callable[[str], TestClient], tokens: SimpleNamespace
) -> None:
    outsiders = {False: client_of(tokens.manager), True: client_of(tokens.reviewer)}
    for method, path in routes(outsiders[False]):
        client = outsiders[path.startswith("/v1/models")]
        check_shape(client.request(method, path, content=b"{}", headers=JSON), 403, "forbidden")


def test_every_post_wants_json(client_of: Callable[[str], TestClient], tokens: SimpleNamespace) -> None:
    client = client_of(tokens.admin)
    for method, path in routes(client):
        if method == "POST":
            for kind in ("text/plain", "application/x-www-form-urlencoded", "application/vnd.bentoml+pickle", ""):
                response = client.post(path, content=b"{}", headers={"Content-Type": kind})
                check_shape(response, 415, "unsupported_media_type")
            check_shape(client.post(path, content=b"{", headers=JSON), 400, "invalid_json")


def test_unknown_addresses_and_methods(intake: TestClient) -> None:
    check_shape(intake.get(f"/v1/{SECRET}"), 404, "not_found")
    check_shape(intake.get("/v1/reports/nobody"), 404, "not_found")
    check_shape(intake.get("/v1/cases/nobody"), 404, "not_found")
    response = intake.get("/v1/score")
    check_shape(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "POST"
    check_shape(intake.get("/v1/decisions", params={"after": SECRET}), 422, "invalid_request")
    check_shape(intake.get("/v1/decisions", params={"after": -1}), 422, "invalid_request")


@pytest.mark.parametrize("name", ["%00", "a%1fb", "%7f", "x" * 257])
def test_ids_in_addresses_are_checked(
    client_of: Callable[[str], TestClient], tokens: SimpleNamespace, name: str
) -> None:
    client = client_of(tokens.admin)
    for path, field in (("reports", "report_id"), ("cases", "case_id")):
        assert check_shape(client.get(f"/v1/{path}/{name}"), 422, "invalid_request")["field"] == field
    for call, given in {"extend": {}, "release": {}, "skip": {"reason": "a"}, "transfer": {"reason": "a"}}.items():
        response = client.post(f"/v1/queue/claims/{name}/{call}", json={"token": 1, **given})
        assert check_shape(response, 422, "invalid_request")["field"] == "claim_id"
    response = client.post(f"/v1/cases/{name}/withdraw", json={})
    assert check_shape(response, 422, "invalid_request")["field"] == "case_id"
    assert check_shape(client.get(f"/v1/models/{name}/info"), 422, "invalid_request")["field"] == "version"
    response = client.post(f"/v1/models/{name}/thresholds", json={"intent": "maximum f1", "category": "hate"})
    assert check_shape(response, 422, "invalid_request")["field"] == "version"


def _body(**fields: Any) -> bytes:
    return json.dumps({"report_id": "r", "content": {"text": SECRET}, **fields}).encode()


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        pytest.param(b"", 400, "invalid_json", None, id="empty"),
        pytest.param(b"\xff\xfe", 400, "invalid_json", None, id="bad UTF-8"),
        pytest.param(_body()[:-1] + b', "x": "\xc3\x28"}', 400, "invalid_json", None, id="bad UTF-8 inside"),
        pytest.param(_body(exposure={"views_per_hour": float("nan")}), 400, "invalid_json", None, id="NaN"),
        pytest.param(_body(exposure={"views_per_hour": float("inf")}), 400, "invalid_json", None, id="Infinity"),
        pytest.param(b'{"report_id": "r", "content": {"text": "\\ud800"}}', 400, "invalid_json", None, id="surrogate"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, 400, "invalid_json", None, id="nesting bomb"),
        pytest.param(b"[]", 422, "invalid_report", None, id="list"),
        pytest.param(b"null", 422, "invalid_report", None, id="null"),
        pytest.param(b"{}", 422, "invalid_report", "report_id", id="nothing"),
        pytest.param(b'{"report_id": "r"}', 422, "invalid_report", "content", id="no content"),
        pytest.param(_body(content={"text": 3}), 422, "invalid_report", "content.text", id="number for text"),
        pytest.param(_body(content={"text": [SECRET]}), 422, "invalid_report", "content.text", id="list for text"),
        pytest.param(_body(content=SECRET), 422, "invalid_report", "content", id="text for object"),
        pytest.param(_body(content={"text": "a" * 100_001}), 422, "invalid_report", "content.text", id="long text"),
        pytest.param(_body(report_id=""), 422, "invalid_report", "report_id", id="empty id"),
        pytest.param(_body(report_id="a\0b"), 422, "invalid_report", "report_id", id="NUL in id"),
        pytest.param(_body(report_id=7), 422, "invalid_report", "report_id", id="number for id"),
        pytest.param(_body(source=SECRET), 422, "invalid_report", "source", id="unknown source"),
        pytest.param(_body(received_at="2026-11-22 09:00"), 422, "invalid_report", "received_at", id="no zone"),
        pytest.param(_body(received_at=SECRET), 422, "invalid_report", "received_at", id="no time"),
        pytest.param(
            _body(subject={"prior_violations": -1}), 422, "invalid_report", "subject.prior_violations", id="negative"
        ),
        pytest.param(
            _body(subject={"prior_violations": 10**400}), 422, "invalid_report", "subject.prior_violations", id="huge"
        ),
        pytest.param(
            _body(subject={"followers": "many"}), 422, "invalid_report", "subject.followers", id="text for number"
        ),
        pytest.param(
            _body(reporter={"is_target": 1}), 422, "invalid_report", "reporter.is_target", id="number for bool"
        ),
    ],
)
@pytest.mark.parametrize("path", ["/v1/score", "/v1/reports"])
def test_bad_bodies(intake: TestClient, path: str, body: bytes, status: int, code: str, field: str | None) -> None:
    error = check_shape(intake.post(path, content=body, headers=JSON), status, code)
    assert error["field"] == field


def test_a_bad_report_fails_alone(intake: TestClient, report: Callable[..., dict[str, Any]]) -> None:
    items = [report("good", "hello"), {"report_id": "bad", "content": {"text": 3}}, SECRET, report("good2", None)]
    for path in ("/v1/score/batch", "/v1/reports/batch"):
        response = intake.post(path, json={"reports": items})
        assert response.status_code == 200
        good, bad, worse, good2 = response.json()["results"]
        assert (good["report_id"], good2["report_id"]) == ("good", "good2")
        assert bad["report_id"] == "bad"
        assert bad["error"]["field"] == "content.text"
        assert worse == {"report_id": None, "error": worse["error"]}
        assert SECRET not in response.text


def test_unknown_fields_warn(intake: TestClient, report: Callable[..., dict[str, Any]]) -> None:
    answer = intake.post("/v1/score", json=report("r", "hello", colour="red")).json()
    assert "unknown_field:colour" in answer["warnings"]


def test_limits(intake: TestClient, report: Callable[..., dict[str, Any]]) -> None:
    reports = [report(f"r{i}", "hello") for i in range(257)]
    assert intake.post("/v1/score/batch", json={"reports": reports[:256]}).status_code == 200
    check_shape(intake.post("/v1/score/batch", json={"reports": reports}), 413, "too_many_reports")
    check_shape(intake.post("/v1/reports/batch", json={"reports": 3}), 422, "invalid_request")
    explained = "/v1/score/batch?explain=spans"
    assert intake.post(explained, json={"reports": reports[:MAX_EXPLAINED]}).status_code == 200
    response = intake.post(explained, json={"reports": reports[: MAX_EXPLAINED + 1]})
    assert "with explain=spans" in check_shape(response, 413, "too_many_reports")["message"]
    big = json.dumps(report("r", "hello", note="x" * 9_000_000)).encode()
    check_shape(intake.post("/v1/score", content=big, headers=JSON), 413, "body_too_large")
    pieces = (big[i : i + 65536] for i in range(0, len(big), 65536))  # chunked: no length is announced
    check_shape(intake.post("/v1/score", content=pieces, headers=JSON), 413, "body_too_large")


def test_failures_say_nothing_of_their_cause(intake: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("serving.api.queue.read_report", fail)
    error = check_shape(intake.get("/v1/reports/r"), 500, "internal_error")
    assert error["message"] == InternalError().message


def test_too_many_at_once(intake: TestClient) -> None:
    app = intake.app
    assert isinstance(app, FastAPI)
    edge = next(middleware for middleware in app.user_middleware if "max_in_flight" in middleware.kwargs)
    edge.kwargs["max_in_flight"] = 0
    response = intake.get("/v1/decisions")
    check_shape(response, 429, "overloaded")
    assert response.headers["Retry-After"] == "1"


def test_request_ids_come_back_if_harmless(intake: TestClient) -> None:
    assert intake.get("/v1/decisions", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    assert SECRET not in intake.get("/v1/decisions", headers={"X-Request-ID": f"<{SECRET}>"}).headers["X-Request-ID"]


def test_openapi_is_complete(intake: TestClient) -> None:
    document = intake.get("/openapi.json").json()
    defined = set(document["components"]["schemas"])
    used = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert used <= defined
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["tags"], path
            assert operation["summary"], path
            assert operation["security"], path
            assert {"401", "403", "429", "500", "503"} <= set(operation["responses"]), path
            assert method != "post" or operation["requestBody"]["content"]["application/json"]["schema"], path
            for status, response in operation["responses"].items():
                if status >= "400":
                    schema = response["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ErrorOut"}, (path, status)
