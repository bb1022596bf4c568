"""A running service under clients that misbehave, more load than it can take, a stop, and bundles that come."""

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesHeaderParser
from http.client import HTTPResponse
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple, TypeVar

import psutil
import pytest

from benchmarks.client import closed_loop, open_loop, request
from benchmarks.service import Service
from models import Scorer, load_bundle, parse_report
from serving import up
from serving.cases import read_report
from serving.champion import install, set_champion
from serving.store import Store

pytestmark = pytest.mark.slow
T = TypeVar("T")
TEXT = "Your parcel waits"
PLACES = 8  # requests that the service with bad clients handles at once
CLIENTS = PLACES + 4
PATIENCE = 240  # seconds: the machine may be busy


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error, which has the one shape."""
        error: dict[str, Any] = json.loads(self.body)["error"]
        assert set(error) == {"code", "message", "field", "request_id"}
        assert error["request_id"] == self.headers["X-Request-ID"]
        return error


def connect(service: Service, receive_buffer: int = 0) -> socket.socket:
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", service.port))
    return connection


def answer_on(connection: socket.socket) -> Answer:
    response = HTTPResponse(connection)
    response.begin()
    return Answer(response.status, response.headers, response.read())


def parsed(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, _, fields = head.partition(b"\r\n")
    return Answer(int(line.split()[1]), BytesHeaderParser().parsebytes(fields), body)


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


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def meanwhile(work: Callable[[], T], threads: int = 1) -> Iterator[list[T]]:
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
def others_served(service: Service) -> Iterator[None]:
    """Ordinary reports, one after another, each taken and scored."""
    with meanwhile(lambda: ask(service, post(service, "/v1/reports", report())).status) as statuses:
        yield
    assert set(statuses) == {200}


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
    made = Service(bundle=keyword_bundle, max_in_flight=PLACES, max_wait_seconds=PATIENCE, max_body_bytes=2**20)
    with closing(made):
        yield made


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    """Closes what a test opened."""
    with ExitStack() as stack:
        yield stack


def test_requests_that_come_byte_by_byte(service: Service, sockets: ExitStack) -> None:
    with others_served(service):
        slow = [sockets.enter_context(connect(service)) for _ in range(PLACES // 2)]
        for byte in post(service, "/v1/reports", report()):
            for connection in slow:
                connection.send(bytes([byte]))
            time.sleep(0.01)
        assert [answer_on(connection).status for connection in slow] == [200] * len(slow)


def test_bodies_that_never_end(service: Service, sockets: ExitStack) -> None:
    with others_served(service):
        for_ever = [begin(service, post(service, "/v1/reports", report())) for _ in range(CLIENTS)]
        for connection, body in for_ever:
            sockets.enter_context(connection).sendall(body[:-1])
        for connection, _ in for_ever:
            answer = answer_on(connection)
            assert (answer.status, answer.error["code"]) == (408, "body_too_slow")
            assert (answer.headers["Connection"], connection.recv(1)) == ("close", b"")


def test_a_body_that_grows_for_ever(service: Service, sockets: ExitStack) -> None:
    head = post(service, "/v1/reports", None).split(b"\r\n\r\n", 1)[0]
    with others_served(service):
        connection = sockets.enter_context(connect(service))
        connection.sendall(head.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"\r\n\r\n")
        for _ in range(17):
            connection.sendall(b"10000\r\n" + b" " * 2**16 + b"\r\n")
        answer = answer_on(connection)
        assert (answer.status, answer.error["code"]) == (413, "body_too_large")


def test_clients_that_read_nothing(service: Service, sockets: ExitStack) -> None:
    def counted() -> str:
        lines = ask(service, get(service, "/metrics")).body.decode().splitlines()
        return "".join(line for line in lines if 'count{method="GET",route="none",status="200"}' in line)

    def stuck() -> bool:
        before = counted()
        time.sleep(1)
        return before == counted() != ""

    with others_served(service):
        for _ in range(CLIENTS):
            deaf = sockets.enter_context(connect(service, receive_buffer=4096))
            deaf.sendall(get(service, "/openapi.json") * 100)
        until(stuck)
        assert int(counted().split()[-1].split(".")[0]) < CLIENTS * 100


def test_half_open_connections(service: Service, sockets: ExitStack) -> None:
    with others_served(service):
        for _ in range(200):
            sockets.enter_context(connect(service)).sendall(b"POST /v1/reports HTTP/1.1\r\nHost: local")
        time.sleep(2)


@pytest.mark.parametrize("fields", [b"X-A: " + b"a" * 2**20, b"\r\n".join([b"X-A: a"] * 2**17)], ids=["one", "many"])
def test_a_huge_head(service: Service, sockets: ExitStack, fields: bytes) -> None:
    """Refused before it is whole, so that a client which sends on may be cut off instead of answered."""
    with others_served(service):
        connection = sockets.enter_context(connect(service))
        try:
            connection.sendall(get(service, "/v1/decisions")[:-2] + fields + b"\r\n\r\n")
            answer = answer_on(connection)
        except ConnectionError:
            return
        assert (answer.status, answer.body) == (400, b"The head of the request is larger than 65536 bytes.")


@pytest.mark.parametrize(
    "line",
    [
        b"NONSENSE",
        b"GET nowhere HTTP/1.1",
        b"GET / HTTP/9.9",
        b"GET / HTTP/1.1\r\nno colon",
        b"POST / HTTP/1.1\r\nContent-Length: -1",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nmany",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
    ],
)
def test_broken_http(service: Service, sockets: ExitStack, line: bytes) -> None:
    with others_served(service):
        connection = sockets.enter_context(connect(service))
        connection.sendall(line + b"\r\n\r\n")
        answer = answer_on(connection)
        assert (answer.status, answer.body) == (400, b"Invalid HTTP request received.")
        assert (answer.headers["Connection"], connection.recv(1)) == ("close", b"")


def test_more_load_than_it_can_take(keyword_bundle: Path, database_url: str) -> None:
    made = Service(
        bundle=keyword_bundle,
        workers=2,
        max_wait_seconds=0.2,
        max_in_flight=32,
        remembered_texts=0,
        database_url=database_url,
    )
    with closing(made) as service:
        reports = [report(f"{number} {TEXT} " * 150) for number in range(800)]
        requests = [post(service, "/v1/reports", each) for each in reports]
        able = closed_loop(service.port, requests[:100], 4)
        rate = 4 * able.statuses[200] / able.wall
        outcome = open_loop(service.port, requests[100:], [number / rate for number in range(700)])
        assert set(outcome.statuses) == {200, 429}
        for number, raw in outcome.answers.items():
            answer, name = parsed(raw), reports[100 + number]["report_id"]
            kept = ask(service, get(service, f"/v1/reports/{name}"))
            if answer.status == 200:
                assert json.loads(answer.body)["report_id"] == name
                assert (kept.status, json.loads(kept.body)["report_id"]) == (200, name)
            else:
                assert answer.error["code"] == "overloaded"
                assert int(answer.headers["Retry-After"]) >= 1
                assert (kept.status, kept.error["code"]) == (404, "not_found")


def listens(process: psutil.Process) -> bool:
    return any(each.status == psutil.CONN_LISTEN for each in process.net_connections("tcp"))


def test_a_stop_lets_requests_finish(keyword_bundle: Path, database_url: str) -> None:
    with closing(Service(bundle=keyword_bundle, workers=2, database_url=database_url)) as service:
        single = [report() for _ in range(20)]
        batch = [report(f"{number} {TEXT} " * 500) for number in range(100)]
        begun = [begin(service, post(service, "/v1/reports", each)) for each in single]
        with connect(service) as bulk:
            bulk.sendall(post(service, "/v1/reports/batch", {"reports": batch}))
            until(lambda: b"\nfrontline_reports_waiting 0.0" not in ask(service, get(service, "/metrics")).body)
            workers = [worker for worker in service.workers() if listens(worker)]
            assert len(workers) == 2
            service.server.terminate()
            until(lambda: not any(worker.is_running() and listens(worker) for worker in workers))
            for connection, body in begun:
                connection.sendall(body)
            for connection, _ in begun:
                assert answer_on(connection).status == 200
                connection.close()
            answer = answer_on(bulk)
        assert service.server.wait(PATIENCE) == 0
        assert [result["report_id"] for result in json.loads(answer.body)["results"]] == [r["report_id"] for r in batch]
        with closing(Store(service.settings.store_url)) as store:
            for each in single + batch:
                assert read_report(store, each["report_id"]).report_id == each["report_id"]


def test_a_stop_does_not_wait_for_ever(keyword_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for a client that reads nothing nor for one that sends nothing."""
    monkeypatch.setattr(up, "DRAIN_SECONDS", 5)
    with closing(Service(bundle=keyword_bundle)) as service, connect(service, receive_buffer=4096) as deaf:
        deaf.sendall(get(service, "/openapi.json") * 100)
        silent, _ = begin(service, post(service, "/v1/reports", report()))
        with silent:
            service.server.terminate()
            assert service.server.wait(PATIENCE) == 0


