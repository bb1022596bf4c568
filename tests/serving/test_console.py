"""The console: signing in, seeing a case, deciding it, all without scripts."""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from models.score import Span
from serving.api import create_app
from serving.pages import due, percent, segments
from serving.runtime import Runtime

Make = Callable[..., dict[str, Any]]
Accept = Callable[..., list[Any]]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NASTY = 'We will ambush you <script>alert(1)</script> & "more" {{ 7 * 7 }}'


class Browser:
    """A client that keeps cookies, follows redirects and fills in the hidden fields of the page it is on."""

    def __init__(self, runtime: Runtime) -> None:
        self.client = TestClient(create_app(runtime), raise_server_exceptions=False)
        self.page = self.client.get("/console")

    def hidden(self) -> dict[str, str]:
        return {n: html.unescape(v) for n, v in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.text)}

    @property
    def text(self) -> str:
        return self.page.text

    def get(self, path: str) -> None:
        self.page = self.client.get(path)

    def submit(self, path: str, **fields: Any) -> None:
        self.page = self.client.post(path, data={**self.hidden(), **fields})

    def sign_in(self, token: str) -> None:
        self.submit("/console/sign-in", token=token)


@pytest.fixture
def browser(runtime: Runtime) -> Browser:
    """A browser on the sign-in page."""
    return Browser(runtime)


@pytest.fixture
def keep(runtime: Runtime, accept: Accept) -> Callable[..., None]:
    """Keep reports, blind with a given share."""

    def keep(*items: dict[str, Any], blind_share: float = 0) -> None:
        accept(runtime.store, runtime.scorer, items, datetime.now(UTC), blind_share)

    return keep


def test_the_whole_way(
    browser: Browser, tokens: SimpleNamespace, keep: Callable[..., None], report: Make, intake: TestClient
) -> None:
    keep(report("joke", "good day"), report("threat", NASTY, reason="threat", note="<b>help</b>"))
    browser.sign_in(tokens.reviewer)
    assert "Next case" in browser.text
    assert "ambush" not in browser.text
    browser.submit("/console/next")
    assert "<details" in browser.text
    assert "<mark" in browser.text
    browser.submit("/console/decide", outcome="violation", category=["violence_threat", "harassment"], severity="3")
    assert "good day" in browser.text
    assert "<details" not in browser.text
    browser.submit("/console/decide", outcome="no_violation")
    assert "No case waits" in browser.text
    decided = intake.get("/v1/reports/threat").json()
    assert decided["status"] == "decided"
    assert decided["decisions"][0]["categories"] == ["violence_threat", "harassment"]


def test_text_is_escaped(browser: Browser, tokens: SimpleNamespace, keep: Callable[..., None], report: Make) -> None:
    extra = {"url": 'javascript:"><script>', "context": [{"role": "<i>", "text": "<script>context</script>"}]}
    keep(report("r-1", NASTY, note="<script>note</script>", reason="<script>", content=extra))
    browser.sign_in(tokens.reviewer)
    browser.submit("/console/next")
    assert "<script" not in browser.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in browser.text
    assert "{{ 7 * 7 }}" in browser.text
    assert "<i>" not in browser.text
    assert 'href="javascript' not in browser.text


def test_blind_cases_show_no_hints(
    browser: Browser, tokens: SimpleNamespace, keep: Callable[..., None], report: Make
) -> None:
    keep(report("r-1", NASTY), blind_share=1)
    browser.sign_in(tokens.reviewer)
    browser.submit("/console/next")
    assert "No hints" in browser.text
    assert "<mark" not in browser.text
    assert "<details" in browser.text


def test_a_page_again_is_the_same_case(
    browser: Browser, tokens: SimpleNamespace, keep: Callable[..., None], report: Make
) -> None:
    keep(report("r-1", "hello"), report("r-2", "hello"))
    browser.sign_in(tokens.reviewer)
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


def test_mistakes_keep_what_was_filled_in(
    browser: Browser, tokens: SimpleNamespace, keep: Callable[..., None], report: Make
) -> None:
    keep(report("r-1", "hello"))
    browser.sign_in(tokens.reviewer)
    browser.submit("/console/next")
    browser.submit("/console/decide", outcome="violation", note="Look at this", severity="2")
    assert browser.page.status_code == 422
    assert "at least one category" in browser.text
    assert "Look at this" in browser.text
    browser.submit("/console/decide", note="still here")
    assert "choose what you conclude" in browser.text
    browser.submit("/console/decide", outcome="no_violation", claim_id="gone")
    assert "ran out" in browser.text


def test_changed_content_is_shown_again(
    browser: Browser, tokens: SimpleNamespace, keep: Callable[..., None], report: Make
) -> None:
    keep(report("r-1", "hello", content={"id": "c"}))
    browser.sign_in(tokens.reviewer)
    browser.submit("/console/next")
    keep(report("r-2", "good evening", content={"id": "c"}))
    browser.submit("/console/decide", outcome="no_violation")
    assert "changed while you looked" in browser.text
    assert "good evening" in browser.text


def test_who_may_come_in(browser: Browser, tokens: SimpleNamespace) -> None:
    browser.sign_in("fl_wrong")
    assert browser.page.status_code == 401
    assert "unknown or revoked" in browser.text
    browser.sign_in(tokens.intake)
    assert browser.page.status_code == 403
    assert browser.client.get("/console/case").status_code == 403
    browser.client.cookies.clear()
    browser.get("/")
    assert "Sign in" in browser.text
    assert browser.client.get("/console/case").status_code == 401


def test_the_session_is_kept_from_scripts_and_other_sites(browser: Browser, tokens: SimpleNamespace) -> None:
    browser.client.follow_redirects = False
    browser.sign_in(tokens.reviewer)
    cookie = browser.page.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/console"))
    assert browser.client.post("/console/next", data={}).status_code == 403
    assert browser.client.post("/console/next", data={"csrf": "0" * 64}).status_code == 403
    browser.get("/console")
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert browser.client.post("/console/next", data=browser.hidden(), headers=headers).status_code == 403
    browser.submit("/console/sign-out")
    assert browser.client.get("/console/case").status_code == 401


def test_pages_run_nothing_from_anywhere(browser: Browser) -> None:
    policy = browser.page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
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
    cut = segments("abcdefghij", spans, {"spam": "Spam", "hate": "Hate"})
    assert cut == [("ab", ""), ("cdef", "Hate"), ("gh", ""), ("i", "Spam"), ("j", "")]
    assert segments("", [], {}) == []


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
