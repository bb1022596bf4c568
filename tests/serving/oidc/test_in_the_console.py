"""Single sign-on in the console, from the button to the session."""

import shutil
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import sync_playwright

from serving.accounts import people
from serving.api.application import create_app
from serving.console import signin
from serving.runtime import Runtime
from tests.serving.oidc.provider import SECRET, Provider, by_another_key, returned


class Browser:
    """Someone who presses the button."""

    def __init__(self, runtime: Runtime) -> None:
        self.client = TestClient(create_app(runtime), raise_server_exceptions=False, follow_redirects=False)

    def leave(self) -> Any:
        """To the provider; its address is the answer's location."""
        return self.client.get("/console/sign-in/provider")

    def sign_on(self) -> Any:
        return self.client.get(returned(self.leave().headers["location"]))

    @property
    def is_in(self) -> bool:
        return "Next case" in self.client.get("/console").text


def check_refused(response: Any, status: int = 401, words: str = "did not succeed") -> None:
    assert response.status_code == status, response.text
    assert words in response.text
    assert "frontline_session=" not in str(response.headers.get_list("set-cookie"))


def test_the_whole_way_in_the_console(runtime: Runtime, provider: Provider) -> None:
    browser, stranger = Browser(runtime), Browser(runtime)
    assert 'href="/console/sign-in/provider"' in browser.client.get("/console").text
    leaving = browser.leave()
    assert leaving.status_code == 303
    cookie = leaving.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=lax", "Path=/console/sign-in/provider", "Max-Age=600"):
        assert part in cookie
    assert cookie.split(";")[0].split("=")[1] not in leaving.headers["location"]
    back = returned(leaving.headers["location"])
    assert back.startswith("http://testserver/console/sign-in/provider/back?")
    check_refused(stranger.client.get(back))
    stranger.leave()
    check_refused(stranger.client.get(back))
    response = browser.client.get(back)
    assert response.status_code == 200
    assert response.headers["Refresh"] == "0; url=/console"
    cookies = response.headers.get_list("set-cookie")
    assert any("frontline_session" in cookie and "SameSite=strict" in cookie for cookie in cookies)
    assert "frontline_sign_on" not in browser.client.cookies
    assert browser.is_in
    check_refused(browser.client.get(back))  # the attempt is over
    (row,) = people.list_people(runtime.store)
    assert (row.name, row.role, row.subject) == ("ada", "reviewer", f"{provider.issuer} 4711")
    assert people.verify(runtime.store, "ada", "") is None
    assert "your password is changed there" in browser.client.get("/console/password").text


def test_the_next_time_is_the_same_person_with_the_role_of_now(runtime: Runtime, provider: Provider) -> None:
    browser = Browser(runtime)
    browser.sign_on()
    (before,) = people.list_people(runtime.store)
    provider.claims = {"roles": ["heads"], "preferred_username": "Someone Else"}
    Browser(runtime).sign_on()
    (after,) = people.list_people(runtime.store)
    assert (after.id, after.name, after.role) == (before.id, "ada", "qa")
    provider.claims = {"roles": "programs"}
    browser.sign_on()
    assert "reviews no cases" in browser.client.get("/console").text
    provider.claims = {}
    people.disable(runtime.store, "ada", before.created_at)
    check_refused(browser.sign_on(), 403, "our account here is disabled")


def test_a_crowd_is_told_to_come_again(runtime: Runtime, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signin, "MOST_ELSEWHERE", 0)
    answer = Browser(runtime).leave()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
    monkeypatch.undo()
    assert Browser(runtime).sign_on().status_code == 200


def test_refusals_have_a_page(runtime: Runtime, provider: Provider) -> None:
    browser = Browser(runtime)
    provider.claims = {"roles": ["others"]}
    check_refused(browser.sign_on(), 403, "our account has no role in Frontline")
    state = parse_qs(urlsplit(browser.leave().headers["location"]).query)["state"][0]
    query = f"state={state}&error=access_denied&error_description=<i>no</i>"
    response = browser.client.get(f"/console/sign-in/provider/back?{query}")
    check_refused(response)
    assert "<i>" not in response.text
    assert "Sign in with your organisation" in response.text
    assert people.list_people(runtime.store) == []
    provider.answers["/token"] = 500, b"{}"
    check_refused(browser.sign_on(), 503, "status 500")


def test_nothing_secret_is_logged_or_shown(
    runtime: Runtime, provider: Provider, capfd: pytest.CaptureFixture[str]
) -> None:
    browser = Browser(runtime)
    leaving = browser.leave()
    attempt = leaving.headers["set-cookie"].split(";")[0].split("=")[1]
    shown = browser.client.get(returned(leaving.headers["location"])).text
    provider.sign = by_another_key
    shown += browser.sign_on().text
    provider.claims, provider.sign = {"roles": None}, provider._sign
    shown += browser.sign_on().text
    said = shown + "".join(capfd.readouterr())
    assert "sign_on_refused" in said
    assert len(provider.issued) == 3
    parts = [part for token in provider.issued for part in token.split(".")[1:]]
    for secret in (*parts, SECRET, attempt, *provider.spent):
        assert secret not in said


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium is installed (apt-get install chromium)")
@pytest.mark.parametrize("scripts", [True, False])
def test_a_real_browser_keeps_the_session(runtime: Runtime, provider: Provider, address: str, scripts: bool) -> None:
    """It counts localhost and 127.0.0.1 as different sites, so a strict cookie must survive the way back from one."""
    provider.asks, provider.issuer = True, provider.issuer.replace("127.0.0.1", "localhost")
    runtime.settings = runtime.settings.model_copy(update={"oidc_issuer": provider.issuer})
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page(java_script_enabled=scripts)
        page.goto(f"{address}/console")
        page.press(":focus", "Enter")  # the button has it from the start
        page.click("text=Yes, it is me")
        page.wait_for_selector("text=Next case", timeout=30_000)
        (cookie,) = [found for found in page.context.cookies() if found["name"] != "frontline_form"]
        chromium.close()
    assert (cookie["name"], cookie["sameSite"], cookie["httpOnly"]) == ("frontline_session", "Strict", True)
