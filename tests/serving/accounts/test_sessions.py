"""Sessions: they begin with the right password alone, and end when they should, everywhere at once."""

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from starlette.requests import Request

from serving.accounts import people, sessions, tries
from serving.accounts.auth import hash_of
from serving.accounts.sessions import Limits
from serving.api.application import create_app
from serving.console.web import FORM_TYPE, MAX_FORM_BYTES, csrf_of, form_under
from serving.errors import BodyTooLarge, TooManyTries, Unauthenticated
from serving.runtime import Runtime
from serving.settings import Settings
from serving.store import Store, tables

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PASSWORD = "a sentence will do"
OTHER = "another sentence will do"
LIMITS = Limits(timedelta(hours=1), timedelta(hours=12))
SECOND = timedelta(seconds=1)


@pytest.fixture
def store(runtime: Runtime, staff: SimpleNamespace) -> Store:
    return runtime.store


def begin(store: Store, name: str = "reviewer", password: str = PASSWORD, now: datetime = NOW, **how: Any) -> str:
    return sessions.sign_in(store, LIMITS, name, password, "192.0.2.1", now, **how)


def is_over(store: Store, token: str, now: datetime = NOW) -> bool:
    try:
        sessions.find(store, token, LIMITS, now)
    except Unauthenticated:
        return True
    return False


def test_a_session_yields_the_person(store: Store, staff: SimpleNamespace) -> None:
    token = begin(store)
    assert sessions.find(store, token, LIMITS, NOW) == staff.reviewer
    with store.read() as connection:
        assert connection.execute(select(tables.sessions.c.sha256)).scalars().all() == [hash_of(token)]
    for wrong in ("", token[:-1], hash_of(token), "\ud800\0"):
        assert is_over(store, wrong)


def test_a_session_ends_unused(store: Store) -> None:
    token = begin(store)
    assert not is_over(store, token, NOW + timedelta(minutes=59))
    assert not is_over(store, token, NOW + timedelta(minutes=118))
    assert is_over(store, token, NOW + timedelta(minutes=178))


def test_a_session_ends_however_much_it_is_used(store: Store) -> None:
    token = begin(store)
    for minutes in range(30, 12 * 60, 30):
        assert not is_over(store, token, NOW + timedelta(minutes=minutes))
    assert not is_over(store, token, NOW + LIMITS.total - SECOND)
    assert is_over(store, token, NOW + LIMITS.total)


def test_sessions_that_ran_out_are_deleted(store: Store) -> None:
    for hours in range(3):
        begin(store, now=NOW + timedelta(hours=hours))
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(tables.sessions)).scalar_one() == 1


def test_signing_in_again_ends_the_session_before(store: Store) -> None:
    first = begin(store)
    elsewhere = begin(store)
    second = begin(store, replaces=first)
    assert [is_over(store, token) for token in (first, elsewhere, second)] == [True, False, False]
    with pytest.raises(Unauthenticated):
        begin(store, password="wrong", replaces=second)
    assert not is_over(store, second)


def test_what_ends_all_sessions_of_someone(store: Store, staff: SimpleNamespace) -> None:
    others = begin(store, "qa")
    token = begin(store)
    people.disable(store, "reviewer", NOW)
    assert is_over(store, token)
    people.enable(store, "reviewer")
    assert is_over(store, token)
    token = begin(store)
    people.set_password(store, "reviewer", OTHER)
    assert is_over(store, token)
    old = begin(store, password=OTHER)
    new = sessions.change_password(store, LIMITS, staff.reviewer, OTHER, PASSWORD, "", NOW)
    assert [is_over(store, token) for token in (old, new)] == [True, False]
    sessions.end(store, new)
    assert is_over(store, new)
    assert not is_over(store, others)


def test_no_session_slips_past_a_change(store: Store, staff: SimpleNamespace) -> None:
    found = people.verify(store, "reviewer", PASSWORD)
    assert found is not None
    people.set_password(store, "reviewer", OTHER)
    with pytest.raises(Unauthenticated):
        sessions.begin(store, LIMITS, found.person_id, NOW, password_hash=found.password_hash)
    visitor = people.sign_on(store, "https://idp 1", "ada", "reviewer", NOW)
    people.disable(store, "ada", NOW)
    with pytest.raises(Unauthenticated):
        sessions.begin(store, LIMITS, visitor.id, NOW)


def test_another_role_holds_at_once(store: Store) -> None:
    token = begin(store)
    people.set_role(store, "reviewer", "qa")
    assert sessions.find(store, token, LIMITS, NOW).role == "qa"


