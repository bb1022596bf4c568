"""Care on the console: settings, clearing the screen, breaks, giving a case up; and what a case's page tells."""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from models.policy import Care
from models.taxonomy import Severity
from serving.accounts import people
from serving.accounts.care import stretch
from serving.accounts.people import Profile, profile_of
from serving.console.words import masked
from serving.inert import brief, inert
from serving.runtime import Runtime
from serving.store.tables import cases, claims

Make = Callable[..., dict[str, Any]]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def keep(runtime: Runtime, accept: Callable[..., list[Any]]) -> Callable[..., None]:
    """Keep reports, blind with a given share."""

    def keep(*items: dict[str, Any], blind_share: float = 0) -> None:
        accept(runtime.store, runtime.scorer, items, datetime.now(UTC), blind_share)

    return keep


@pytest.fixture
def signed_in(browser: Any) -> Any:
    """A browser of somebody who reviews."""
    browser.sign_in("reviewer")
    return browser


def test_settings_are_kept(signed_in: Any, runtime: Runtime, staff: SimpleNamespace) -> None:
    signed_in.get("/console/me")
    assert "Critical cases too" in signed_in.text
    fields = {"languages": "en, pt-BR", "category": ["spam", "nonsense"], "critical": "on", "mask_words": "on"}
    signed_in.submit("/console/me", **fields, daily_severe="7")
    assert "Kept." in signed_in.text
    with runtime.store.read() as connection:
        kept = profile_of(connection, staff.reviewer)
    assert kept == Profile(languages=["en", "pt"], categories=["spam"], critical=True, mask_words=True, daily_severe=7)
    for wrong in ("<script>", "english"):
        signed_in.submit("/console/me", languages=wrong, category=["hate"], greyscale="on")
        assert signed_in.page.status_code == 422
        assert html.escape(wrong) in signed_in.text  # what was filled in is still there
        assert re.findall(r'<input[^>]* (?:value|name)="(\w+)" checked', signed_in.text) == ["hate", "greyscale"]
    signed_in.submit("/console/me", daily_severe="many")
    assert "whole number" in signed_in.text
    signed_in.submit("/console/me", greyscale="on")
    assert '<html lang="en" class="grey">' in signed_in.text


def test_marked_words_are_masked_and_shown_on_request(
    signed_in: Any, keep: Callable[..., None], report: Make, runtime: Runtime, staff: SimpleNamespace
) -> None:
    people.save_profile(runtime.store, staff.reviewer, Profile(mask_words=True))
    keep(report("r-1", "a useless thing"))
    signed_in.submit("/console/next")
    assert "u••••••" in signed_in.text and "useless" not in signed_in.text
    signed_in.get("/console/case?words=shown")
    assert "useless" in signed_in.text


def test_a_break_is_offered_and_put_off(
    signed_in: Any, keep: Callable[..., None], report: Make, runtime: Runtime
) -> None:
    keep(report("r-1", "good day"))
    signed_in.submit("/console/next")
    assert "would do you good" not in signed_in.text
    with runtime.store.write() as connection:
        connection.execute(update(claims).values(claimed_at=datetime.now(UTC) - timedelta(minutes=70)))
    signed_in.get("/console")
    assert "You have been at it for 1 h 10 min" in signed_in.text
    signed_in.submit("/console/break/later")
    assert "would do you good" not in signed_in.text
    signed_in.submit("/console/break")
    assert "Enjoy your break" in signed_in.text
    signed_in.get("/console/case")
    assert signed_in.page.url.path == "/console"


def test_a_break_puts_back_all_that_is_in_hand(
    signed_in: Any, keep: Callable[..., None], report: Make, runtime: Runtime
) -> None:
    keep(report("r-1", "good day"), report("r-2", "good evening"))
    signed_in.submit("/console/next")
    signed_in.submit("/console/decide", outcome="no_violation")
    signed_in.client.post("/console/undo", data=_undo(signed_in.text))
    signed_in.get("/console/case")
    assert 'formaction="/console/break">Put it back and take a break' in signed_in.text
    signed_in.submit("/console/break", reason="Something else")
    assert "Enjoy your break" in signed_in.text
    with runtime.store.read() as connection:
        assert connection.execute(select(cases.c.status)).scalars().all() == ["open", "open"]


