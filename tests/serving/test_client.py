"""The Python client: what it sends, what it makes of the answers, and how it bears a service that does not answer."""

import asyncio
import copy
import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, is_typeddict

import httpx
import pytest
from pydantic import BaseModel

from frontline_client import ApiError, AsyncFrontline, Frontline, Retries, types
from models import Report, Score
from serving import schemas
from serving.errors import Overloaded
from serving.queue.intake import count_reports
from serving.runtime import Runtime

Make = Callable[..., Any]
Handler = Callable[[httpx.Request], httpx.Response]
MANY = 300


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that clients would have waited; they do not."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("frontline_client.client.time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setattr("frontline_client.client.asyncio", SimpleNamespace(sleep=sleep))
    return waited


@pytest.fixture
def client(address: str, tokens: SimpleNamespace) -> Iterator[Frontline]:
    """A client of the running service."""
    with Frontline(address, tokens.intake) as client:
        yield client


def scripted(*outcomes: httpx.Response | httpx.RequestError) -> tuple[Handler, list[httpx.Request]]:
    """What answers each request with the next of these outcomes; and the requests it got."""
    left, asked = list(outcomes), list[httpx.Request]()

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return handle, asked


def facing(handler: Handler, **options: Any) -> Frontline:
    return Frontline("http://frontline", "fl_x", transport=httpx.MockTransport(handler), **options)


