"""The console: signing in, seeing a case, deciding it, all without scripts."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from models.score import Span
from serving.console.words import segments
from serving.pages import due, percent
from serving.queue import claims
from serving.runtime import Runtime
from serving.store.tables import cases

Make = Callable[..., dict[str, Any]]
Accept = Callable[..., list[Any]]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
VEIL = 'class="veil"'
NASTY = 'We will ambush you <script>alert(1)</script> & "more" {{ 7 * 7 }}'


@pytest.fixture
def keep(runtime: Runtime, accept: Accept) -> Callable[..., None]:
    """Keep reports, blind with a given share."""

    def keep(*items: dict[str, Any], blind_share: float = 0) -> None:
        accept(runtime.store, runtime.scorer, items, datetime.now(UTC), blind_share)

    return keep


def test_the_whole_way(browser: Any, keep: Callable[..., None], report: Make, intake: TestClient) -> None:
    keep(report("joke", "good day"), report("threat", NASTY, reason="threat", note="<b>help</b>"))
    browser.sign_in("reviewer")
    assert "Next case" in browser.text
    assert "ambush" not in browser.text
    browser.submit("/console/next")
    assert VEIL in browser.text
    assert "<mark" in browser.text
    browser.submit("/console/decide", outcome="violation", category=["violence_threat", "harassment"], severity="3")
    assert "good day" in browser.text
    assert VEIL not in browser.text
    browser.submit("/console/decide", outcome="no_violation")
    assert "No case waits" in browser.text
    decided = intake.get("/v1/reports/threat").json()
    assert decided["status"] == "decided"
    assert decided["decisions"][0]["categories"] == ["violence_threat", "harassment"]


def test_text_is_escaped(browser: Any, keep: Callable[..., None], report: Make) -> None:
    extra = {"url": 'javascript:"><script>', "context": [{"role": "<i>", "text": "<script>context</script>"}]}
    keep(report("r-1", NASTY, note="<script>note</script>", reason="<script>", content=extra))
    browser.sign_in("reviewer")
    browser.submit("/console/next")
    assert "<script>" not in browser.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in browser.text
    assert "{{ 7 * 7 }}" in browser.text
    assert "<i>" not in browser.text
    assert 'href="javascript' not in browser.text


def test_blind_cases_show_no_hints(browser: Any, keep: Callable[..., None], report: Make) -> None:
    keep(report("r-1", NASTY), blind_share=1)
    browser.sign_in("reviewer")
    browser.submit("/console/next")
    assert "No hints" in browser.text
    assert "<mark" not in browser.text
    assert VEIL in browser.text


def test_a_page_again_is_the_same_case(browser: Any, keep: Callable[..., None], report: Make) -> None:
    keep(report("r-1", "hello"), report("r-2", "hello"))
    browser.sign_in("reviewer")
    browser.submit("/console/next")
    case = browser.hidden()["case_id"]
    browser.get("/console/case")
    assert browser.hidden()["case_id"] == case
    browser.get("/console")
    assert "Go on with your case" in browser.text
    browser.submit("/console/next")
    assert browser.hidden()["case_id"] == case
    claim_id = browser.hidden()["claim_id"]
    browser.submit("/console/release", claim_id=f"{claim_id}\0")
    assert browser.page.status_code == 422
    browser.get("/console/case")
    browser.submit("/console/release")
    assert "went back" in browser.text


def test_mistakes_keep_what_was_filled_in(browser: Any, keep: Callable[..., None], report: Make) -> None:
    keep(report("r-1", "hello"))
    browser.sign_in("reviewer")
    browser.submit("/console/next")
    browser.submit("/console/decide", outcome="violation", note="Look at this", severity="2")
    assert browser.page.status_code == 422
    assert "at least one category" in browser.text
    assert "<title>Error: Case" in browser.text
    assert re.findall(r"<(\w+)[^>]* autofocus", browser.text) == ["p"]
    assert "Look at this" in browser.text
    browser.submit("/console/decide", note="still here")
    assert "choose what you conclude" in browser.text
    browser.submit("/console/decide", outcome="no_violation", claim_id="gone")
    assert "ran out" in browser.text


def test_a_form_is_never_shown_on_another_case(browser: Any, keep: Callable[..., None], report: Make) -> None:
    keep(report("r-1", "hello"), report("r-2", "good day"))
    browser.sign_in("reviewer")
    browser.submit("/console/next")
    first = browser.hidden()
    browser.submit("/console/skip", reason="Something else")
    for _ in ("another case is in hand", "none is"):
        browser.submit("/console/decide", **first, outcome="violation", note="on the first")
        assert browser.page.url.path == "/console"
        assert "ran out" in browser.text and "on the first" not in browser.text
        browser.get("/console/case")
        browser.submit("/console/release")
        browser.get("/console")


def test_what_is_sent_twice_is_done_once(browser: Any, keep: Callable[..., None], report: Make) -> None:
    keep(report("r-1", "hello"))
    browser.sign_in("reviewer")
    browser.submit("/console/next")
    first = browser.hidden()
    browser.submit("/console/decide", outcome="no_violation")
    browser.submit("/console/decide", **first, outcome="cannot_decide")
    assert "what you sent first was saved" in browser.text
    for _ in range(2):
        browser.submit("/console/undo", decision_id=first["decision_id"])
        assert browser.page.url.path == "/console/case"
        assert "The case is yours again" in browser.text


def test_two_requests_at_once_claim_one_case(
    browser: Any, keep: Callable[..., None], report: Make, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(report("r-1", "hello"), report("r-2", "good day"))
    browser.sign_in("reviewer")
    browser.submit("/console/next")
    with monkeypatch.context() as patch:
        patch.setattr(claims, "held_by", lambda *_: None)  # as each of them sees it
        browser.submit("/console/next")
    with runtime.store.read() as connection:
        held = connection.execute(select(func.count()).where(cases.c.status == "claimed")).scalar_one()
    assert held == 1


def test_an_appeal_says_what_they_say(
    browser: Any, new_browser: Callable[[], Any], keep: Callable[..., None], report: Make, intake: TestClient
) -> None:
    keep(report("r-1", NASTY))
    browser.sign_in("reviewer")
    browser.submit("/console/next")
    decision_id = browser.hidden()["decision_id"]
    browser.submit("/console/decide", outcome="violation", category=["violence_threat"], severity="3")
    statement = {"appeal_id": "a-1", "decision_id": decision_id, "statement": "It is <b>from</b> a\u202e play"}
    assert intake.post("/v1/appeals", json=statement).status_code == 200
    other = new_browser()
    other.sign_in("qa")
    other.submit("/console/next")
    assert "What they say" in other.text
    assert "<details><summary>Show their statement</summary>" in other.text
    assert "It is &lt;b&gt;from&lt;/b&gt; a⟨RLO⟩ play" in other.text


def test_changed_content_is_shown_again(browser: Any, keep: Callable[..., None], report: Make) -> None:
    keep(report("r-1", "hello", content={"id": "c"}))
    browser.sign_in("reviewer")
    browser.submit("/console/next")
    keep(report("r-2", "good evening", content={"id": "c"}))
    browser.submit("/console/decide", outcome="no_violation")
    assert "changed while you looked" in browser.text
    assert "good evening" in browser.text


def test_who_may_come_in(browser: Any) -> None:
    browser.sign_in("reviewer", "not this one")
    assert browser.page.status_code == 401
    assert "do not belong together" in browser.text
    assert "<title>Error: Sign in" in browser.text
    assert re.findall(r"<(\w+)[^>]* autofocus", browser.text) == ["p"]  # what went wrong
    browser.sign_in("intake")
    assert browser.page.status_code == 403
    assert browser.client.get("/console/case").status_code == 403
    browser.client.cookies.clear()
    browser.get("/")
    assert "Sign in" in browser.text
    assert browser.client.get("/console/case").status_code == 401


def test_the_session_is_kept_from_scripts_and_other_sites(browser: Any) -> None:
    browser.client.follow_redirects = False
    browser.sign_in("reviewer")
    cookie = browser.page.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/console"))
    assert browser.client.post("/console/next", data={}).status_code == 403
    assert browser.client.post("/console/next", data={"csrf": "0" * 64}).status_code == 403
    browser.get("/console")
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert browser.client.post("/console/next", data=browser.hidden(), headers=headers).status_code == 403
    browser.submit("/console/sign-out")
    assert browser.client.get("/console/case").status_code == 401


def test_whatever_is_wrong_is_told_on_a_page(browser: Any, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(status: int, words: str) -> None:
        assert browser.page.status_code == status
        assert browser.page.headers["content-type"].startswith("text/html")
        assert words in browser.text
        assert f"Request {browser.page.headers['X-Request-ID']}" in browser.text

    browser.sign_in("qa")
    browser.get("/console/nothing")
    check(404, "There is no such page.")
    browser.get("/console/decide")
    check(405, "There is no such page.")
    browser.submit("/console/next", **{f"field{i}": "x" for i in range(300)})
    check(422, "The form has more than 200 fields.")
    browser.submit("/console/next", note="x" * (runtime.settings.max_body_bytes + 1))
    check(413, "The body is larger than")
    monkeypatch.setattr("serving.console.home.session", lambda *_: 1 // 0)
    browser.get("/console")
    check(500, "The service failed")
    edge = next(layer for layer in browser.client.app.user_middleware if "max_in_flight" in layer.kwargs)
    edge.kwargs["max_in_flight"] = 0
    browser.client.app.middleware_stack = None  # so that it is built anew
    browser.get("/console")
    check(429, "try again shortly")
    assert browser.page.headers["Retry-After"] == "1"


def test_pages_run_nothing_from_anywhere(browser: Any) -> None:
    policy = browser.page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert "style=" not in browser.text
    for address in re.findall(r'(?:href|src)="([^"#]+)"', browser.text):
        assert address.startswith("/console")
        assert browser.client.get(address).status_code == 200


def test_segments_keep_the_stronger_of_overlapping_spans() -> None:
    spans = [
        Span(start=0, end=4, category="spam", weight=1),
        Span(start=2, end=6, category="hate", weight=2),
        Span(start=8, end=9, category="spam", weight=1),
    ]
    cut = segments("abcdefghij", spans)
    assert cut == [("ab", ""), ("cdef", "hate"), ("gh", ""), ("i", "spam"), ("j", "")]
    assert segments("", []) == []


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "late by 0 min"),
        (5, "in 5 min"),
        (-5, "late by 5 min"),
        (125, "in 2 h 5 min"),
        (1439, "in 23 h"),
        (-4000, "late by 2 days"),
    ],
)
def test_due_in_words(minutes: int, words: str) -> None:
    assert due(NOW + timedelta(minutes=minutes), NOW) == words


@pytest.mark.parametrize(
    ("probability", "words"), [(None, ""), (0.001, "under 1%"), (0.4, "40%"), (0.9999, "over 99%")]
)
def test_percent_never_claims_certainty(probability: float | None, words: str) -> None:
    assert percent(probability) == words