def test_a_rest_ends_the_stretch(
    runtime: Runtime, staff: SimpleNamespace, keep: Callable[..., None], report: Make
) -> None:
    keep(report("r-1", "good day"))
    with runtime.store.write() as connection:
        case_id = connection.execute(select(cases.c.id)).scalar_one()
        for number, (start, end) in enumerate([(-180, -120), (-100, -60), (-55, -30), (-25, None)]):
            entry = {"id": f"c{number}", "case_id": case_id, "content_version": 1, "stage": "first", "lane": "low"}
            times = {"claimed_at": NOW + timedelta(minutes=start), "reviewer": staff.reviewer.id}
            ended = None if end is None else NOW + timedelta(minutes=end)
            connection.execute(insert(claims).values(**entry, **times, ended_at=ended))
        assert stretch(connection, staff.reviewer, NOW, Care()) == NOW + timedelta(minutes=-100)
        assert stretch(connection, staff.reviewer2, NOW, Care()) is None
        connection.execute(update(claims).where(claims.c.id == "c3").values(ended_at=NOW - timedelta(minutes=20)))
        assert stretch(connection, staff.reviewer, NOW, Care()) is None


def test_clearing_the_screen_without_scripts(signed_in: Any, keep: Callable[..., None], report: Make) -> None:
    keep(report("r-1", "you are useless"))
    signed_in.submit("/console/next")
    signed_in.get("/console/away")
    assert "useless" not in signed_in.text
    assert "Back to the case" in signed_in.text
    signed_in.submit("/console/release")
    assert "went back" in signed_in.text


def test_skip_and_transfer(
    signed_in: Any, keep: Callable[..., None], report: Make, runtime: Runtime, new_browser: Callable[[], Any]
) -> None:
    keep(report("r-1", "you are useless"), report("r-2", "good day"))
    signed_in.submit("/console/next")
    signed_in.submit("/console/skip", reason="It is outside what I know")
    assert "good day" in signed_in.text
    signed_in.submit("/console/transfer", reason="Something else")
    assert "No case waits" in signed_in.text
    with runtime.store.read() as connection:
        ended = connection.execute(select(claims.c.ending, claims.c.reason).order_by(claims.c.claimed_at)).all()
    assert [tuple(row) for row in ended] == [
        ("skipped", "It is outside what I know"),
        ("transferred", "Something else"),
    ]
    specialist = new_browser()
    specialist.sign_in("specialist")
    specialist.submit("/console/next")
    assert "Specialist case" in specialist.text


def test_a_lease_is_extended_and_its_loss_is_told(
    signed_in: Any, keep: Callable[..., None], report: Make, runtime: Runtime
) -> None:
    keep(report("r-1", "good day"))
    signed_in.submit("/console/next")
    claim = signed_in.hidden()["claim_id"]
    with runtime.store.write() as connection:
        connection.execute(update(cases).values(claim_expires_at=datetime.now(UTC) + timedelta(seconds=40)))
    assert "0 min" in signed_in.client.get(f"/console/pulse?claim={claim}").text
    part = signed_in.client.post("/console/extend", data=signed_in.hidden(), headers={"HX-Request": "true"})
    assert re.search("1[45] min", part.text) and "<html" not in part.text
    signed_in.submit("/console/extend")
    assert "good day" in signed_in.text
    fields = signed_in.hidden()
    signed_in.submit("/console/release")
    assert "ran out" in signed_in.client.get(f"/console/pulse?claim={claim}").text
    assert "ran out" in signed_in.client.post("/console/extend", data=fields, headers={"HX-Request": "true"}).text


