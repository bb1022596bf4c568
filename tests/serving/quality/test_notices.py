"""What changed is read before the next case, and practised with golden cases."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from sqlalchemy import select
from typer.testing import CliRunner

from models.bundle import Bundle
from models.policy import SHIPPED, Policy
from models.taxonomy import Taxonomy
from serving.accounts.auth import authenticate, create_token
from serving.cli import app
from serving.errors import InvalidRequest, NotFound
from serving.quality import golden, notices
from serving.quality.changes import of_bundles, of_policies
from serving.queue import claims
from serving.queue.claim_log import begin
from serving.runtime import Runtime
from serving.settings import Settings
from serving.store.tables import notices as notice_table

Make = Callable[..., dict[str, Any]]
Accept = Callable[..., list[Any]]
DeskOf = Callable[..., Any]
Edit = Callable[[dict[str, Any]], object]
NEW_BODY = "Sarcasm is not harassment."


def category(raw: dict[str, Any], key: str) -> dict[str, Any]:
    return next(part for part in raw["categories"] if part["key"] == key)


@pytest.fixture
def bundle_with(runtime: Runtime) -> Callable[..., Bundle]:
    """The bundle in force with another taxonomy, and other thresholds."""
    bundle = runtime.scorer.bundle
    raw = bundle.path / "taxonomy.yaml"

    def make(edit: Edit, **thresholds: float) -> Bundle:
        value = yaml.safe_load(raw.read_text("utf-8"))
        edit(value)
        known = bundle.manifest.thresholds
        moved = {key: known[key].model_copy(update={"value": at}) for key, at in thresholds.items()}
        manifest = bundle.manifest.model_copy(update={"thresholds": known | moved})
        changed = replace(bundle, manifest=manifest, digest="sha256:another")
        assert isinstance(Bundle.taxonomy, cached_property)
        changed.__dict__["taxonomy"] = Taxonomy.model_validate(value)
        return changed

    return make


@pytest.fixture
def policy_with() -> Callable[[Edit], Policy]:
    """The shipped policy after an edit."""

    def make(edit: Edit) -> Policy:
        raw = yaml.safe_load(SHIPPED.read_text("utf-8"))
        edit(raw)
        return Policy.model_validate(raw)

    return make


def test_a_changed_definition_is_told(runtime: Runtime, bundle_with: Callable[..., Bundle]) -> None:
    def edit(raw: dict[str, Any]) -> None:
        category(raw, "hate")["definition"] = "Something else."
        category(raw, "hate")["in"].append("a new example")
        category(raw, "spam")["base_severity"] = 2
        category(raw, "spam")["out"].pop()

    found = of_bundles(runtime.scorer.bundle, bundle_with(edit))
    assert {change.category for change in found} == {"hate", "spam"}
    said = "\n".join(next(change for change in found if change.category == "hate").lines)
    assert "Now: Something else." in said
    assert "In, new: a new example." in said
    said = "\n".join(next(change for change in found if change.category == "spam").lines)
    assert "A clear case has severity 2 (before: 1)." in said
    assert "Out, no more:" in said


def test_categories_come_and_go(runtime: Runtime, bundle_with: Callable[..., Bundle]) -> None:
    def edit(raw: dict[str, Any]) -> None:
        category(raw, "hate")["hidden"] = True
        raw["categories"].remove(category(raw, "privacy"))
        raw["categories"].append({**category(raw, "spam"), "key": "rudeness", "title": "Rudeness", "reasons": []})

    titles = {change.category: change.title for change in of_bundles(runtime.scorer.bundle, bundle_with(edit))}
    old = runtime.scorer.bundle.taxonomy
    assert titles == {
        "hate": f"{old['hate'].title} is no longer used",
        "privacy": f"{old['privacy'].title} is no longer used",
        "rudeness": "New category: Rudeness",
    }


def test_a_threshold_is_told_where_it_moved_notably(runtime: Runtime, bundle_with: Callable[..., Bundle]) -> None:
    changed = bundle_with(lambda raw: None, hate=0.52, spam=0.3)
    (change,) = of_bundles(runtime.scorer.bundle, changed)
    assert change.category == "spam"
    assert change.lines == ["The model flags it from 30% on (before: 50%). Chosen for: even odds."]
    assert of_bundles(runtime.scorer.bundle, runtime.scorer.bundle) == []


def test_a_policy_is_told_by_what_reviewers_go_by(policy: Policy, policy_with: Callable[[Edit], Policy]) -> None:
    def edit(raw: dict[str, Any]) -> None:
        raw["version"] = "2"
        raw["lanes"][2]["service_level_hours"] = 2
        raw["categories"]["scam_fraud"]["floor"] = "critical"

    (change,) = of_policies(policy, policy_with(edit))
    assert change.title == "Policy 2 is in force"
    assert change.lines == [
        "Lane high: due in 2 h (before: 4 h).",
        "scam fraud: the lane of reports that name it is critical (before: as scored).",
    ]
    (change,) = of_policies(policy, policy_with(lambda raw: raw.update(version="2")))
    assert "weighed anew" in change.lines[0]
    assert of_policies(policy, policy_with(lambda raw: raw["exposure"].update(unknown_views=7))) == []
    by_floors = policy_with(lambda raw: (raw["lanes"][1].update(min_severity=None), raw["care"].update(severe_from=3)))
    assert of_policies(policy, by_floors)[0].lines == ["Lane critical: by a floor alone (before: from severity 4 on)."]
    assert of_policies(by_floors, policy)[0].lines == ["Lane critical: from severity 4 on (before: by a floor alone)."]


def test_it_is_told_once_however_many_processes_see_it(runtime: Runtime, bundle_with: Callable[..., Bundle]) -> None:
    changed, now = bundle_with(lambda raw: category(raw, "hate").update(definition="Else.")), datetime.now(UTC)
    for _ in range(3):
        notices.announce_bundle(runtime.store, runtime.scorer.bundle, changed, runtime.scorer.policy, now)
    assert [row.category for row in all_notices(runtime)] == ["hate"]


def all_notices(runtime: Runtime) -> list[Any]:
    with runtime.store.read() as connection:
        return list(connection.execute(select(notice_table).order_by(notice_table.c.created_at)))


def another_policy(settings: Settings) -> None:
    settings.home.mkdir(exist_ok=True)
    text = SHIPPED.read_text("utf-8").replace(f'version: "{Policy.read().version}"', 'version: "next"')
    (settings.home / "policy.yaml").write_text(text, "utf-8")


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Runtime]:
    """A runtime that looks for another policy or bundle when it is asked to alone."""
    monkeypatch.setattr("serving.runtime.WATCH_SECONDS", 3600)
    runtime = Runtime(settings)
    runtime.start()
    yield runtime
    runtime.stop()


def test_a_running_service_tells_of_another_policy_and_bundle(
    unwatched: Runtime, settings: Settings, make_bundle: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = unwatched
    another_policy(settings)
    other = Runtime(settings)
    other.start()
    try:
        for _ in range(2):
            runtime.refresh()
            other.refresh()
    finally:
        other.stop()
    assert [(row.title, row.policy_version) for row in all_notices(runtime)] == [("Policy next is in force", "next")]
    made = make_bundle("2")
    monkeypatch.setattr("serving.runtime.champion_path", lambda home: made)
    runtime.refresh()
    assert runtime.scorer.bundle.version == "2"
    assert len(all_notices(runtime)) == 1  # it says the same as the one before


def test_a_notice_that_fails_holds_nothing_up(
    unwatched: Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("serving.quality.notices.announce_policy", fail)
    another_policy(settings)
    unwatched.refresh()
    assert unwatched.scorer.policy.version == "next"


@pytest.fixture
def practising(
    runtime: Runtime, desk_of: DeskOf, staff: SimpleNamespace, report: Make, accept: Accept
) -> SimpleNamespace:
    """Seven golden cases about harassment, one of them none; one about spam; and a notice on harassment."""
    desk, now = desk_of(), datetime.now(UTC)
    desk.now = now - timedelta(minutes=30)
    texts = [f"You useless thing {number}" for number in range(7)] + ["A discount"]
    accept(runtime.store, runtime.scorer, [report(f"g-{i}", text) for i, text in enumerate(texts)], desk.now, 0)
    while held := desk.claim(staff.admin):
        key = desk.case(held.case_id).category
        said = {"outcome": "violation", "categories": [key], "severity": 1}
        desk.decide(staff.admin, held, **({} if desk.made == 3 else said))
        golden.add(runtime.store, desk.policy, staff.qa, held.case_id, "Because of the word.", desk.now)
    accept(runtime.store, runtime.scorer, [report("waits", "good day")], now, 0)
    notice = notices.create(runtime.store, desk.policy, "harassment", "Harassment", NEW_BODY, now)
    return SimpleNamespace(desk=desk, notice=notice, now=now, staff=staff)


def test_it_is_read_before_the_next_case(practising: SimpleNamespace, new_browser: Callable[[], Any]) -> None:
    browser = new_browser()
    browser.sign_in("reviewer")
    assert re.findall(r"<(\w+)[^>]* autofocus", browser.text) == ["button"]
    browser.submit("/console/next")
    assert re.findall(r"<(\w+)[^>]* autofocus", browser.text) == ["h1"]  # a second Enter reads nothing unseen
    assert "<title>What changed" in browser.text
    assert NEW_BODY in browser.text
    assert "5 cases to practise on are ready" in browser.text
    browser.submit("/console/next")
    assert NEW_BODY in browser.text
    browser.get("/console/notice")
    browser.submit("/console/notice", then="on")
    browser.submit("/console/next")
    assert "good day" in browser.text
    browser.get("/console/notices")
    assert "not read" not in browser.text


def test_practice_explains_and_counts_for_oneself(practising: SimpleNamespace, new_browser: Callable[[], Any]) -> None:
    browser, other = new_browser(), new_browser()
    browser.sign_in("reviewer")
    other.sign_in("reviewer2")
    browser.submit("/console/next")
    browser.submit("/console/notice", then="practise")
    for number in range(5):
        assert "You useless thing" in browser.text
        browser.submit("/console/notice/practice")
        assert "Please choose an answer" in browser.text
        browser.submit("/console/notice/practice", choice="this")
        assert "Because of the word." in browser.text
        if number < 4:
            assert f"Next one, {4 - number} left" in browser.text
        (link,) = re.findall(r'href="(/console/notice/practice\?[^"]*)"', browser.text)
        browser.get(link)
    assert re.search(r"<strong>[45] of 5</strong>", browser.text)
    browser.get("/console/notices")
    assert re.search(r"Your practice: [45] of 5", browser.text)
    other.get("/console/notices")
    assert "Your practice" not in other.text
    assert "not read" in other.text
    browser.submit("/console/notice/practice", notice=practising.notice, case_id="gone", choice="this")
    assert re.search(r"<strong>[45] of 5</strong>", browser.text)


def test_what_was_practised_is_no_test_any_more(practising: SimpleNamespace) -> None:
    store, who, now = practising.desk.store, practising.staff.reviewer, practising.now
    limits = {"now": now, "until": now + timedelta(minutes=5), "lanes": ["standard", "low", "high"]}
    policy = practising.desk.policy.model_copy(
        update={"quality": practising.desk.policy.quality.model_copy(update={"golden_share": 1})}
    )
    notices.mark_read(store, who, practising.notice, now)
    with store.read() as connection:
        shown = {answer.case_id for answer in notices.practice(connection, who, practising.notice).left}
    for case_id in shown:
        notices.practise(store, who, practising.notice, case_id, "this", now)
        with pytest.raises(InvalidRequest):
            notices.practise(store, who, practising.notice, case_id, "this", now)
    with store.write() as connection:
        drawn = set()
        while row := golden.draw(connection, policy, who, **limits):
            begin(connection, row, None)
            drawn.add(row.copy_of)
    assert len(shown) == 5
    assert len(drawn) == 3
    assert not drawn & shown
    with store.read() as connection:
        found = notices.practice(connection, who, practising.notice)
    assert (found.left, found.practised) == ([], 5)


def test_a_test_in_hand_is_not_practised_with(practising: SimpleNamespace) -> None:
    store, who, now = practising.desk.store, practising.staff.reviewer, practising.now
    policy = practising.desk.policy.model_copy(
        update={"quality": practising.desk.policy.quality.model_copy(update={"golden_share": 1})}
    )
    held = claims.claim(store, policy, who, lease=timedelta(minutes=5), now=now)
    assert held
    source = practising.desk.case(held.case_id).copy_of
    assert source
    with store.read() as connection:
        left = notices.practice(connection, who, practising.notice).left
    assert source not in {answer.case_id for answer in left}


def test_right_answers(practising: SimpleNamespace) -> None:
    answer = golden.Answer("c", 1, "violation", ["spam"], 1, "")
    assert notices.known(answer, "spam") == "this"
    assert notices.known(answer, "hate") == "other"
    assert notices.known(replace(answer, outcome="no_violation", categories=[]), "spam") == "none"
    store, who = practising.desk.store, practising.staff.reviewer
    with store.read() as connection:
        case_id = notices.practice(connection, who, practising.notice).left[0].case_id
    with pytest.raises(InvalidRequest):  # it was not read yet
        notices.practise(store, who, practising.notice, case_id, "this", practising.now)
    with pytest.raises(NotFound):
        notices.mark_read(store, who, "nothing", practising.now)


def test_who_comes_later_starts_from_what_holds(practising: SimpleNamespace, runtime: Runtime) -> None:
    store, staff = runtime.store, practising.staff
    assert notices.unread(store, staff.reviewer) is not None
    late = notices.create(store, practising.desk.policy, None, "Old", NEW_BODY, practising.now - timedelta(days=1))
    found = notices.unread(store, staff.reviewer)
    assert found is not None and found.id == practising.notice != late
    token = authenticate(store, create_token(store, "tool", "reviewer"))
    assert notices.unread(store, token) is None


def test_what_is_for_all_has_no_practice(practising: SimpleNamespace, new_browser: Callable[[], Any]) -> None:
    store, staff = practising.desk.store, practising.staff
    made = notices.create(store, practising.desk.policy, None, "For <all>", "One\nTwo", practising.now)
    with store.read() as connection:
        assert notices.practice(connection, staff.reviewer, made).left == []
    browser = new_browser()
    browser.sign_in("reviewer")
    browser.get(f"/console/notice?notice={made}")
    assert "For &lt;all&gt;" in browser.text
    assert "practise" not in browser.text
    browser.get("/console/notice?notice=nothing")
    assert browser.page.status_code == 404


def test_by_hand(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("database_url", "home", "bundle"):
        monkeypatch.setenv(f"FRONTLINE_{name.upper()}", str(getattr(runtime.settings, name)))
    run = CliRunner().invoke
    given = ["notice", "create", "--title", "Mind this", "--body", "It is so."]
    assert run(app, [*given, "--category", "hate"]).exit_code == 0
    assert run(app, [*given, "--category", "rudeness"]).exit_code == 1
    said = run(app, ["notice", "list"]).output
    assert "Mind this" in said and "hate" in said
    assert run(app, ["golden", "list"]).exit_code == 0
