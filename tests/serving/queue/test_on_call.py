"""Who is told, and when, that nobody is there for urgent cases."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from sqlalchemy import insert, update

from serving.accounts import people
from serving.accounts.auth import Identity, create_token
from serving.accounts.people import Profile
from serving.queue import claims, on_call
from serving.queue.on_call import Lookout, alert
from serving.runtime import Runtime
from serving.settings import Settings
from serving.store.tables import cases, sessions

Make = Callable[..., dict[str, Any]]
Accept = Callable[..., list[Any]]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=45)  # a critical case that came at NOW is due within 20 minutes
URL = "http://hooks.example"


class Outbox:
    """What was sent; or it cannot be."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.works = True

    def __call__(self, url: str, body: bytes) -> None:
        assert url == URL
        if not self.works:
            raise ConnectionRefusedError
        self.sent.append(json.loads(body))


@pytest.fixture
def outbox() -> Outbox:
    """An outbox."""
    return Outbox()


@pytest.fixture
def urgent(runtime: Runtime, report: Make, accept: Accept) -> Runtime:
    """A store in which a critical, a specialist and an ordinary case wait."""
    reasons = {"note": "suicide", "child": "child_safety", "other": "spam"}
    items = [report(name, "a text of their own", reason=reason) for name, reason in reasons.items()]
    accept(runtime.store, runtime.scorer, items, NOW, 0)
    return runtime


def tell(runtime: Runtime, outbox: Outbox, now: datetime) -> int:
    return alert(runtime.store, runtime.scorer.policy, URL, now, outbox)


def test_each_case_is_told_of_once_before_it_is_due(urgent: Runtime, outbox: Outbox) -> None:
    assert tell(urgent, outbox, NOW + timedelta(minutes=39)) == 0
    assert tell(urgent, outbox, SOON) == 2
    assert tell(urgent, outbox, SOON + timedelta(minutes=30)) == 0
    (message,) = outbox.sent
    assert {case["lane"] for case in message["cases"]} == {"critical", "specialist"}
    assert set(message["cases"][0]) == {"case_id", "lane", "due_at"}
    assert "text" not in json.dumps(message)


def test_whoever_may_take_them_and_is_active_is_enough(urgent: Runtime, outbox: Outbox) -> None:
    store, when = urgent.store, SOON - timedelta(minutes=1)
    unwilling = people.create(store, "one", "reviewer", "a made-up password", NOW)
    willing = people.create(store, "two", "reviewer", "a made-up password", NOW)
    people.save_profile(store, willing, Profile(critical=True))

    def opens_a_page(who: Identity) -> None:
        values = {"sha256": who.id, "person_id": who.id, "created_at": NOW, "seen_at": when}
        with store.write() as connection:
            connection.execute(insert(sessions).values(values))

    opens_a_page(unwilling)
    opens_a_page(willing)
    assert tell(urgent, outbox, SOON) == 1  # nobody is there for the specialists' case
    assert outbox.sent[0]["cases"][0]["lane"] == "specialist"
    assert tell(urgent, outbox, when + timedelta(minutes=20)) == 1  # of the other, as nobody has come since


def test_whose_role_takes_another_stage_is_not_there(urgent: Runtime, outbox: Outbox) -> None:
    with urgent.store.write() as connection:
        connection.execute(update(cases).where(cases.c.lane == "critical").values(stage="qa"))
    reviewer = urgent.identities.find(create_token(urgent.store, "a machine", "reviewer"))
    held = claims.claim(urgent.store, urgent.scorer.policy, reviewer, lease=timedelta(minutes=1), now=SOON)
    assert held
    assert tell(urgent, outbox, SOON) == 2


def test_a_claim_shows_that_somebody_is_there(urgent: Runtime, outbox: Outbox) -> None:
    token = create_token(urgent.store, "a machine", "reviewer")
    who = urgent.identities.find(token)
    assert tell(urgent, outbox, NOW) == 0
    lease = timedelta(minutes=1)
    held = claims.claim(urgent.store, urgent.scorer.policy, who, lease=lease, now=SOON, lanes=["low"])
    assert held
    assert tell(urgent, outbox, SOON) == 1


def test_what_somebody_left_behind_is_told_of_too(urgent: Runtime, outbox: Outbox) -> None:
    who = urgent.identities.find(create_token(urgent.store, "a machine", "specialist"))
    for _ in range(3):
        assert claims.claim(urgent.store, urgent.scorer.policy, who, lease=timedelta(minutes=15), now=NOW)
    assert tell(urgent, outbox, SOON) == 2


def test_what_could_not_be_sent_is_sent_again(urgent: Runtime, outbox: Outbox) -> None:
    outbox.works = False
    with pytest.raises(OSError):
        tell(urgent, outbox, SOON)
    outbox.works = True
    assert tell(urgent, outbox, SOON + timedelta(seconds=30)) == 0  # whoever began may still be at it
    assert tell(urgent, outbox, SOON + timedelta(seconds=61)) == 2


def test_of_several_workers_one_tells(urgent: Runtime, outbox: Outbox) -> None:
    threads = [threading.Thread(target=tell, args=(urgent, outbox, SOON)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outbox.sent) == 1


def test_the_lookout_goes_on_whatever_happens(urgent: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def fail(*_: object) -> int:
        told.append("looked")
        raise ConnectionRefusedError

    monkeypatch.setattr(on_call, "alert", fail)
    lookout = Lookout(URL)
    for _ in range(3):
        lookout.look(urgent.store, urgent.scorer.policy)
    assert told == ["looked"]  # and not again within seconds
    monkeypatch.setattr(on_call, "CHECK_SECONDS", 0.0)
    Lookout("").look(urgent.store, urgent.scorer.policy)
    assert told == ["looked"]


def test_it_is_posted_as_json() -> None:
    got: list[tuple[str | None, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers["Content-Type"], json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        on_call.post(f"http://127.0.0.1:{server.server_port}/hook", b'{"cases": []}')
        thread.join()
    assert got == [("application/json", {"cases": []})]


def test_only_web_addresses_will_do() -> None:
    with pytest.raises(ValueError, match="on_call_url"):
        Settings(on_call_url="file:///etc/hosts")
