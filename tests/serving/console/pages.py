"""What tests of the console do on its pages, and when they can."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PASSWORD = "a sentence will do"

in_chromium = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)"),
]

Make = Callable[..., dict[str, Any]]
Keep = Callable[..., None]
Open = Callable[..., Page]


def settle(page: Page) -> None:
    """Wait until keys decide, as nobody decides a case in no time."""
    page.wait_for_selector("html.ready")


def next_case(page: Page) -> str:
    """From the start page to a case, by key; return the case's id."""
    page.wait_for_load_state()  # keys mean something once the page's script has run
    page.keyboard.press("n")
    return case_id(page)


def case_id(page: Page) -> str:
    page.wait_for_selector("#decision")
    page.wait_for_load_state()
    return page.locator("#decision [name=case_id]").input_value()


def press(page: Page, key: str) -> None:
    """Press a key that leads to another page."""
    settle(page)
    with page.expect_navigation():
        page.keyboard.press(key)
