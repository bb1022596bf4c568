"""A running service under clients that misbehave, more load than it can take, a stop, and bundles that come."""

import json
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, NamedTuple

import psutil
import pytest

from benchmarks.client import closed_loop, open_loop, request
from benchmarks.service import Service
from models import Scorer, load_bundle, parse_report
from serving import up
from serving.accounts.auth import Identity
from serving.champion import install, set_champion
from serving.queue.cases import read_report
from serving.store import Store

pytestmark = pytest.mark.slow
INTAKE = Identity("intake", "intake", "intake")
TEXT = "Your parcel waits"
PLACES = 8  # requests that the service with bad clients handles at once
CLIENTS = PLACES + 4
PATIENCE = 240  # seconds: the machine may be busy


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Any
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error, which has the one shape."""
        error: dict[str, Any] = json.loads(self.body)["error"]
        assert set(error) == {"code", "message", "field", "request_id"}
        assert error["request_id"] == self.headers["X-Request-ID"]
        return error


def connect(service: Service, buffer: int = 2**16) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", service.port))
    return connection


def answer_on(connection: Any) -> Answer:
    response = HTTPResponse(connection)
    response.begin()
    return Answer(response.status, response.headers, response.read())


def ask(service: Service, data: bytes) -> Answer:
    with connect(service) as connection:
        connection.sendall(data)
        return answer_on(connection)


def report(text: str = TEXT) -> dict[str, Any]:
    return {"report_id": uuid.uuid4().hex, "content": {"text": text}}


def post(service: Service, path: str, value: object) -> bytes:
    return request(path, json.dumps(value).encode(), service.token)


def get(service: Service, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {service.token}\r\n\r\n".encode()


def measured(service: Service, name: bytes) -> int:
    found = re.search(b"\n" + re.escape(name) + rb" (\d+)", ask(service, get(service, "/metrics")).body)
    return int(found[1]) if found else 0


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def meanwhile(work: Callable[[], Any], threads: int = 1) -> Iterator[list[Any]]:
    """What `work` gave before the block, again and again during it, and after it."""
    over, found = Event(), [work()]

    def go_on() -> None:
        while not over.wait(0.02):
            found.append(work())

    with ThreadPoolExecutor(threads) as pool:
        going = [pool.submit(go_on) for _ in range(threads)]
        try:
            yield found
        finally:
            over.set()
        for each in going:
            each.result()
    found.append(work())


@contextmanager
def others_served(service: Service) -> Iterator[ExitStack]:
    """Ordinary reports meanwhile, each taken and scored; what the block puts on the stack is closed before the last."""
    with meanwhile(lambda: ask(service, post(service, "/v1/reports", report())).status) as found, ExitStack() as stack:
        yield stack
    assert set(found) == {200}


def begin(service: Service, data: bytes) -> tuple[socket.socket, bytes]:
    """Send a request without its body, and wait until the service waits for that; give the body too."""
    head, body = data.split(b"\r\n\r\n", 1)
    connection = connect(service)
    connection.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
    assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
    return connection, body


@pytest.fixture(scope="module")
def service(keyword_bundle: Path) -> Iterator[Service]:
    """A service with few places, in one process, so that bad and good clients meet in it."""
    with closing(Service(bundle=keyword_bundle, max_in_flight=PLACES, max_wait_seconds=PATIENCE)) as made:
        yield made


def test_requests_that_come_byte_by_byte(service: Service) -> None:
    with others_served(service) as stack:
        slow = [stack.enter_context(connect(service)) for _ in range(PLACES // 2)]
        for byte in post(service, "/v1/reports", report()):
            for connection in slow:
                connection.send(bytes([byte]))
            time.sleep(0.01)
        assert [answer_on(connection).status for connection in slow] == [200] * len(slow)


def test_bodies_that_never_end(service: Service) -> None:
    with others_served(service) as stack:
        begun = [begin(service, post(service, "/v1/reports", report())) for _ in range(CLIENTS)]
        for connection, body in begun:
            stack.enter_context(connection).sendall(body[:-1])
        for connection, _ in begun:
            answer = answer_on(connection)
            assert (answer.status, answer.error["code"]) == (408, "body_too_slow")
            assert (answer.headers["Connection"], connection.recv(1)) == ("close", b"")


def test_clients_that_read_nothing(service: Service) -> None:
    name = b'frontline_request_duration_seconds_count{method="GET",route="none",status="200"}'

    def stuck() -> bool:
        before = measured(service, name)
        time.sleep(1)
        return 0 < before == measured(service, name)

    with others_served(service) as stack:
        for _ in range(CLIENTS):
            stack.enter_context(connect(service, 4096)).sendall(get(service, "/openapi.json") * 100)
        until(stuck)
        assert measured(service, name) < CLIENTS * 100


def test_half_open_connections(service: Service) -> None:
    with others_served(service) as stack:
        for _ in range(200):
            stack.enter_context(connect(service)).sendall(b"POST /v1/reports HTTP/1.1\r\nHost: local")
        time.sleep(2)


@pytest.mark.parametrize("fields", [b"X-A: " + b"a" * 2**20, b"\r\n".join([b"X-A: a"] * 2**17)], ids=["one", "many"])
def test_a_huge_head(service: Service, fields: bytes) -> None:
    """It is refused before it is whole: whoever sends on may find the connection cut instead of the answer."""
    with others_served(service):
        try:
            answer = ask(service, get(service, "/v1/decisions")[:-2] + fields + b"\r\n\r\n")
        except ConnectionError:
            return
        assert (answer.status, answer.body) == (400, b"The head of the request is larger than 65536 bytes.")


@pytest.mark.parametrize(
    "lines",
    [
        b"NONSENSE",
        b"GET / HTTP/9.9",
        b"GET / HTTP/1.1\r\nno colon",
        b"POST / HTTP/1.1\r\nContent-Length: -1",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nmany",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",  # what a client of TLS sends first
    ],
)
def test_broken_http(service: Service, lines: bytes) -> None:
    with others_served(service), connect(service) as connection:
        connection.sendall(lines + b"\r\n\r\n")
        answer = answer_on(connection)
        assert (answer.status, answer.body) == (400, b"Invalid HTTP request received.")
        assert (answer.headers["Connection"], connection.recv(1)) == ("close", b"")


def test_more_load_than_it_can_take(keyword_bundle: Path, database_url: str) -> None:
    limits: dict[str, Any] = {"max_wait_seconds": 0.2, "max_in_flight": 32, "remembered_texts": 0}
    with closing(Service(bundle=keyword_bundle, workers=2, database_url=database_url, **limits)) as service:
        reports = [report(f"{number} {TEXT} " * 150) for number in range(800)]
        requests = [post(service, "/v1/reports", each) for each in reports]
        able = closed_loop(service.port, requests[:100], 4)
        rate = 4 * able.statuses[200] / able.wall
        outcome = open_loop(service.port, requests[100:], [number / rate for number in range(700)])
        assert set(outcome.statuses) == {200, 429}
        for number, raw in outcome.answers.items():
            answer = answer_on(SimpleNamespace(makefile=lambda _, raw=raw: BytesIO(raw)))
            name = reports[100 + number]["report_id"]
            kept = ask(service, get(service, f"/v1/reports/{name}"))
            if answer.status == 200:
                assert json.loads(answer.body)["report_id"] == name
                assert (kept.status, json.loads(kept.body)["report_id"]) == (200, name)
            else:
                assert answer.error["code"] == "overloaded"
                assert int(answer.headers["Retry-After"]) >= 1
                assert (kept.status, kept.error["code"]) == (404, "not_found")


def listens(process: psutil.Process) -> bool:
    return process.is_running() and any(each.status == psutil.CONN_LISTEN for each in process.net_connections("tcp"))


def test_a_stop_lets_requests_finish(keyword_bundle: Path, database_url: str) -> None:
    options: dict[str, Any] = {"database_url": database_url, "max_wait_seconds": PATIENCE}
    with closing(Service(bundle=keyword_bundle, workers=2, **options)) as service, connect(service) as bulk:
        single, batch = [report() for _ in range(20)], [report(f"{number} {TEXT} " * 150) for number in range(100)]
        begun = [begin(service, post(service, "/v1/reports", each)) for each in single]
        bulk.sendall(post(service, "/v1/reports/batch", {"reports": batch}))
        until(lambda: measured(service, b"frontline_reports_waiting") > 0)
        workers = [worker for worker in service.workers() if listens(worker)]
        assert len(workers) == 2
        service.server.terminate()
        until(lambda: not any(map(listens, workers)))
        for connection, body in begun:
            connection.sendall(body)
        for connection, _ in begun:
            assert answer_on(connection).status == 200
            connection.close()
        results = json.loads(answer_on(bulk).body)["results"]
        assert service.server.wait(PATIENCE) == 0
        assert [result["report_id"] for result in results] == [each["report_id"] for each in batch]
        with closing(Store(service.settings.store_url)) as store:
            for each in single + batch:
                assert read_report(store, each["report_id"], INTAKE).report_id == each["report_id"]


def test_a_stop_does_not_wait_for_ever(keyword_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for a client that reads nothing nor for one that sends nothing."""
    monkeypatch.setattr(up, "DRAIN_SECONDS", 5)
    with closing(Service(bundle=keyword_bundle)) as service, connect(service, 4096) as deaf:
        deaf.sendall(get(service, "/openapi.json") * 100)
        with begin(service, post(service, "/v1/reports", report()))[0]:
            service.server.terminate()
            assert service.server.wait(PATIENCE) == 0