@pytest.mark.parametrize("name", ["reviewer", "nobody", "\0"])
def test_failures_under_one_name_are_limited(store: Store, name: str) -> None:
    for number in range(tries.NAME.failures):
        with pytest.raises(Unauthenticated, match="do not belong together"):
            sessions.sign_in(store, LIMITS, name, "wrong", f"192.0.2.{number}", NOW)
    with pytest.raises(TooManyTries) as refused:
        sessions.sign_in(store, LIMITS, name.upper(), PASSWORD, "198.51.100.1", NOW)
    assert refused.value.retry_after == tries.NAME.seconds
    begin(store, "qa")
    then = NOW + timedelta(seconds=refused.value.retry_after)
    with pytest.raises(TooManyTries):
        sessions.sign_in(store, LIMITS, name, PASSWORD, "192.0.2.99", then - SECOND)
    if name == "reviewer":
        for _ in range(3):  # what is no failure is not counted
            sessions.sign_in(store, LIMITS, name, PASSWORD, "192.0.2.99", then)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("a socket", "a socket", True),
    ],
)
def test_failures_from_one_address_are_limited(store: Store, first: str, second: str, same: bool) -> None:
    for number in range(tries.ADDRESS.failures):
        tries.take(store, f"name {number}", first, NOW)
    if same:
        with pytest.raises(TooManyTries) as refused:
            tries.take(store, "someone else", second, NOW)
        assert refused.value.retry_after == tries.ADDRESS.seconds
    else:
        tries.take(store, "someone else", second, NOW)


def test_failures_are_forgotten(store: Store) -> None:
    for number in range(5):
        tries.take(store, f"name {number}", "192.0.2.1", NOW)
    tries.take(store, "ada", "192.0.2.1", NOW + timedelta(hours=1))
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(tables.failed_sign_ins)).scalar_one() == 2


def test_tries_at_the_same_moment_are_all_counted(store: Store) -> None:
    def one(_number: int) -> bool:
        try:
            tries.take(store, "ada", "192.0.2.1", NOW)
        except TooManyTries:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(30))) == tries.NAME.failures


def test_the_cookie_is_kept_from_scripts_and_other_sites(browser: Any, runtime: Runtime) -> None:
    browser.client.follow_redirects = False
    browser.sign_in("reviewer")
    cookie = browser.page.headers["set-cookie"]
    name, token = cookie.split(";")[0].split("=")
    assert name == "frontline_session"
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {"httponly", "path=/console", "samesite=strict"}
    assert browser.page.headers["location"] == "/console"
    with runtime.store.read() as connection:
        assert connection.execute(select(tables.sessions.c.sha256)).scalar_one() == hash_of(token)
    secure = TestClient(create_app(runtime), base_url="https://frontline.example", follow_redirects=False)
    csrf = re.findall(r'name="csrf" value="(\w+)"', secure.get("/console").text)[0]
    data = {"name": "qa", "password": PASSWORD, "csrf": csrf}
    assert "; Secure" in secure.post("/console/sign-in", data=data).headers["set-cookie"]


def test_the_form_to_sign_in_is_good_without_the_sessions_cookie(browser: Any, runtime: Runtime) -> None:
    """So comes the page after a link from another site: the browser holds the strict cookie back, then sends it."""
    browser.sign_in("reviewer")
    session = browser.client.cookies["frontline_session"]
    form = browser.client.cookies["frontline_form"]
    browser.client.cookies.clear()
    browser.client.cookies.set("frontline_form", form, path="/console")
    browser.get("/console")
    assert "set-cookie" not in browser.page.headers  # pages that are open elsewhere stay good
    browser.client.cookies.set("frontline_session", session, path="/console")
    browser.sign_in("reviewer")
    assert "Next case" in browser.text
    assert is_over(runtime.store, session, datetime.now(UTC))


def test_no_other_site_signs_anybody_in_or_out(browser: Any, runtime: Runtime, staff: SimpleNamespace) -> None:
    """It neither gets nor sends our cookies, and browsers that come over plain http do not say where a form is from."""
    victim = TestClient(create_app(runtime), follow_redirects=False)
    data = {"name": "qa", "password": PASSWORD}
    for known in ("", browser.client.cookies["frontline_form"]):
        proof = csrf_of(known)
        assert victim.post("/console/sign-in", data={**data, "csrf": proof}).status_code == 403
        response = victim.post("/console/sign-out", data={"csrf": proof})
        assert response.status_code == 403
        assert "set-cookie" not in response.headers
    cookie = victim.get("/console").headers["set-cookie"]
    assert cookie.startswith("frontline_form=")
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {"httponly", "path=/console", "samesite=lax"}


def test_what_is_too_long_costs_nothing(browser: Any, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_name: str) -> str:
        raise AssertionError

    monkeypatch.setattr(people, "plain", refuse)
    for name, password in (("x" * 129, PASSWORD), ("reviewer", "x" * 257)):
        with pytest.raises(Unauthenticated, match="do not belong together"):
            begin(store, name, password)
    browser.submit("/console/sign-in", name="x", password="x" * MAX_FORM_BYTES)
    assert browser.page.status_code == 413
    assert "The form is larger than" in browser.text


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=B; charset=punycode", "text/plain", ""])
def test_only_what_our_own_pages_send_is_read(browser: Any, kind: str) -> None:
    answer = browser.client.post("/console/sign-in", content=b"--B", headers={"Content-Type": kind})
    assert answer.status_code == 415


