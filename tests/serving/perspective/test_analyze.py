"""The Perspective façade: its fields and its errors, nothing of an analysed comment kept, and never our error shape."""

import json
import time
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from serving.api.application import create_app
from serving.perspective.attributes import ATTRIBUTES, known_as
from serving.perspective.protocol import MAX_COMMENT
from serving.perspective.spans import MAX_SPANS, sentences, utf16
from serving.runtime import Runtime
from serving.store.tables import metadata

ANALYZE, SUGGEST = "/v1alpha1/comments:analyze", "/v1alpha1/comments:suggestscore"
SECRET = "pineapple-zeppelin"
STATUSES = {
    "INVALID_ARGUMENT",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
}


@pytest.fixture
def bare(runtime: Runtime) -> TestClient:
    """A client without a key; server errors come as responses."""
    return TestClient(create_app(runtime), raise_server_exceptions=False)


def body(text: str = "a useless parcel of nothing", /, **more: Any) -> dict[str, Any]:
    return {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}, **more}


def check_error(response: Any, status: int, message: str | None = None, error_type: str | None = None) -> Any:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) <= {"code", "message", "status", "details"}
    assert error["code"] == status
    assert error["status"] in STATUSES
    assert SECRET not in response.text
    if message is not None:
        assert error["message"] == message
    if error_type is not None:
        assert error["details"][0]["@type"] == "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
        assert error["details"][0]["errorType"] == error_type
    return error


def test_a_comment_gets_a_score(intake: TestClient) -> None:
    names = {"TOXICITY": {}, "INSULT@2": {"scoreType": "PROBABILITY"}, "THREAT_EXPERIMENTAL": None}
    sent = body(requestedAttributes=names, clientToken="c-1", sessionId="s", communityId="c", doNotStore=True)
    response = intake.post(ANALYZE, json=sent)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert set(answer) == {"attributeScores", "languages", "detectedLanguages", "clientToken"}
    assert (answer["clientToken"], answer["languages"], answer["detectedLanguages"]) == ("c-1", ["en"], ["en"])
    assert list(answer["attributeScores"]) == list(names)
    for scores in answer["attributeScores"].values():
        summary = scores["summaryScore"]
        assert summary["type"] == "PROBABILITY"
        assert 0 <= summary["value"] <= 1
        assert scores["spanScores"] == [{"begin": 0, "end": len(sent["comment"]["text"]), "score": summary}]
    value = {name: scores["summaryScore"]["value"] for name, scores in answer["attributeScores"].items()}
    assert value["INSULT@2"] > 0.5 > value["THREAT_EXPERIMENTAL"]
    # Without a mapping for this bundle the answers are our own probabilities, and say so.
    assert response.headers["X-Frontline-Scale"] == "probability"
    ours = intake.post("/v1/score", json={"report_id": "r", "content": {"text": sent["comment"]["text"]}}).json()
    of = {category["category"]: category["probability"] for category in ours["categories"]}
    assert value["INSULT@2"] == pytest.approx(of["harassment"], abs=1e-6)


def test_thresholds_leave_scores_out(intake: TestClient) -> None:
    names = {"INSULT": {"scoreThreshold": 0.5}, "THREAT": {"scoreThreshold": 0.5}}
    answer = intake.post(ANALYZE, json=body(requestedAttributes=names)).json()
    assert list(answer["attributeScores"]) == ["INSULT"]
    answer = intake.post(ANALYZE, json=body(requestedAttributes={"THREAT": {"scoreThreshold": 0.5}})).json()
    assert answer == {"languages": ["en"], "detectedLanguages": ["en"]}


def test_spans_are_sentences_in_utf16_when_asked_for(intake: TestClient) -> None:
    text = "Lovely day 🎈! You are useless."
    sent = body(text, requestedAttributes={"INSULT": {}}, spanAnnotations=True)
    (found,) = intake.post(ANALYZE, json=sent).json()["attributeScores"].values()
    units = text.encode("utf-16-le")
    parts = [units[2 * span["begin"] : 2 * span["end"]].decode("utf-16-le") for span in found["spanScores"]]
    assert parts == ["Lovely day 🎈!", "You are useless."]
    first, second = (span["score"]["value"] for span in found["spanScores"])
    assert first < 0.5 < second
    assert found["summaryScore"]["value"] > 0.5