def told(log: Path, event: str) -> int:
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines() if line.startswith("{")]
    return sum(line["event"] == event for line in lines)


def test_another_bundle_takes_over(keyword_bundle: Path, make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    """What `frontline promote` does to a home, first with a sound bundle, then with one that is damaged there."""
    log, (item, _), sayings = tmp_path / "log", parse_report(report()), []
    second, third = make_bundle("2", slope=0.5), make_bundle("3")
    for path in (keyword_bundle, second):
        bundle = load_bundle(path)
        probability = Scorer(bundle).score(item, received_at=datetime.now(UTC)).violation.probability
        sayings.append(frozenset({(bundle.digest, probability)}))
    with closing(Service(log, bundle=keyword_bundle, workers=2, max_wait_seconds=PATIENCE)) as service:
        home = service.settings.home

        def batch() -> frozenset[tuple[str, float]]:
            """The bundles that one answer names, each with what it says of the one text."""
            answer = ask(service, post(service, "/v1/reports/batch", {"reports": [report() for _ in range(8)]}))
            assert answer.status == 200
            results = json.loads(answer.body)["results"]
            return frozenset((each["model"]["bundle"], each["violation"]["probability"]) for each in results)

        with meanwhile(batch, threads=4) as found:
            set_champion(home, install(second, home))
            until(lambda: told(log, "bundle_loaded") == 4)  # two workers, at the start and now
        assert set(found) == set(sayings)
        with meanwhile(batch, threads=4) as found:
            digest = install(third, home)
            (home / "bundles" / digest.removeprefix("sha256:") / "heads.onnx").write_bytes(b"damaged")
            set_champion(home, digest)
            until(lambda: told(log, "bundle_refused") == 2)
        assert set(found) == {sayings[1]}
