"""The console in a real Chromium."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from serving.runtime import Runtime
from tests.serving.console.pages import CHROMIUM, PASSWORD, Open


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_console(chromium: Browser, address: str, staff: SimpleNamespace) -> Iterator[Open]:
    """Signs somebody in, by keyboard, in a browser of their own; scripts that a page must not run fail the test."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def sign_in(name: str = "reviewer", *, fake_time: bool = False, **options: Any) -> Page:
        context = chromium.new_context(base_url=address, **options)
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        if fake_time:
            page.clock.install()
        page.goto("/console")
        expect(page.locator("#name")).to_be_focused()
        page.keyboard.type(name)
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Queue")
        return page

    yield sign_in
    for context in contexts:
        context.close()
    assert [what for what in wrong if not re.search("status of 4|Status Error Code 4", what)] == []


@pytest.fixture
def keep(runtime: Runtime, accept: Callable[..., list[Any]]) -> Callable[..., None]:
    """Keep reports."""

    def keep(*items: dict[str, Any], blind_share: float = 0) -> None:
        results = accept(runtime.store, runtime.scorer, items, datetime.now(UTC), blind_share)
        assert all(hasattr(result, "score_id") for result in results)

    return keep