def test_the_page_tells_what_surrounds_a_case(signed_in: Any, keep: Callable[..., None], report: Make) -> None:
    about = {
        "subject": {"id": "u-1", "account_age_days": 12, "prior_violations": 3, "followers": 40},
        "reporter": {"id": "u-2", "account_age_days": 900, "reports_filed": 31, "reports_upheld": 22},
        "exposure": {"views": 5400, "views_per_hour": 310, "distinct_reporters": 4},
    }
    keep(
        report("r-1", "you are useless", reason="bullying", note="please look", content={"id": "c"}, **about),
        report("r-2", "you are useless", reporter={"account_age_days": 1}, content={"id": "c"}),
        report("r-3", "good day", subject={"id": "u-1"}),
    )
    signed_in.submit("/console/next")
    text = re.sub(r"\s+", " ", signed_in.text)
    for said in (
        "2 reports",
        "please look",
        "22 of 31 reports upheld",
        "new, or seldom right so far",
        "Account 12 days old, 3 earlier violations, 40 followers",
        "Also waiting",
        "5,400 views so far",
        "Standard lane: worked within 24 h",
        "Harm by reaching about",
        "banter between friends",
        "Language: not stated",
    ):
        assert said in text, said


def test_what_was_decided_on_the_same_text(signed_in: Any, keep: Callable[..., None], report: Make) -> None:
    keep(report("r-1", "a useless discount"))
    signed_in.submit("/console/next")
    assert "Same text before" not in signed_in.text
    signed_in.submit("/console/decide", outcome="violation", category="spam", severity="1")
    keep(report("r-2", "a useless discount"))
    signed_in.submit("/console/next")
    assert re.search(r"Same text before.*Violation: Spam, severity 1", signed_in.text, re.DOTALL)
    signed_in.submit("/console/decide", outcome="no_violation")
    keep(report("r-3", "a useless discount"), blind_share=1)
    signed_in.submit("/console/next")
    assert "No hints" in signed_in.text and "Same text before" not in signed_in.text


def test_a_brigade_is_marked(signed_in: Any, keep: Callable[..., None], report: Make) -> None:
    new = {"account_age_days": 1}
    keep(*(report(f"r-{number}", "good day", content={"id": "c"}, reporter=new) for number in range(9)))
    signed_in.submit("/console/next")
    assert "Looks like a brigade" in signed_in.text


def test_bulk_and_undo_without_scripts(signed_in: Any, keep: Callable[..., None], report: Make, intake: Any) -> None:
    keep(*(report(f"r-{number}", "a useless discount") for number in range(3)))
    signed_in.submit("/console/next")
    assert "2 more cases with the same text" in signed_in.text
    signed_in.get("/console/alike")
    also = re.findall(r'name="also" value="(\w+)"', signed_in.text)
    assert len(also) == 2
    signed_in.submit("/console/decide", also=also[:1])
    assert "choose what you conclude" in signed_in.text and "1 more" not in signed_in.text
    assert signed_in.text.count('name="also"') == 2
    assert len(re.findall(r'name="also"[^>]* checked>', signed_in.text)) == 1
    signed_in.submit("/console/decide", also=also, outcome="violation", category="spam", severity="1")
    assert "for several cases" in signed_in.text
    signed_in.client.post("/console/undo", data=_undo(signed_in.text))
    signed_in.get("/console/alike")
    assert signed_in.text.count('name="also"') == 2
    assert intake.get("/v1/decisions").json()["decisions"] == []


def _undo(text: str) -> dict[str, str]:
    form = text[text.index('action="/console/undo"') :]
    return {name: re.findall(f'name="{name}" value="([^"]*)"', form)[0] for name in ("csrf", "decision_id")}


def test_agreeing_takes_over_what_the_hints_say(
    signed_in: Any, keep: Callable[..., None], report: Make, intake: Any
) -> None:
    keep(report("r-1", "a useless discount"), report("r-2", "good day"))
    for outcome, severity, categories in (("violation", 2, {"harassment", "spam"}), ("no_violation", 0, set())):
        signed_in.submit("/console/next")
        value = re.findall(r'name="agree" value="([^"]*)"', signed_in.text)[0]
        signed_in.submit("/console/decide", agree=value, note="seen")
        decided = intake.get(f"/v1/reports/{'r-1' if severity else 'r-2'}").json()["decisions"][0]
        assert (decided["outcome"], decided["severity"], set(decided["categories"])) == (outcome, severity, categories)
        assert decided["note"] == "seen"
    keep(report("r-3", "you useless"))
    signed_in.submit("/console/next")
    for nonsense in ("", ":::", "violation", "violation:9:x", "maybe:1:spam"):
        signed_in.submit("/console/decide", agree=nonsense)
        assert signed_in.page.status_code == 422


