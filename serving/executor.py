"""Scoring in turn: of all requests one report each, again and again, on as few threads as run at full speed.

A bulk request then does not hold up a single one, nor many single ones a bulk request that has begun; and what would
wait too long is refused at once rather than late.
"""

import asyncio
import contextlib
import contextvars
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from serving.errors import NotReady, Overloaded, ScoringFailed

Task = Callable[[], Any]
FIRST_GUESS = 0.01  # seconds of one task, before any was timed
MEMORY = 0.98  # weight of the past in the mean duration


class _Job:
    """The tasks of one request, and what came of them so far."""

    __slots__ = ("begun", "context", "done", "error", "future", "loop", "results", "tasks")

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        self.results: list[Any] = [None] * len(tasks)
        self.error: Exception | None = None
        self.begun = self.done = 0
        self.context = contextvars.copy_context()  # the log names the request also on the thread
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[list[Any]] = self.loop.create_future()

    @property
    def left(self) -> int:
        """Tasks that no thread has begun."""
        return len(self.tasks) - self.begun

    def work(self, index: int) -> None:
        """Run one task."""
        try:
            self.results[index] = self.context.copy().run(self.tasks[index])
        except Exception as error:
            self.error = error
        except BaseException:  # a panic of native code is no Exception, and must not end the thread
            self.error = ScoringFailed("a report of this request could not be scored")

    def finish(self) -> None:
        """Hand the results over; runs on the loop's thread."""
        if self.future.done():
            return  # whoever asked has left
        if self.error:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.results)


class FairExecutor:
    """Runs tasks on its own threads; refuses those of which the last would wait for over `max_wait` seconds for others.

    `tell` hears how many wait, whenever that changes.
    """

    def __init__(self, threads: int, max_wait: float, tell: Callable[[int], None]) -> None:
        self._max_wait = max_wait
        self._tell = tell
        # Requests that wait for their first task, and for their next; where both do, the two lines alternate.
        self._new: deque[_Job] = deque()
        self._begun: deque[_Job] = deque()
        self._was_new = False
        self._changed = threading.Condition()
        self._waiting = 0
        self._seconds = FIRST_GUESS
        self._stopping = False
        self._threads = [threading.Thread(target=self._serve, name=f"scoring-{i}", daemon=True) for i in range(threads)]
        for thread in self._threads:
            thread.start()

    def admit(self, tasks: int = 1, patience: float = math.inf) -> None:
        """Raise Overloaded, saying when to come again, where tasks would wait too long, or longer than `patience`."""
        with self._changed:
            ahead = self._ahead(tasks)
        wait, allowed = ahead * self._seconds / len(self._threads), min(self._max_wait, patience)
        if wait > allowed:
            message = f"the wait would be {wait:.1f} seconds; try again later"
            raise Overloaded(message, retry_after=max(1, math.ceil(wait - allowed)))

    @property
    def is_busy(self) -> bool:
        """Whether tasks wait for a thread."""
        return self._waiting > 0

    async def run(self, tasks: Sequence[Task], patience: float = math.inf) -> list[Any]:
        """The results of all tasks, in order; cancelled, those that wait are dropped.

        Raises Overloaded as `admit` does, NotReady after the end, and what a task raised.
        """
        if not tasks:
            return []
        job = _Job(tasks)
        with self._changed:
            if self._stopping:
                raise NotReady("the service is stopping")
            self.admit(len(tasks), patience)
            self._new.append(job)
            self._count(len(tasks))
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

    def _ahead(self, tasks: int) -> int:
        """Tasks of others that come before the last of so many."""
        if tasks == 1:
            new = len(self._new)
            return new + min(new, self._waiting - new)
        return sum(min(job.left, tasks) for job in (*self._new, *self._begun))

    def _drop(self, job: _Job) -> None:
        with self._changed:
            if job.left:
                (self._begun if job.begun else self._new).remove(job)
                self._count(-job.left)
                job.tasks = job.tasks[: job.begun]

    def _count(self, more: int) -> None:
        self._waiting += more
        self._tell(self._waiting)

    def _serve(self) -> None:
        while turn := self._next():
            job, index = turn
            started = time.monotonic()
            job.work(index)
            self._end(job, time.monotonic() - started)

    def _next(self) -> tuple[_Job, int] | None:
        with self._changed:
            while not self._new and not self._begun:
                if self._stopping:
                    return None
                self._changed.wait()
            self._was_new = bool(self._new) and not (self._begun and self._was_new)
            job = (self._new if self._was_new else self._begun).popleft()
            index = job.begun
            job.begun += 1
            if job.left:
                self._begun.append(job)
            self._count(-1)
            return job, index

    def _end(self, job: _Job, seconds: float) -> None:
        with self._changed:
            self._seconds = MEMORY * self._seconds + (1 - MEMORY) * seconds
            job.done += 1
            if job.error:  # it is all that its request hears of
                self._drop(job)
            finished = job.done == len(job.tasks)
        if finished:
            with contextlib.suppress(RuntimeError):  # the loop may have closed, and nobody waits
                job.loop.call_soon_threadsafe(job.finish)