@settings(max_examples=60)
@given(st.text(alphabet="ab .!?\n🎈", max_size=120))
def test_spans_lie_in_order_and_are_few(text: str) -> None:
    spans = sentences(text)
    assert len(spans) <= MAX_SPANS
    assert all(start < end and text[start:end] == text[start:end].strip() for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert "".join("".join(text[s:e] for s, e in spans).split()) == "".join(text.split())
    units = text.encode("utf-16-le")
    for (start, end), (first, last) in zip(spans, utf16(text, spans), strict=True):
        assert units[2 * first : 2 * last].decode("utf-16-le") == text[start:end]


@pytest.mark.parametrize("text", ["!" * MAX_COMMENT, "!)" * (MAX_COMMENT // 2), "." + ")" * MAX_COMMENT])
def test_spans_of_long_runs_take_no_time(text: str) -> None:
    started = time.process_time()
    assert sentences(text) == [(0, len(text))]
    assert time.process_time() - started < 1  # with every start tried, 8 seconds and more


def test_names_of_attributes() -> None:
    assert all(known_as(name) == name for name in ATTRIBUTES)
    assert known_as("TOXICITY@6") == known_as("TOXICITY@5") == known_as("TOXICITY_EXPERIMENTAL") == "TOXICITY"
    for name in ("TOXICITY@7", "TOXICITY@0", "SPAM@2", "SPAM_EXPERIMENTAL", "TOXICITY_EXPERIMENTAL@1", "toxicity", ""):
        assert known_as(name) is None
    assert known_as("TOXICITY_FAST") is None


@pytest.mark.parametrize(
    ("sent", "message", "error_type"),
    [
        ({}, "Comment must be non-empty.", "COMMENT_EMPTY"),
        (body(""), "Comment must be non-empty.", "COMMENT_EMPTY"),
        (body("\u200b\u200b"), "Comment must be non-empty.", "COMMENT_EMPTY"),
        (
            body("é" * (MAX_COMMENT // 2) + "x"),
            "Comment text was too many bytes. Value (20481) exceeded limit (20480).",
            "COMMENT_TOO_LONG",
        ),
        ({"comment": {"text": SECRET}}, "Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES"),
        (body(requestedAttributes={}), "Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES"),
        (body(requestedAttributes={"FUN": {}}), "Unknown requested attribute: FUN", "INVALID_REQUEST"),
        (body(requestedAttributes={f"{SECRET} x": {}}), "Unknown requested attribute: ?", "INVALID_REQUEST"),
        (
            body(requestedAttributes={"SPAM": {"scoreType": "RAW"}}),
            "Requested score type RAW is not supported by attribute SPAM",
            "INVALID_REQUEST",
        ),
        (
            body() | {"comment": {"text": SECRET, "type": "HTML"}},
            "Currently, only 'PLAIN_TEXT' comments are supported",
            "INVALID_REQUEST",
        ),
        (body() | {"comment": {"text": SECRET, "type": "TEX"}}, "Unknown text type", "INVALID_REQUEST"),
        (
            body(context={"entries": [{"text": "a"}], "articleAndParentComment": {"article": {"text": "b"}}}),
            "Context can have either entries or article_and_parent_comment, but both fields were populated.",
            "INVALID_REQUEST",
        ),
        (
            body(languages=["it"]),
            "Attribute TOXICITY does not support request languages: it",
            "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        ),
    ],
)
def test_what_the_original_refused_is_refused_in_its_words(
    intake: TestClient, sent: Any, message: str, error_type: str
) -> None:
    check_error(intake.post(ANALYZE, json=sent), 400, message, error_type)


def test_twenty_kilobytes_are_taken(intake: TestClient) -> None:
    assert intake.post(ANALYZE, json=body("word " * (MAX_COMMENT // 5))).status_code == 200


def test_languages(intake: TestClient) -> None:
    german = "Das Wetter ist heute wirklich schön und wir gehen alle zusammen in den Garten."
    error = check_error(
        intake.post(ANALYZE, json=body(german)),
        400,
        "Attribute TOXICITY does not support request languages: de",
        "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
    )
    named = {"detectedLanguages": ["de"], "attribute": "TOXICITY"}
    assert error["details"][0]["languageNotSupportedByAttributeError"] == named
    check_error(intake.post(ANALYZE, json=body("Как прекрасен этот мир, посмотри вокруг себя")), 400)
    # Who states English is believed; who states English among others is checked.
    answer = intake.post(ANALYZE, json=body(german, languages=["en-GB"])).json()
    assert (answer["languages"], answer["detectedLanguages"]) == (["en-GB"], ["de"])
    named = {"requestedLanguages": ["fr"], "attribute": "TOXICITY"}
    error = check_error(intake.post(ANALYZE, json=body(german, languages=["en", "fr"])), 400)
    assert error["details"][0]["languageNotSupportedByAttributeError"] == named
    assert intake.post(ANALYZE, json=body(languages=["fr", "en"])).status_code == 200
    assert intake.post(ANALYZE, json=body(languages=[])).json()["languages"] == ["en"]


def test_attributes_may_be_dropped_instead_of_refused(intake: TestClient) -> None:
    body = {"comment": {"text": "hi there"}, "requestedAttributes": {"TOXICITY": {}}, "dropUnsupportedAttributes": True}
    assert set(intake.post(ANALYZE, json=body).json()["attributeScores"]) == {"TOXICITY"}
    answer = intake.post(ANALYZE, json={**body, "languages": ["fr"], "spanAnnotations": True})
    assert (answer.status_code, answer.json()) == (200, {"languages": ["fr"], "detectedLanguages": ["en"]})


def test_what_is_refused_costs_no_run_of_the_model(
    intake: TestClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(runtime.scorer), "read", None)
    german = "Das Wetter ist heute wirklich schön. Und wir gehen alle zusammen in den Garten. Bis bald."
    for text in (german, "\u200b\u200b"):
        check_error(intake.post(ANALYZE, json=body(text, spanAnnotations=True)), 400)


def test_the_key_comes_in_three_ways(bare: TestClient, tokens: SimpleNamespace) -> None:
    for query, headers in (
        ({"key": tokens.intake, "alt": "json", "prettyPrint": "false"}, {}),
        ({}, {"x-goog-api-key": tokens.intake}),
        ({}, {"Authorization": f"Bearer {tokens.intake}"}),
    ):
        assert bare.post(ANALYZE, json=body(), params=query, headers=headers).status_code == 200
    check_error(bare.post(ANALYZE, json=body()), 403)
    check_error(bare.post(ANALYZE, json=body(), headers={"Authorization": "Basic eA=="}), 403)
    error = check_error(
        bare.post(ANALYZE, json=body(), params={"key": SECRET}), 400, "API key not valid. Please pass a valid API key."
    )
    assert error["details"][0]["reason"] == "API_KEY_INVALID"
    check_error(bare.post(ANALYZE, json=body(), headers={"Authorization": f"Bearer {SECRET}"}), 401)
    check_error(bare.post(ANALYZE, json=body(), params={"key": tokens.manager}), 403)
    check_error(bare.post(SUGGEST, json=body(), params={"key": tokens.reviewer}), 403)


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b"null", b"5", b'{"comment": {"text": "\\ud800"}}', b"\xff", b'{"x": NaN}', b"[" * 5000],
)
def test_bad_json(intake: TestClient, content: bytes) -> None:
    for path in (ANALYZE, SUGGEST):
        check_error(intake.post(path, content=content), 400)


def test_very_many_values_are_refused_before_they_are_looked_at(intake: TestClient) -> None:
    for context in ({"entries": [0] * 20_000}, {"entries": [{}] * 20_000}, {str(i): 0 for i in range(20_000)}):
        error = check_error(intake.post(ANALYZE, json=body(context=context)), 400)
        assert "more than 10000 values" in error["message"]


def test_unknown_fields_and_wrong_types_are_named(intake: TestClient) -> None:
    error = check_error(intake.post(ANALYZE, json=body(spams=SECRET)), 400)
    assert error["message"] == 'Invalid JSON payload received. Unknown name "spams": Cannot find field.'
    assert error["details"][0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    error = check_error(intake.post(ANALYZE, json=body(requestedAttributes={"SPAM": {"scoreThreshold": SECRET}})), 400)
    assert error["details"][0]["fieldViolations"][0]["field"] == "requestedAttributes.SPAM.scoreThreshold"
    check_error(intake.post(ANALYZE, json=body(clientToken=5)), 400)
    snake = {"comment": {"text": "a useless parcel"}, "requested_attributes": {"SPAM": {"score_threshold": "0.0"}}}
    assert intake.post(ANALYZE, json=snake).status_code == 200


def test_unknown_addresses_methods_and_sizes(intake: TestClient, runtime: Runtime) -> None:
    check_error(intake.get(ANALYZE), 404)
    check_error(intake.put(SUGGEST, json={}), 404)
    check_error(intake.post(f"/v1alpha1/comments:{SECRET}", json={}), 404)
    check_error(intake.get("/$discovery/rest", params={"version": "v2"}), 404)
    check_error(intake.post("/batch", content=b"--x"), 404)  # of Google's Python client
    check_error(intake.post(ANALYZE, content=b" " * (runtime.settings.max_body_bytes + 1)), 400)


def test_a_busy_or_broken_service_says_so_in_the_protocol(
    intake: TestClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.executor, "_seconds", 1000.0)
    monkeypatch.setattr(runtime.executor, "_ahead", lambda tasks: 1)
    response = intake.post(ANALYZE, json=body())
    check_error(response, 429)
    assert int(response.headers["Retry-After"]) >= 1
    monkeypatch.undo()

    def fall(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(type(runtime.scorer), "read", fall)
    check_error(intake.post(ANALYZE, json=body()), 503)
    monkeypatch.undo()
    monkeypatch.setattr(runtime, "_scorer", None)
    check_error(intake.post(ANALYZE, json=body()), 503)


def test_nothing_of_an_analysed_comment_is_kept_or_logged(
    intake: TestClient, runtime: Runtime, capfd: pytest.CaptureFixture[str]
) -> None:
    sent = body(f"a useless {SECRET}. And more {SECRET}!", clientToken=SECRET, spanAnnotations=True)
    assert intake.post(ANALYZE, json=sent).status_code == 200
    assert intake.post(ANALYZE, json=sent | {"doNotStore": False}).status_code == 200
    with runtime.store.read() as connection:
        for table in metadata.sorted_tables:
            rows = connection.execute(select(table)).all()
            assert SECRET not in repr(rows), table.name
            assert table.name == "tokens" or not rows, table.name
    said = capfd.readouterr()
    assert SECRET not in said.out + said.err


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))
ENTRY = (
    st.fixed_dictionaries({}, optional={"text": JSON, "type": st.sampled_from(["PLAIN_TEXT", "HTML"]) | JSON}) | JSON
)
NAMES = st.sampled_from([*ATTRIBUTES, "TOXICITY@6", "FUN"]) | st.text(max_size=5)
PARAMETERS = st.fixed_dictionaries({}, optional={"scoreType": JSON, "scoreThreshold": JSON}) | JSON
SCORES = st.fixed_dictionaries(
    {},
    optional={
        "summaryScore": st.fixed_dictionaries({"value": SCALARS}) | JSON,
        "spanScores": st.lists(st.fixed_dictionaries({"begin": SCALARS, "end": SCALARS, "score": JSON}), max_size=2),
    },
)
REQUESTS = st.fixed_dictionaries(
    {"comment": st.just({"text": "a useless parcel"}) | ENTRY},
    optional={
        "requestedAttributes": st.dictionaries(NAMES, PARAMETERS, max_size=3) | JSON,
        "attributeScores": st.dictionaries(NAMES, SCORES, max_size=3) | JSON,
        "context": st.fixed_dictionaries({"entries": st.lists(ENTRY, max_size=2)}) | JSON,
        "languages": st.lists(st.sampled_from(["en", "fr", "xx-yy", ""]) | st.text(max_size=4), max_size=3) | JSON,
        **dict.fromkeys(("spanAnnotations", "doNotStore", "clientToken", "sessionId", "communityId", "extra"), JSON),
    },
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=REQUESTS | JSON, path=st.sampled_from([ANALYZE, SUGGEST]))
def test_any_json_is_answered_in_the_protocol(intake: TestClient, sent: Any, path: str) -> None:
    response = intake.post(path, content=json.dumps(sent).encode())
    if response.status_code != 200:
        check_error(response, 400)


def test_the_discovery_document_has_the_address_that_was_asked(bare: TestClient) -> None:
    document = bare.get("/$discovery/rest", params={"version": "v1alpha1"}).json()
    assert document["rootUrl"] == "http://testserver/"
    assert bare.get("/discovery/v1/apis/commentanalyzer/v1alpha1/rest").json() == document
    secure = bare.get("/$discovery/rest", headers={"X-Forwarded-Proto": "https"}).json()
    assert secure["rootUrl"] == "https://testserver/"
    named = json.dumps(document["schemas"]) + json.dumps(document["resources"])
    assert {ref for ref in document["schemas"] if f'"$ref": "{ref}"' not in named} == set()


def test_other_addresses_keep_our_shape(client_of: Callable[[str], TestClient]) -> None:
    error = client_of("").post("/v1/score", json={}).json()["error"]
    assert set(error) == {"code", "message", "field", "request_id"}