def test_a_form_without_end_and_one_of_very_many_fields(browser: Any) -> None:
    kind = {"Content-Type": FORM_TYPE}

    def pieces() -> Iterator[bytes]:
        for _ in range(MAX_FORM_BYTES // 1000 + 2):
            yield b"x" * 1000
        raise AssertionError("it was read on")

    assert browser.client.post("/console/sign-in", content=b"a&" * 300, headers=kind).status_code == 422
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", FORM_TYPE.encode())]}
    left = pieces()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(left), "more_body": True}

    with pytest.raises(BodyTooLarge):
        asyncio.run(form_under("cookie")(Request(scope, receive)))


def test_sessions_rotate_on_signing_in(browser: Any) -> None:
    other_tab = browser.hidden()
    browser.sign_in("reviewer")
    first = browser.client.cookies["frontline_session"]
    browser.submit("/console/sign-in", **other_tab, name="reviewer", password=PASSWORD)
    assert browser.client.cookies["frontline_session"] != first
    browser.client.cookies.clear()
    browser.client.cookies.set("frontline_session", first, path="/console")
    assert browser.client.get("/console/case").status_code == 401


def test_signing_out_ends_the_session_itself(browser: Any) -> None:
    browser.sign_in("reviewer")
    token = browser.client.cookies["frontline_session"]
    browser.submit("/console/sign-out")
    assert "signed out" in browser.text
    browser.client.cookies.set("frontline_session", token, path="/console")
    assert browser.client.get("/console/case").status_code == 401
    browser.get("/console")
    assert "Your session has ended" in browser.text


def test_the_sign_in_page(browser: Any) -> None:
    for part in ('autocomplete="username"', 'autocomplete="current-password"', '<label for="name">', "required"):
        assert part in browser.text
    assert "/sign-in/provider" not in browser.text
    browser.sign_in('reviewer"><script>', "wrong")
    assert browser.page.status_code == 401
    assert "do not belong together" in browser.text
    assert 'value="reviewer&#34;&gt;&lt;script&gt;"' in browser.text
    unknown, wrong = [], []
    browser.sign_in("nobody", "wrong")
    unknown = browser.text.replace("nobody", "")
    browser.sign_in("reviewer", "wrong")
    wrong = browser.text.replace("reviewer", "")
    assert unknown == wrong
    assert browser.client.get("/console/sign-in/provider").status_code == 404


def test_too_many_failures_say_when_to_come_again(browser: Any) -> None:
    for _ in range(tries.NAME.failures):
        browser.sign_in("reviewer", "wrong")
    browser.sign_in("reviewer")
    assert browser.page.status_code == 429
    seconds = int(browser.page.headers["Retry-After"])
    assert 55 <= seconds <= 60
    assert f"try again in {seconds} seconds" in browser.text


def test_those_without_pages_are_told(browser: Any) -> None:
    browser.sign_in("intake")
    assert browser.page.status_code == 403
    assert "reviews no cases" in browser.text
    browser.sign_in("reviewer")
    assert browser.page.status_code == 200


def test_one_changes_ones_own_password(browser: Any, new_browser: Callable[[], Any]) -> None:
    other = new_browser()
    for one in (browser, other):
        one.sign_in("reviewer")
    browser.get("/console/password")
    assert 'autocomplete="new-password"' in browser.text
    browser.submit("/console/password", password="wrong", new=OTHER)
    assert browser.page.status_code == 401
    browser.submit("/console/password", password=PASSWORD, new="short")
    assert browser.page.status_code == 422
    assert "12 to 256" in browser.text
    browser.submit("/console/password", password=PASSWORD, new=OTHER)
    assert "Your password is changed" in browser.text
    assert browser.client.get("/console/password").status_code == 200
    assert other.client.get("/console/password").status_code == 401
    other.get("/console")
    other.sign_in("reviewer", PASSWORD)
    assert other.page.status_code == 401
    other.sign_in("reviewer", OTHER)
    assert other.page.status_code == 200


def test_an_ended_session_in_the_browser(browser: Any, runtime: Runtime) -> None:
    browser.sign_in("reviewer")
    with runtime.store.write() as connection:
        long_ago = datetime.now(UTC) - timedelta(days=1)
        connection.execute(update(tables.sessions).values(seen_at=long_ago))
    assert browser.client.post("/console/next", data=browser.hidden()).status_code == 401
    browser.get("/console")
    assert "Your session has ended" in browser.text
    browser.sign_in("reviewer")
    assert browser.page.status_code == 200


def test_the_limits_are_settings() -> None:
    limits = Limits.of(Settings(session_idle_seconds=60, session_seconds=120))
    assert limits == (timedelta(minutes=1), timedelta(minutes=2))