def test_another_bundle_takes_over(keyword_bundle: Path, make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    """What `frontline promote` does to a home, first with a sound bundle, then with one that is damaged there."""
    log, (item, _), sayings = tmp_path / "log", parse_report(report()), []
    second, third = make_bundle("2", slope=0.5), make_bundle("3")
    for bundle in map(load_bundle, (keyword_bundle, second)):
        probability = Scorer(bundle).score(item, received_at=datetime.now(UTC)).violation.probability
        sayings.append(frozenset({(bundle.digest, probability)}))
    with closing(Service(log, bundle=keyword_bundle, workers=2, max_wait_seconds=PATIENCE)) as service:
        home = service.settings.home

        def batch() -> frozenset[tuple[str, float]]:
            """The bundles that one answer names, each with what it says of the one text."""
            answer = ask(service, post(service, "/v1/reports/batch", {"reports": [report() for _ in range(8)]}))
            results = json.loads(answer.body)["results"]
            return frozenset((each["model"]["bundle"], each["violation"]["probability"]) for each in results)

        with meanwhile(batch, threads=4) as found:
            set_champion(home, install(second, home))
            until(lambda: log.read_text("utf-8").count('"bundle_loaded"') == 4)  # two workers, twice
        assert set(found) == set(sayings)
        with meanwhile(batch, threads=4) as found:
            digest = install(third, home)
            (home / "bundles" / digest.removeprefix("sha256:") / "heads.onnx").write_bytes(b"damaged")
            set_champion(home, digest)
            until(lambda: log.read_text("utf-8").count('"bundle_refused"') == 2)
        assert set(found) == {sayings[1]}
