"""A text is read once: remembered afterwards, shared meanwhile, and nothing of the report comes with it."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier, Event, Lock
from typing import cast

import numpy as np
import pytest

from models import Report, Scorer
from models.bundle import Bundle
from models.observer import STAGES, CacheEvent, Observer, Stage, Stopwatch
from models.runtime import Floats, Heads, TextModel
from models.signals import Signals


class Counting(Observer):
    """Counts what it hears."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.events: Counter[CacheEvent] = Counter()
        self.seconds: Counter[Stage] = Counter()

    def stage(self, stage: Stage, seconds: float) -> None:
        self.seconds[stage] += seconds  # type: ignore[assignment]

    def cache(self, event: CacheEvent) -> None:
        with self._lock:
            self.events[event] += 1

    def until(self, event: CacheEvent, number: int) -> None:
        deadline = time.monotonic() + 30
        while self.events[event] < number:
            assert time.monotonic() < deadline
            time.sleep(0.001)


class Slow:
    """A text model whose embedding is the text's length, once `go` is set; "bad" texts break it."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.go = Event()
        self.go.set()

    def embed(self, text: str, _watch: Stopwatch | None = None) -> tuple[Floats, bool]:
        self.runs.append(text)
        assert self.go.wait(30)
        if text == "bad":
            raise ValueError(text)
        return np.full((1, 1), len(text), np.float32), False

    def run(self, embeddings: Floats) -> tuple[Floats, Floats]:
        return embeddings, embeddings[:, 0]


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def heard() -> Counting:
    return Counting()


def signals(slow: Slow, capacity: int, observer: Observer) -> Callable[[str], float]:
    made = Signals(cast(TextModel, slow), cast(Heads, slow), capacity, observer)
    return lambda text: made.read(text, Stopwatch()).distance


def test_a_known_text_is_not_read_again(slow: Slow, heard: Counting) -> None:
    read = signals(slow, 2, heard)
    assert [read(text) for text in ("a", "bb", "a", "ccc", "a", "bb")] == [1, 2, 1, 3, 1, 2]
    assert slow.runs == ["a", "bb", "ccc", "bb"]  # "a" was asked for lately, so "bb" went
    assert heard.events == {"miss": 4, "hit": 2, "eviction": 2}


def test_without_room_every_text_is_read(slow: Slow, heard: Counting) -> None:
    read = signals(slow, 0, heard)
    assert [read("a"), read("a")] == [1, 1]
    assert slow.runs == ["a", "a"]
    assert not heard.events


def test_those_who_ask_at_once_share_a_run(slow: Slow, heard: Counting) -> None:
    read, together = signals(slow, 8, heard), Barrier(8)
    slow.go.clear()

    def ask() -> float:
        together.wait(30)
        return read("same")

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask) for _ in range(8)]
        heard.until("joined", 7)
        slow.go.set()
        assert [each.result(30) for each in asked] == [4] * 8
    assert slow.runs == ["same"]


def test_an_error_reaches_everyone_and_is_not_remembered(slow: Slow, heard: Counting) -> None:
    read = signals(slow, 8, heard)
    slow.go.clear()
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(read, "bad") for _ in range(2)]
        heard.until("joined", 1)
        slow.go.set()
        for each in asked:
            with pytest.raises(ValueError, match="bad"):
                each.result(30)
    with pytest.raises(ValueError, match="bad"):
        read("bad")
    assert slow.runs == ["bad", "bad"]


def test_metadata_and_reasons_never_come_with_the_text(
    loaded: Bundle, make_report: Callable[..., Report], now: datetime
) -> None:
    """One text with different metadata, by one scorer that remembers and one that does not."""
    heard = Counting()
    remembering, fresh = Scorer(loaded, remembered=10, observer=heard), Scorer(loaded)
    text = "Replica watches, message me for prices."
    reports = [
        make_report(text),
        make_report(text, subject={"prior_violations": 9}, reason="harassment"),
        make_report(text, reason="csam"),
        make_report(text.upper().replace("A", "\u0410")),  # other spelling, same prepared text but for its case
        make_report(text, content={"language": "de"}),
        make_report(text),
    ]
    for report in reports:
        found = remembering.score(report, received_at=now, explain=True)
        assert found == fresh.score(report, received_at=now, explain=True)
    assert heard.events == {"miss": 2, "hit": 3}
    assert heard.seconds.keys() == set(STAGES) - {"parse"}
