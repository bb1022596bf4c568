"""What the moderations protocol refuses, in the protocol's own shape and without any text."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BodyTooSlow, Overloaded
from serving.moderations.errors import Refused, respond
from serving.moderations.request import MODELS, read
from serving.runtime import Runtime
from tests.serving.moderations.calls import IMAGE, JSON, PATH, SECRET, moderate, refused, text

TYPE = "invalid_type"
BAD: dict[str, tuple[bytes | dict[str, Any], str | None, str | None]] = {
    "empty": (b"", None, None),
    "cut": (b"{", None, None),
    "not UTF-8": (b"\xff", None, None),
    "NaN": (b'{"input": NaN}', None, None),
    "surrogate": (b'{"input": "\\ud800"}', None, None),
    "nesting bomb": (b"[" * 100_000, None, None),
    "list": (b"[]", TYPE, None),
    "null": (b"null", TYPE, None),
    "nothing": (b"{}", "missing_required_parameter", "input"),
    "null input": ({"input": None}, TYPE, "input"),
    "number": ({"input": 7}, TYPE, "input"),
    "boolean": ({"input": True}, TYPE, "input"),
    "object": ({"input": {"text": SECRET}}, TYPE, "input"),
    "empty list": ({"input": []}, "empty_array", "input"),
    "long list": ({"input": ["a"] * 257}, "array_above_max_length", "input"),
    "number in list": ({"input": ["a", 7]}, TYPE, "input[1]"),
    "part among texts": ({"input": ["a", text(SECRET)]}, TYPE, "input[1]"),
    "text among parts": ({"input": [text("a"), SECRET]}, TYPE, "input[1]"),
    "long text in list": ({"input": ["a" * 100_001]}, "string_above_max_length", "input[0]"),
    "long text": ({"input": "a" * 100_001}, "string_above_max_length", "input"),
    "long parts": ({"input": [text("a" * 60_000)] * 2}, "string_above_max_length", "input"),
    "other part": ({"input": [{"type": SECRET}]}, "invalid_value", "input[0].type"),
    "list as type": ({"input": [{"type": []}]}, "invalid_value", "input[0].type"),
    "part without text": ({"input": [{"type": "text"}]}, TYPE, "input[0].text"),
    "image without address": ({"input": [{"type": "image_url"}]}, TYPE, "input[0].image_url"),
    "two images": ({"input": [text("a"), IMAGE, IMAGE]}, "too_many_images", "input"),
    "an image alone": ({"input": [IMAGE]}, "unsupported_image", "input"),
    "other model": ({"input": "a", "model": SECRET}, "invalid_value", "model"),
    "number as model": ({"input": "a", "model": 7}, TYPE, "model"),
}


def test_bad_bodies_are_refused_in_the_original_shape(intake: TestClient) -> None:
    for name, (body, code, param) in BAD.items():
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        error = refused(intake.post(PATH, content=content, headers=JSON), 400, code, param)
        assert error["type"] == "invalid_request_error", name


def test_keys(client_of: Callable[[str], TestClient], intake: TestClient, tokens: SimpleNamespace) -> None:
    body = {"input": "hello"}
    assert "Incorrect API key" in refused(client_of("fl_no").post(PATH, json=body), 401, "invalid_api_key")["message"]
    assert "permissions" in refused(client_of(tokens.reviewer).post(PATH, json=body), 401, None)["message"]
    del intake.headers["Authorization"]
    assert "didn't provide an API key" in refused(intake.post(PATH, json=body), 401, None)["message"]
    refused(intake.post(PATH, content=b"{", headers=JSON), 401, None)  # who calls is asked first


def test_wrong_addresses_methods_and_kinds(intake: TestClient) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        refused(intake.request(method, PATH), 405, None)
    refused(intake.post(f"{PATH}/{SECRET}", json={}), 404, None)
    refused(intake.post(f"{PATH}/", json={}), 404, None)
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        refused(intake.post(PATH, content=b"{}", headers={"Content-Type": kind}), 400, "unsupported_content_type")
    with_charset = {"Content-Type": "application/json; charset=utf-8"}
    assert intake.post(PATH, content=b'{"input": "hello"}', headers=with_charset).status_code == 200


def test_large_bodies(intake: TestClient) -> None:
    big = json.dumps({"input": "x" * 9_000_000}).encode()
    refused(intake.post(PATH, content=big, headers=JSON), 413, "body_too_large")
    pieces = (big[i : i + 65536] for i in range(0, len(big), 65536))
    refused(intake.post(PATH, content=pieces, headers=JSON), 413, "body_too_large")


def test_overload(intake: TestClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def admit(*_: object) -> None:
        raise Overloaded("the wait would be 9 seconds; try again later", retry_after=7)

    monkeypatch.setattr(runtime.executor, "admit", admit)
    response = intake.post(PATH, json={"input": "hello"})
    assert refused(response, 429, "rate_limit_exceeded")["type"] == "requests"
    assert response.headers["Retry-After"] == "7"


def test_a_service_without_a_bundle(intake: TestClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_scorer", None)
    response = intake.post(PATH, json={"input": "hello"})
    assert refused(response, 503, None)["type"] == "server_error"
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("broken", ["serving.moderations.routes.read", "models.scorer.prepare"])
def test_failures_say_nothing_of_their_cause(
    intake: TestClient, broken: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(broken, fail)
    error = refused(intake.post(PATH, json={"input": SECRET}), 503, None)
    assert error["type"] == "server_error"
    assert SECRET not in "".join(capfd.readouterr())


def test_the_text_is_not_logged(intake: TestClient, capfd: pytest.CaptureFixture[str]) -> None:
    moderate(intake, [text(SECRET), IMAGE])
    intake.post(PATH, json={"input": {SECRET: SECRET}, SECRET: SECRET})
    assert SECRET not in "".join(capfd.readouterr())


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(MODELS)
VALUES = st.recursive(
    SCALARS | st.sampled_from([IMAGE, text("hello")]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "text", "image_url"]), inner),
)


@given(body=VALUES | st.fixed_dictionaries({"input": VALUES}, optional={"model": VALUES}))
def test_any_value_is_read_or_refused(body: Any) -> None:
    try:
        asked = read(body, 3)
    except Refused as error:
        assert error.status == 400
        assert bool(error.field) == isinstance(body, dict)
    else:
        assert 1 <= len(asked.texts) <= 3


def test_a_body_that_was_too_slow_ends_the_connection() -> None:
    assert respond(BodyTooSlow("late"), None).headers["Connection"] == "close"
