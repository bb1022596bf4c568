"""Every accepted report is kept exactly once, and its case is where it belongs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, func, select, update

from serving.queue import intake as taking_in
from serving.queue.intake import Rejected, count_reports, prepared_hash
from serving.runtime import Runtime
from serving.store import Store
from serving.store.tables import cases, contents, reports, scores

Make = Callable[..., dict[str, Any]]
Accept = Callable[..., list[Any]]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ON_C9 = {"content": {"id": "c-9"}}


def post(client: TestClient, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post("/v1/reports", json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


def case_of(client: TestClient, report_id: str) -> dict[str, Any]:
    case_id = client.get(f"/v1/reports/{report_id}").json()["case_id"]
    return dict(client.get(f"/v1/cases/{case_id}").json())


def decide(client: TestClient, outcome: str = "no_violation", **fields: Any) -> None:
    answer = client.post("/v1/queue/claim", json={}).json()
    body = {
        "decision_id": f"d-{answer['claim']['id']}",
        "case_id": answer["case"]["id"],
        "claim_id": answer["claim"]["id"],
        "token": answer["claim"]["token"],
        "content_version": answer["case"]["content_version"],
        "outcome": outcome,
        **fields,
    }
    response = client.post("/v1/decisions", json=body)
    assert response.status_code == 200, response.text


def test_the_same_report_again_gives_the_first_score(intake: TestClient, runtime: Runtime, report: Make) -> None:
    body = report("r-1", "We will ambush you")
    first = post(intake, body)
    assert post(intake, {**body, "reason": None, "region": None}) == first
    assert intake.post("/v1/reports/batch", json={"reports": [body, body]}).json()["results"] == [first, first]
    assert count_reports(runtime.store) == 1


def test_another_body_under_a_known_id_conflicts(intake: TestClient, runtime: Runtime, report: Make) -> None:
    post(intake, report("r-1", "We will ambush you"))
    response = intake.post("/v1/reports", json=report("r-1", "hello"))
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "report_conflict"
    results = intake.post("/v1/reports/batch", json={"reports": [report("r-1", "x"), report("r-2", "y")]}).json()
    assert [result.get("error", {}).get("code") for result in results["results"]] == ["report_conflict", None]
    assert count_reports(runtime.store) == 2


def test_scores_alone_keep_nothing(intake: TestClient, runtime: Runtime, report: Make) -> None:
    assert intake.post("/v1/score", json=report("r-1", "hello")).json()["hints"] is None
    hints = intake.post("/v1/score?explain=spans", json=report("r-1", "We will ambush you")).json()["hints"]
    assert [(span["start"], span["end"]) for span in hints["spans"]] == [(8, 14)]
    assert count_reports(runtime.store) == 0


def test_each_span_names_the_flagged_category_that_it_moved(intake: TestClient, report: Make) -> None:
    body = report("r-1", "Pay for the parcel or we ambush you")
    spans = intake.post("/v1/score?explain=spans", json=body).json()["hints"]["spans"]
    found = [(span["start"], span["end"], span["category"]) for span in spans]
    assert found == [(25, 31, "violence_threat"), (12, 18, "scam_fraud")]


def test_two_writers_keep_each_report_once(runtime: Runtime, report: Make, accept: Accept) -> None:
    """Two stores stand for two processes: nothing but the database holds them apart."""
    items = [report(f"r-{i}", "hello", content={"id": f"c-{i % 5}"}) for i in range(40)]
    stores = [Store(runtime.settings.store_url) for _ in range(2)]

    def work(i: int) -> list[Any]:
        return accept(stores[i % 2], runtime.scorer, items, NOW, 0)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(work, range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert not any(isinstance(result, Rejected) for result in answers[0])
    with runtime.store.read() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (reports, scores, cases, contents)
        ]
    assert counts == [40, 40, 5, 5]
    for store in stores:
        store.close()


def test_a_batch_is_kept_in_one_order_and_answered_in_its_own(
    runtime: Runtime, report: Make, accept: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [report(f"r-{name}{i}", f"hello {i}", content={"id": name}) for i in range(2) for name in "bca"]
    seen: list[str] = []

    def look(connection: Any, content_id: str) -> Any:
        seen.append(content_id)
        return case_row(connection, content_id)

    case_row = taking_in._case_of
    monkeypatch.setattr(taking_in, "_case_of", look)
    answers = accept(runtime.store, runtime.scorer, items, NOW, 0)
    assert "".join(seen) == "aabbcc"
    assert [answer.report_id for answer in answers] == [item["report_id"] for item in items]
    with runtime.store.read() as connection:
        assert set(connection.execute(select(contents.c.text).where(contents.c.version == 2)).scalars()) == {"hello 1"}


def test_a_report_that_joins_costs_the_same_however_many_did_before(
    runtime: Runtime, report: Make, accept: Accept
) -> None:
    statements: list[str] = []
    accept(runtime.store, runtime.scorer, [report(f"r-{i}", "hello", **ON_C9) for i in range(5)], NOW, 0)
    event.listen(runtime.store.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    accept(runtime.store, runtime.scorer, [report("r-9", "hello", **ON_C9)], NOW, 0)
    assert len([each for each in statements if each.startswith("SELECT") and "scores" in each]) == 1  # is it known?
    with runtime.store.write() as connection:
        connection.execute(update(cases).values(status="decided"))
    statements.clear()
    accept(runtime.store, runtime.scorer, [report("r-10", "hello", **ON_C9)], NOW, 0)
    assert len([each for each in statements if each.startswith("SELECT") and "scores" in each]) == 1


def test_texts_are_prepared_before_the_transaction(
    runtime: Runtime, report: Make, monkeypatch: pytest.MonkeyPatch, accept: Accept
) -> None:
    done: list[str] = []
    retrying = runtime.store.retrying

    def hashed(text: str | None) -> str | None:
        done.append("hash")
        return prepared_hash(text)

    def transaction(work: Callable[..., Any]) -> Any:
        done.append("transaction")
        return retrying(work)

    monkeypatch.setattr(taking_in, "prepared_hash", hashed)
    monkeypatch.setattr(runtime.store, "retrying", transaction)
    accept(runtime.store, runtime.scorer, [report("r-1", "gr\u200beat", **ON_C9), report("r-2", "b")], NOW, 0)
    accept(runtime.store, runtime.scorer, [report("r-3", "changed", **ON_C9)], NOW, 0)
    assert done == ["hash", "hash", "transaction", "hash", "transaction"]
    with runtime.store.read() as connection:
        kept = connection.execute(select(contents.c.prepared_hash)).scalars().all()
    assert set(kept) == {prepared_hash(text) for text in ("great", "b", "changed")}


@pytest.mark.parametrize(("stated", "kept"), [("und", "und"), ("eng", "en"), ("pt-BR", "pt")])
def test_a_case_keeps_the_language_alone(
    runtime: Runtime, report: Make, stated: str, kept: str | None, accept: Accept
) -> None:
    accept(runtime.store, runtime.scorer, [report("r-1", "a", content={"language": stated})], NOW, 0)
    with runtime.store.read() as connection:
        assert connection.execute(select(cases.c.language)).scalar_one() == kept


def test_reports_of_one_content_join(intake: TestClient, report: Make) -> None:
    post(intake, report("r-1", "hello", received_at="2026-11-22T09:00:00Z", **ON_C9))
    before = case_of(intake, "r-1")
    post(intake, report("r-2", "hello", received_at="2026-11-22T08:00:00Z", reason="suicide", **ON_C9))
    post(intake, report("r-3", None, received_at="2026-11-22T11:00:00Z", **ON_C9))
    after = case_of(intake, "r-3")
    assert after["report_count"] == 3
    assert after["content_version"] == 1
    assert after["score"]["priority"]["lane"] == "critical"
    assert after["due_at"] == "2026-11-22T09:00:00Z" < before["due_at"]


def test_reports_without_content_id_are_cases_of_their_own(intake: TestClient, report: Make) -> None:
    post(intake, report("r-1", "hello"))
    post(intake, report("r-2", "hello"))
    assert case_of(intake, "r-1")["id"] != case_of(intake, "r-2")["id"]


def test_changed_text_is_a_new_version_and_rescored(intake: TestClient, reviewer: TestClient, report: Make) -> None:
    post(intake, report("r-1", "hello", **ON_C9))
    decide(reviewer)
    post(intake, report("r-2", "We will ambush you", **ON_C9))
    case = case_of(reviewer, "r-2")
    assert (case["status"], case["content_version"], case["reopened"]) == ("open", 2, 1)
    assert case["content"]["text"] == "We will ambush you"
    assert case["score"]["violation"]["probability"] > 0.9
    assert case["decisions"][0]["content_version"] == 1


@pytest.mark.parametrize(
    ("reason", "status"), [("spam", "decided"), ("child_safety", "open")], ids=["nothing new", "a new category"]
)
def test_a_decided_case_reopens_for_more_alone(
    intake: TestClient, reviewer: TestClient, report: Make, reason: str, status: str
) -> None:
    post(intake, report("r-1", "Your parcel waits", **ON_C9))
    decide(reviewer)
    post(intake, report("r-2", "Your parcel waits", reason=reason, **ON_C9))
    assert case_of(intake, "r-2")["status"] == status


def test_a_reopened_case_is_due_anew(intake: TestClient, reviewer: TestClient, runtime: Runtime, report: Make) -> None:
    old = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    post(intake, report("r-1", "Your parcel waits", received_at=old, **ON_C9))
    decide(reviewer)
    post(intake, report("r-2", "We will ambush you", **ON_C9))
    assert datetime.fromisoformat(case_of(intake, "r-2")["due_at"]) > datetime.now(UTC)


def test_a_case_without_text_is_taken_and_says_so(intake: TestClient, reviewer: TestClient, report: Make) -> None:
    answer = post(intake, report("r-1", None, reason="nudity", content={"url": "https://example.org/p"}))
    assert answer["abstained"]
    assert answer["warnings"] == ["no_text", "metadata_only"]
    assert answer["priority"]["value"] > 0
    assert answer["violation"] == {"probability": None, "interval": None}
    assert case_of(reviewer, "r-1")["content"]["url"] == "https://example.org/p"


@pytest.mark.parametrize("text", ["a\0b", "\N{PILE OF POO}" * 9, "a\u0301\u202e", " ", ""], ids=ascii)
def test_odd_texts_come_back_as_sent(intake: TestClient, reviewer: TestClient, report: Make, text: str) -> None:
    post(intake, report("r-1", text))
    assert case_of(reviewer, "r-1")["content"]["text"] == text


def test_blind_cases_are_a_fixed_share_and_never_special(runtime: Runtime, report: Make, accept: Accept) -> None:
    items = [report(f"r-{i}", "hello", reason="csam" if i % 2 else "spam") for i in range(200)]
    accept(runtime.store, runtime.scorer, items, NOW, 0.5)
    with runtime.store.read() as connection:
        blind = connection.execute(select(cases.c.lane, func.count()).where(cases.c.blind).group_by(cases.c.lane)).all()
    assert [lane for lane, _ in blind] == ["low"]
    assert 30 <= blind[0][1] <= 70


def test_a_report_that_breaks_the_scorer_fails_alone(
    intake: TestClient, runtime: Runtime, report: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = runtime.scorer.score

    def break_on_hello(given: Any, **options: Any) -> Any:
        if given.content.text == "hello":
            raise ValueError("hello")
        return score(given, **options)

    monkeypatch.setattr(runtime.scorer, "score", break_on_hello)
    body = {"reports": [report("r-1", "hello"), report("r-2", "good day")]}
    first, second = intake.post("/v1/reports/batch", json=body).json()["results"]
    assert first["error"]["code"] == "scoring_failed"
    assert second["report_id"] == "r-2"
    assert count_reports(runtime.store) == 1
