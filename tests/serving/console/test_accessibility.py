"""No page of the console leaves anybody out: axe-core, in light and dark, on a desk and on a phone."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from serving.accounts import people
from serving.accounts.people import Profile
from serving.quality import golden, notices
from serving.runtime import Runtime
from tests.serving.console.pages import Keep, Make, Open, in_chromium, next_case

pytestmark = in_chromium


PAGES = {
    "signin": "/console", "home": "/console", "case": "/console/case", "veil": "/console/case",
    "blind": "/console/case", "alike": "/console/alike", "me": "/console/me", "away": "/console/away",
    "error": "/console/alike?x", "keys": "/console", "password": "/console/password",
    "quality": "/console/me/quality", "notices": "/console/notices",
}  # fmt: skip
AFTERWARDS = ("notice", "practice", "golden_add", "opinions")  # pages of what was decided
DESK, PHONE = {"width": 1280, "height": 720}, {"width": 360, "height": 740}
LOOKS: dict[str, Any] = {
    "light": (DESK, {"color_scheme": "light"}),
    "dark": (DESK, {"color_scheme": "dark", "reduced_motion": "reduce"}),
    "phone": (PHONE, {"color_scheme": "light"}),
    "dark phone": (PHONE, {"color_scheme": "dark"}),
}
CONTEXT = [{"role": "parent", "text": "Look at my cake"}]


def stage(report: Make, keep: Keep, name: str) -> None:
    """What waits for the page of this name to show something."""
    text = "We will ambush you" if name == "veil" else "a useless discount for your friend"
    for number in range(1 if name in AFTERWARDS else 3):
        keep(
            report(
                f"r-{number}",
                text,
                reason="harassment",
                note="they keep doing this",
                subject={"id": "u-1", "account_age_days": 12, "prior_violations": 3, "followers": 40},
                reporter={"id": "u-2", "account_age_days": 900, "reports_filed": 31, "reports_upheld": 22},
                exposure={"views": 5400, "views_per_hour": 310, "distinct_reporters": 4},
                content={
                    "kind": "comment",
                    "language": "en",
                    "context": CONTEXT,
                },
            ),
            blind_share=float(name == "blind"),
        )


def decided(desk: Any, staff: SimpleNamespace, name: str) -> str:
    """Decide what waits; return the address of the page of this name."""
    desk.now, said = datetime.now(UTC), {"outcome": "violation", "categories": ["harassment"], "severity": 2}
    held = desk.claim(staff.admin)
    desk.decide(staff.admin, held, **said, note="It goes on")
    if name == "opinions":
        desk.decide(staff.reviewer2, desk.claim(staff.reviewer2), note="They are friends")
        return "/console/opinions"
    golden.add(desk.store, desk.policy, staff.qa, held.case_id, "Because of the word.", desk.now)
    if name == "golden_add":
        return f"/console/golden/add?case={held.case_id}"
    notice = notices.create(desk.store, desk.policy, "harassment", "Harassment", "Friends may joke.", desk.now)
    return f"/console/notice{'/practice' if name == 'practice' else ''}?notice={notice}"


@pytest.mark.parametrize("name", [*PAGES, *AFTERWARDS])
def test_nobody_is_left_out(
    name: str,
    open_console: Open,
    keep: Callable[..., None],
    report: Make,
    chromium: Browser,
    address: str,
    runtime: Runtime,
    staff: SimpleNamespace,
    desk_of: Callable[..., Any],
) -> None:
    people.save_profile(runtime.store, staff.reviewer, Profile(mask_words=name == "me"))
    stage(report, keep, name)
    there = decided(desk_of(double_share=float(name == "opinions")), staff, name) if name in AFTERWARDS else PAGES[name]
    if name == "signin":
        page = chromium.new_page(base_url=address)
        page.goto("/console")
    else:
        page = open_console("qa" if name in ("golden_add", "opinions") else "reviewer")
        if name in ("case", "veil", "blind", "alike", "away", "opinions"):
            next_case(page)
        page.goto("/console/signed-out" if name == "error" else there)
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    if name == "keys":
        page.keyboard.press("?")
    for look, (size, media) in LOOKS.items():
        page.set_viewport_size(size)
        page.emulate_media(**media)
        found = Axe().run(page).response["violations"]
        assert [(look, each["id"], [node["html"][:120] for node in each["nodes"]][:3]) for each in found] == []
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), look
    if name == "signin":
        page.close()
