"""Reports are scored in turn, refused when they would wait too long, and dropped when nobody waits for them."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from threading import Event
from typing import Any

import pytest

from serving.errors import Overloaded
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


def test_too_long_a_wait_is_refused(make: Make) -> None:
    executor, go = make(max_wait=0.5), Event()

    async def crowded() -> None:
        running = asyncio.ensure_future(executor.run([partial(go.wait, 30)] * 101))  # 0.01 s each, by the first guess
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            executor.admit()
        assert refused.value.retry_after in (1, 2)  # 100 or 101 wait
        go.set()
        await running
        executor.admit()

    asyncio.run(crowded())


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


def test_what_waits_is_finished_at_the_end() -> None:
    executor, done = FairExecutor(2, 60, lambda _: None), list[int]()

    async def last() -> None:
        running = asyncio.ensure_future(executor.run([partial(done.append, i) for i in range(50)]))
        await asyncio.sleep(0)
        await asyncio.to_thread(executor.stop)
        await running

    asyncio.run(last())
    assert sorted(done) == list(range(50))