def refusal(status: int, code: str, **headers: str) -> httpx.Response:
    detail = {"code": code, "message": "no", "field": "content.text", "request_id": "q-1"}
    return httpx.Response(status, json={"error": detail}, headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_scores_and_reports(client: Frontline, runtime: Runtime, report: Make) -> None:
    given = report("r-1", "We will ambush you", reason="threat")
    score = client.score(given)
    assert score["report_id"] == "r-1"
    assert score["hints"] is None
    assert count_reports(runtime.store) == 0
    explained = client.score(given, explain=True)["hints"]
    assert explained and explained["spans"][0]["category"] == "violence_threat"
    first = client.report(given)
    assert client.report(given) == first
    assert first["violation"] == score["violation"]
    assert count_reports(runtime.store) == 1


def test_what_the_service_refuses_is_one_error(client: Frontline, address: str, report: Make) -> None:
    client.report(report("r-1", "hello"))
    with pytest.raises(ApiError) as conflict:
        client.report(report("r-1", "something else"))
    error = conflict.value
    assert (error.status, error.code, error.field) == (409, "report_conflict", "report_id")
    assert error.request_id
    assert str(error) == f"report_conflict: {error.message}"
    with pytest.raises(ApiError) as bad:
        client.score(report("r-2", 7))
    assert (bad.value.status, bad.value.field) == (422, "content.text")
    with Frontline(address, "fl_unknown") as stranger, pytest.raises(ApiError) as unknown:
        stranger.score(report("r-3", "hello"))
    assert (unknown.value.status, unknown.value.code) == (401, "unauthenticated")


def test_many_keep_their_order_and_fail_alone(address: str, tokens: SimpleNamespace, report: Make) -> None:
    sizes: list[int] = []

    class Counting(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            sizes.append(len(json.loads(request.content)["reports"]))
            return super().handle_request(request)

    given = [report(f"r-{i}", 7 if i == 40 else "hello") for i in range(MANY)]
    with Frontline(address, tokens.intake, transport=Counting()) as client:
        results = client.score_many(one for one in given)
        assert sizes == [256, MANY - 256]
        (failed,) = (result for result in results if isinstance(result, ApiError))
        assert results.index(failed) == 40
        assert (failed.status, failed.code, failed.field) == (None, "invalid_report", "content.text")
        assert failed.request_id
        names = [result["report_id"] for result in results if not isinstance(result, ApiError)]
        assert names == [f"r-{i}" for i in range(MANY) if i != 40]
        assert client.score_many([]) == client.report_many(iter(())) == []
        sizes.clear()
        explained = client.score_many(given[:40], explain=True)
        assert sizes == [32, 8]
        assert all(not isinstance(result, ApiError) and result["hints"] is not None for result in explained)


def test_what_cannot_go_at_once_goes_in_parts(client: Frontline, runtime: Runtime, report: Make) -> None:
    given = [report(f"r-{i}", "hello", note="x" * 99_000) for i in range(100)]  # more than the largest body in all
    given[10] = report("r-10", "\ud800")
    results = client.report_many(given)
    failed = results[10]
    assert isinstance(failed, ApiError) and failed.code == "invalid_json"
    assert [result["report_id"] for result in results if not isinstance(result, ApiError)] == [
        f"r-{i}" for i in range(100) if i != 10
    ]
    assert count_reports(runtime.store) == 99


def test_a_lost_answer_does_not_make_a_second_report(
    address: str, tokens: SimpleNamespace, runtime: Runtime, report: Make, waits: list[float]
) -> None:
    class Losing(httpx.HTTPTransport):
        lost = False

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            if not self.lost:
                self.lost = True
                raise httpx.ReadError("the connection is gone")
            return response

    with Frontline(address, tokens.intake, transport=Losing()) as client:
        assert client.report(report("r-1", "hello"))["report_id"] == "r-1"
        assert [type(result) for result in client.report_many([report("r-1", "hello")])] == [dict]
    assert count_reports(runtime.store) == 1
    assert len(waits) == 1


def test_an_overloaded_service_is_left_alone_as_long_as_it_says(
    client: Frontline, runtime: Runtime, report: Make, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    admit, refusals = runtime.executor.admit, [3, 9]

    def sometimes(*given: Any) -> None:
        if refusals:
            raise Overloaded("too much", retry_after=refusals.pop(0))
        admit(*given)

    monkeypatch.setattr(runtime.executor, "admit", sometimes)
    assert client.report(report("r-1", "hello"))["report_id"] == "r-1"
    assert 3 <= waits[0] <= 3.5
    assert 9 <= waits[1] <= 10


def test_a_service_without_a_bundle_is_waited_for(
    client: Frontline, runtime: Runtime, report: Make, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_scorer", None)
    with pytest.raises(ApiError) as absent:
        client.score(report("r-1", "hello"))
    assert (absent.value.status, absent.value.code, absent.value.retry_after) == (503, "not_ready", 1)
    assert len(waits) == Retries().times


def test_connections_that_are_dropped(report: Make, waits: list[float]) -> None:
    accepted = 0
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drop() -> None:
            nonlocal accepted
            for _ in range(3):
                server.accept()[0].close()
                accepted += 1

        dropping = threading.Thread(target=drop)
        dropping.start()
        with (
            Frontline(f"http://127.0.0.1:{server.getsockname()[1]}", "fl_x", retries=Retries(times=2)) as client,
            pytest.raises(ApiError) as gone,
        ):
            client.score(report("r-1", "hello"))
        dropping.join()
    assert (gone.value.code, gone.value.status, accepted) == ("no_answer", None, 3)
    assert isinstance(gone.value.__cause__, httpx.TransportError)
    assert len(waits) == 2


def fine() -> httpx.Response:
    return httpx.Response(200, json={"report_id": "r"})


@pytest.mark.parametrize(
    "failure",
    [
        refusal(408, "body_too_slow"),
        refusal(429, "overloaded"),
        refusal(503, "deadline_exceeded", retry_after="2"),
        httpx.Response(502, text="<html>"),
        httpx.Response(504),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        httpx.RemoteProtocolError("cut"),
    ],
)
def test_what_may_pass_is_tried_again(failure: Any, report: Make, waits: list[float]) -> None:
    handler, asked = scripted(failure, failure, fine())
    assert facing(handler).report(report("r", "hello"))["report_id"] == "r"
    assert [request.content for request in asked] == [asked[0].content] * 3
    told = 2 if isinstance(failure, httpx.Response) and failure.headers.get("retry-after") else 0
    assert all(told <= wait <= told + most for wait, most in zip(waits, (0.5, 1), strict=True))


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (refusal(500, "internal_error"), "internal_error"),
        (refusal(422, "invalid_report"), "invalid_report"),
        (refusal(429, "overloaded", retry_after="31"), "overloaded"),
        (httpx.Response(404, text="<html>"), "foreign_answer"),
        (httpx.Response(404, json={"error": "none"}), "foreign_answer"),
        (httpx.Response(404, json=[]), "foreign_answer"),
        (httpx.Response(302, headers={"Location": "http://elsewhere"}), "foreign_answer"),
        (httpx.Response(200, text="<html>"), "foreign_answer"),
        (httpx.Response(200, json={"status": "fine"}), "foreign_answer"),
        (httpx.Response(200, json=[]), "foreign_answer"),
        (httpx.UnsupportedProtocol("ftp"), "not_sent"),
    ],
)
def test_what_will_not_pass_fails_at_once(failure: Any, code: str, report: Make, waits: list[float]) -> None:
    handler, asked = scripted(failure)
    with pytest.raises(ApiError) as error:
        facing(handler).score(report("r", "hello"))
    assert error.value.code == code
    assert (len(asked), waits) == (1, [])


def test_a_batch_that_fails_takes_no_other_with_it(report: Make, waits: list[float]) -> None:
    given = [report(f"r-{i}", "hello") for i in range(600)]
    first = httpx.Response(200, json={"results": [{"report_id": f"r-{i}"} for i in range(256)]})
    handler, asked = scripted(first, refusal(401, "unauthenticated"))
    results = facing(handler).report_many(given)
    assert [type(result) for result in results] == [dict] * 256 + [ApiError] * 344
    assert len(asked) == 2
    handler, asked = scripted(httpx.Response(400, text="<html>"))  # of a proxy, who would say so of each half
    with pytest.raises(ApiError) as foreign:
        facing(handler).report_many(given)
    assert (foreign.value.code, len(asked), waits) == ("foreign_answer", 1, [])
    half = httpx.Response(200, json={"results": [{"report_id": "r"}] * 2})
    handler, asked = scripted(refusal(413, "body_too_large"), half, refusal(403, "forbidden"))
    assert [type(result) for result in facing(handler).score_many(given[:4])] == [dict] * 2 + [ApiError] * 2


def test_errors_can_be_copied_and_sent_between_processes() -> None:
    error = ApiError.of_response(refusal(429, "overloaded", retry_after="4"))
    for same in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(same), vars(same)) == ("overloaded: no", vars(error))


def test_waits_grow_to_a_limit() -> None:
    retries, error = Retries(times=50, first=1, longest=8), ApiError("overloaded", "no", status=429)
    for failures, most in ((1, 1), (2, 2), (3, 4), (4, 8), (50, 8)):
        drawn = [retries.wait(failures, error) for _ in range(200)]
        assert all(wait is not None and 0 <= wait <= most for wait in drawn)
        assert max(wait or 0 for wait in drawn) > 0.8 * most
    assert retries.wait(51, error) is None


def test_decisions_are_followed_page_by_page(waits: list[float]) -> None:
    pages = {0: ([1, 2], 2), 2: ([], 5), 5: ([7], 7), 7: ([], 7)}  # what was taken back leaves a gap

    def handle(request: httpx.Request) -> httpx.Response:
        seqs, following = pages[int(request.url.params["after"])]
        return httpx.Response(200, json={"decisions": [{"seq": seq} for seq in seqs], "next": following})

    client = facing(handle)
    assert [decision["seq"] for decision in client.decisions()] == [1, 2, 7]
    assert [decision["seq"] for decision in client.decisions(after=2)] == [7]
    assert list(client.decisions(after=7)) == []


def test_decisions_of_the_service(
    client: Frontline, desk_of: Callable[..., Any], team: SimpleNamespace, report: Make
) -> None:
    client.report_many([report(f"r-{i}", "We will ambush you") for i in range(3)])
    desk = desk_of()
    while held := desk.claim(team.reviewer):
        desk.decide(team.reviewer, held)
    found = list(client.decisions())
    assert len(found) == 3
    assert {decision["outcome"] for decision in found} == {"no_violation"}
    assert list(client.decisions(after=found[1]["seq"])) == found[2:]


def test_the_asynchronous_client_does_the_same(
    client: Frontline, address: str, tokens: SimpleNamespace, report: Make
) -> None:
    given = [report(f"r-{i}", 7 if i == 1 else "hello") for i in range(3)]

    async def run() -> tuple[Any, ...]:
        async with AsyncFrontline(address, tokens.intake) as other:
            scores = await asyncio.gather(*(other.score(one, explain=True) for one in given[::2]))
            many, kept = await other.score_many(given), await other.report_many(given)
            again = await other.report(given[0])
            return scores, many, kept, again, [decision async for decision in other.decisions()]

    scores, many, kept, again, decisions = asyncio.run(run())
    assert [score["report_id"] for score in scores] == ["r-0", "r-2"]
    assert [type(result) for result in many] == [type(result) for result in kept] == [dict, ApiError, dict]
    assert again == kept[0] == client.report(given[0])
    assert decisions == []


def test_the_asynchronous_client_tries_again_as_well(report: Make, waits: list[float]) -> None:
    handler, asked = scripted(httpx.ConnectError("refused"), refusal(429, "overloaded", retry_after="4"), fine())

    async def run() -> Any:
        transport = httpx.MockTransport(handler)
        async with AsyncFrontline("http://frontline", "fl_x", transport=transport) as client:
            return await client.score(report("r", "hello"))

    assert asyncio.run(run())["report_id"] == "r"
    assert len(asked) == 3
    assert waits[1] >= 4


def test_several_threads_may_share_a_client(client: Frontline, report: Make) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda i=i: found.append(client.score(report(f"r-{i}", "hello"))["report_id"]))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [f"r-{i}" for i in range(8)]


