"""Reports are scored in turn, refused when they would wait too long, and dropped when nobody waits for them."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from threading import Event
from typing import Any

import pytest

from serving.errors import NotReady, Overloaded, ScoringFailed
from serving.executor import FairExecutor

Make = Callable[..., FairExecutor]


@pytest.fixture
def waiting() -> list[int]:
    return [0]


@pytest.fixture
def make(waiting: list[int]) -> Iterator[Make]:
    made: list[FairExecutor] = []

    def build(threads: int = 1, max_wait: float = 60) -> FairExecutor:
        made.append(FairExecutor(threads, max_wait, waiting.append))
        return made[-1]

    yield build
    for executor in made:
        executor.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


def test_results_come_in_order(make: Make, waiting: list[int]) -> None:
    executor = make(threads=3)

    async def several() -> list[list[int]]:
        return await asyncio.gather(
            *(executor.run([partial(pow, i, 2) for i in range(start, start + 40)]) for start in range(5))
        )

    assert asyncio.run(several()) == [[i**2 for i in range(start, start + 40)] for start in range(5)]
    assert asyncio.run(executor.run([])) == []
    assert waiting[-1] == 0


def test_a_single_report_does_not_wait_for_a_batch(make: Make) -> None:
    executor, go, order = make(), Event(), list[str]()

    async def mixed() -> None:
        batch = asyncio.ensure_future(executor.run([partial(go.wait, 30), *[partial(order.append, "batch")] * 20]))
        await asyncio.sleep(0)
        single = asyncio.ensure_future(executor.run([partial(order.append, "single")]))
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(batch, single)

    asyncio.run(mixed())
    assert order.index("single") <= 1


def test_single_reports_do_not_hold_up_a_batch(make: Make) -> None:
    executor, go, order = make(), Event(), list[str]()

    async def mixed() -> None:
        batch = asyncio.ensure_future(executor.run([partial(go.wait, 30), *[partial(order.append, "batch")] * 20]))
        await asyncio.sleep(0)
        singles = [asyncio.ensure_future(executor.run([partial(order.append, "single")])) for _ in range(100)]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(batch, *singles)

    asyncio.run(mixed())
    assert order[:40].count("batch") == 20


def test_too_long_a_wait_is_refused(make: Make) -> None:
    """By the first guess a task takes 0.01 seconds."""
    executor, go = make(max_wait=0.5), Event()

    async def crowded() -> None:
        bulk = asyncio.ensure_future(executor.run([partial(go.wait, 30)] * 301))
        await asyncio.sleep(0)
        executor.admit()  # a single one has to wait for one of the bulk alone
        with pytest.raises(Overloaded) as refused:
            executor.admit(250)
        assert refused.value.retry_after == 2  # 2.5 seconds of waiting, of which half a second is allowed
        with pytest.raises(Overloaded):
            await executor.run([dict] * 250)
        with pytest.raises(Overloaded):
            executor.admit(patience=0.001)
        singles = [asyncio.ensure_future(executor.run([dict])) for _ in range(60)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            executor.admit()
        assert sum(isinstance(each.exception(), Overloaded) for each in singles if each.done()) in (33, 34, 35)
        go.set()
        await asyncio.gather(bulk, *singles, return_exceptions=True)
        executor.admit(1000)

    asyncio.run(crowded())


def test_slow_tasks_make_it_more_careful(make: Make) -> None:
    executor, go = make(max_wait=1), Event()

    async def slow_then_full() -> None:
        await executor.run([partial(time.sleep, 0.05)] * 40)
        waiting = [asyncio.ensure_future(executor.run([partial(go.wait, 30)])) for _ in range(60)]
        await asyncio.sleep(0)
        go.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(isinstance(each, Overloaded) for each in found) > 10  # 60 of them take over one second

    asyncio.run(slow_then_full())


def test_work_for_those_who_left_is_dropped(make: Make, waiting: list[int]) -> None:
    executor, go, done = make(), Event(), list[Any]()

    async def leaving() -> None:
        blocking = asyncio.ensure_future(executor.run([partial(go.wait, 30)]))
        await until(lambda: waiting[1:] == [1, 0])
        left = asyncio.ensure_future(executor.run([partial(done.append, i) for i in range(9)]))
        await asyncio.sleep(0)
        assert waiting[-1] == 9
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        assert waiting[-1] == 0
        go.set()
        await blocking
        await executor.run([partial(done.append, "last")])

    asyncio.run(leaving())
    assert done == ["last"]


def test_what_a_task_raises_reaches_its_request_alone(make: Make) -> None:
    executor = make()

    async def both() -> list[Any]:
        return await asyncio.gather(
            executor.run([partial(int, "1"), partial(int, "x")]), executor.run([dict]), return_exceptions=True
        )

    failed, fine = asyncio.run(both())
    assert isinstance(failed, ValueError)
    assert fine == [{}]


def test_nothing_is_done_for_a_request_that_has_failed(make: Make, waiting: list[int]) -> None:
    executor, done = make(), list[int]()
    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(executor.run([partial(int, "x"), *(partial(done.append, i) for i in range(9))]))
    assert done == []
    assert waiting[-1] == 0
    assert asyncio.run(executor.run([dict])) == [{}]


def test_a_panic_does_not_end_the_thread(make: Make) -> None:
    class Panic(BaseException):
        pass

    def panic() -> None:
        raise Panic

    executor = make()
    with pytest.raises(ScoringFailed):
        asyncio.run(executor.run([panic, dict]))
    assert asyncio.run(executor.run([dict])) == [{}]


def test_tasks_log_as_their_request(make: Make) -> None:
    name = ContextVar("name", default="")

    async def named(value: str) -> list[Any]:
        name.set(value)
        return await executor.run([name.get] * 3)

    async def both() -> list[list[Any]]:
        return await asyncio.gather(asyncio.create_task(named("a")), asyncio.create_task(named("b")))

    executor = make(threads=2)
    assert asyncio.run(both()) == [["a"] * 3, ["b"] * 3]


def test_what_waits_is_finished_at_the_end() -> None:
    executor, done = FairExecutor(2, 60, lambda _: None), list[int]()

    async def last() -> None:
        running = asyncio.ensure_future(executor.run([partial(done.append, i) for i in range(50)]))
        await asyncio.sleep(0)
        await asyncio.to_thread(executor.stop)
        await running

    asyncio.run(last())
    assert sorted(done) == list(range(50))
    with pytest.raises(NotReady):
        asyncio.run(executor.run([dict]))
