"""Scoring in turn: of all requests one report each, again and again, on as few threads as run at full speed.

A bulk request then does not hold up a single one, and what would wait too long is refused at once rather than late.
"""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from serving.errors import Overloaded

Task = Callable[[], Any]
FIRST_GUESS = 0.01  # seconds of one task, before any was timed
MEMORY = 0.98  # weight of the past in the mean duration


class _Job:
    """The tasks of one request, and what came of them so far."""

    __slots__ = ("begun", "done", "error", "future", "loop", "results", "tasks")

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        self.results: list[Any] = [None] * len(tasks)
        self.error: Exception | None = None
        self.begun = self.done = 0
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[list[Any]] = self.loop.create_future()

    def finish(self) -> None:
        """Hand the results over; runs on the loop's thread."""
        if self.future.done():
            return  # whoever asked has left
        if self.error:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.results)


class FairExecutor:
    """Runs tasks on its own threads; refuses more once a new one would wait for over `max_wait` seconds.

    `tell` hears how many wait, whenever that changes.
    """

    def __init__(self, threads: int, max_wait: float, tell: Callable[[int], None]) -> None:
        self._max_wait = max_wait
        self._tell = tell
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._waiting = 0
        self._seconds = FIRST_GUESS
        self._stopping = False
        self._threads = [threading.Thread(target=self._serve, name=f"scoring-{i}", daemon=True) for i in range(threads)]
        for thread in self._threads:
            thread.start()

    def admit(self) -> None:
        """Raise Overloaded, saying when to come again, where a new task would wait too long."""
        wait = self._waiting * self._seconds / len(self._threads)
        if wait > self._max_wait:
            raise Overloaded(f"{wait:.1f} seconds of work wait already; try again later", retry_after=math.ceil(wait))

    async def run(self, tasks: Sequence[Task]) -> list[Any]:
        """The results of all tasks, in order; cancelled, those that wait are dropped. Raises what a task raised."""
        if not tasks:
            return []
        job = _Job(tasks)
        with self._changed:
            self._jobs.append(job)
            self._wait(len(tasks))
            self._changed.notify(len(tasks))
        try:
            return await job.future
        finally:
            self._drop(job)

    def stop(self) -> None:
        """Finish what waits, then end the threads."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _drop(self, job: _Job) -> None:
        with self._changed:
            left = len(job.tasks) - job.begun
            if left:
                self._jobs.remove(job)
                self._wait(-left)

    def _wait(self, more: int) -> None:
        self._waiting += more
        self._tell(self._waiting)

    def _serve(self) -> None:
        while turn := self._next():
            job, index = turn
            started = time.monotonic()
            try:
                job.results[index] = job.tasks[index]()
            except Exception as error:
                job.error = error
            self._end(job, time.monotonic() - started)

    def _next(self) -> tuple[_Job, int] | None:
        with self._changed:
            while not self._jobs:
                if self._stopping:
                    return None
                self._changed.wait()
            job = self._jobs.popleft()
            index = job.begun
            job.begun += 1
            self._wait(-1)
            if job.begun < len(job.tasks):
                self._jobs.append(job)
            return job, index

    def _end(self, job: _Job, seconds: float) -> None:
        with self._changed:
            self._seconds = MEMORY * self._seconds + (1 - MEMORY) * seconds
            job.done += 1
            finished = job.done == len(job.tasks)
        if finished and not job.loop.is_closed():
            job.loop.call_soon_threadsafe(job.finish)