PAIRS = [
    (types.Report, Report),
    (types.Score, Score),
    (types.Decision, schemas.Decision),
    (types.Page, schemas.DecisionFeed),
]


def test_the_types_are_those_of_the_service() -> None:
    seen, left = set(), list[tuple[Any, type[BaseModel]]](PAIRS)
    while left:
        ours, theirs = left.pop()
        seen.add(ours)
        assert set(ours.__annotations__) == set(theirs.model_fields), ours
        needed = {name for name, field in theirs.model_fields.items() if field.is_required()}
        if theirs.__name__ in ("Turn", "Attachment") or theirs is Report:  # answers have every field
            assert ours.__required_keys__ == needed, ours
        for name, field in theirs.model_fields.items():
            left += _pairs(ours.__annotations__[name], field.annotation)
    assert seen == {kind for kind in vars(types).values() if is_typeddict(kind)}


def _pairs(ours: Any, theirs: Any) -> list[tuple[Any, type[BaseModel]]]:
    """The typed dictionaries and models that two annotations hold."""
    mine = [kind for kind in vars(types).values() if is_typeddict(kind) and kind.__name__ in _names(ours)]
    models = {kind.__name__: kind for kind in _models(theirs)}
    assert {kind.__name__ for kind in mine} == set(models)
    return [(kind, models[kind.__name__]) for kind in mine]


def _names(annotation: Any) -> set[str]:
    inner = getattr(annotation, "__args__", ())
    found = set().union(*(_names(one) for one in inner)) if inner else set()
    return found | ({annotation.__name__} if is_typeddict(annotation) else set())


def _models(annotation: Any) -> set[type[BaseModel]]:
    inner = getattr(annotation, "__args__", ())
    found = set().union(*(_models(one) for one in inner)) if inner else set()
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return found | ({annotation} if is_model else set())