def test_a_blind_case_gives_nothing_away(signed_in: Any, keep: Callable[..., None], report: Make) -> None:
    keep(report("r-1", "a useless discount", reason="bullying"), blind_share=1)
    signed_in.submit("/console/next")
    for hint in ("<mark", 'name="agree"', "Why it is here", "Facts that moved", "Spam</h3>", "lane"):
        assert hint not in signed_in.text, hint
    assert "Harassment and bullying</h3>" in signed_in.text  # which the reporter named


def test_putting_hints_away_without_scripts(signed_in: Any, keep: Callable[..., None], report: Make) -> None:
    keep(report("r-1", "a useless discount"))
    signed_in.submit("/console/next")
    signed_in.submit("/console/dismiss")
    for path in ("/console/case", "/console/case?words=shown", "/console/case?fill=hints"):
        assert "hintless" in signed_in.text and 'name="agree"' not in signed_in.text
        assert 'value="violation" checked' not in re.sub(r"\s+", " ", signed_in.text)
        signed_in.get(path)
    signed_in.submit("/console/decide", note="half")
    assert signed_in.page.status_code == 422 and "hintless" in signed_in.text


@pytest.mark.parametrize(("severe_from", "veiled"), [(Severity.MEDIUM, True), (Severity.HIGH, False)])
def test_what_the_policy_calls_severe_is_veiled(
    signed_in: Any, keep: Callable[..., None], report: Make, runtime: Runtime, severe_from: Severity, veiled: bool
) -> None:
    policy = runtime.scorer.policy
    care = policy.care.model_copy(update={"severe_from": severe_from})
    runtime._scorer = runtime.scorer.under(policy.model_copy(update={"care": care}))
    keep(report("r-1", "you are useless"))
    signed_in.submit("/console/next")
    assert ("Severity medium. Show it" in signed_in.text) == veiled


@pytest.mark.parametrize(("blind", "text"), [(0, "you are useless"), (1, "you are useless"), (0, "We will ambush you")])
def test_near_duplicates_are_shown_with_as_much_care(
    signed_in: Any, keep: Callable[..., None], report: Make, blind: int, text: str
) -> None:
    context = {"context": [{"role": "parent", "text": "Look at this"}], "kind": "com\u202ement"}
    keep(*(report(f"r-{number}", text, content=context) for number in range(2)), blind_share=blind)
    signed_in.submit("/console/next")
    signed_in.get("/console/alike")
    assert ("<details" in signed_in.text) == (blind == 1 or "ambush" in text)
    assert (" lane, came" in signed_in.text) == (not blind)
    assert "Com⟨RLO⟩ment" in signed_in.text and "It is yours for" in signed_in.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("naïve e\u0301 \U0001f469\u200d\U0001f466 👍🏽 🏴\U000e0067\U000e007f", None),
        ("a\u202eb", "a⟨RLO⟩b"),
        ("a\0b\x1b", "a⟨U+0000⟩b⟨U+001B⟩"),
        ("line\nline\tend", None),
        ("a\U000e0067b", "a⟨U+E0067⟩b"),
        ("🏴" + "\U000e0067" * 7, "🏴" + "\U000e0067" * 6 + "⟨U+E0067⟩"),
        ("\u3164\u115f\u1160\uffa0\u2800", "⟨HF⟩⟨HCF⟩⟨HJF⟩⟨HHF⟩⟨BLANK⟩"),
        ("e" + "\u0301" * 10, "e" + "\u0301" * 8 + "⟨+2 marks⟩"),
        ("e" + "\u0301" * 10 + "n", "e" + "\u0301" * 8 + "⟨+2 marks⟩n"),
        ("می\u200cخواهم", None),
    ],
)
def test_inert(text: str, shown: str | None) -> None:
    assert inert(text) == (text if shown is None else shown)


def test_long_notes_are_cut() -> None:
    assert brief("x" * 4000) == "x" * 4000
    assert brief("\u202e" * 100_000).endswith("⟨RLO⟩ ⟨96,000 more characters⟩")


def test_masked() -> None:
    assert masked("You are, well: naïve!") == "Y•• a••, w•••: n••••!"
