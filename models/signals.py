"""What texts say, each read once: known ones are remembered, and those who ask at the same time share one run."""

import hashlib
from collections import OrderedDict
from concurrent.futures import Future
from threading import Lock

from models.observer import SILENT, Observer, Stopwatch
from models.runtime import Heads, Signal, TextModel, read_text


class Signals:
    """Reads prepared texts with one bundle; safe to share between threads.

    Mass-reported content has one text. Kept is only what the text alone says, under the hash of the prepared text and
    for this bundle: neither the text nor anything of a report. Of more than `capacity` texts the one not asked for
    longest goes; 0 keeps and shares nothing.
    """

    def __init__(self, model: TextModel, heads: Heads, capacity: int = 0, observer: Observer = SILENT) -> None:
        self._model = model
        self._heads = heads
        self._capacity = capacity
        self._observer = observer
        self._known: OrderedDict[bytes, Signal] = OrderedDict()
        self._running: dict[bytes, Future[Signal]] = {}
        self._lock = Lock()

    def read(self, text: str, watch: Stopwatch) -> Signal:
        """The signal of a prepared text."""
        if not self._capacity:
            return read_text(self._model, self._heads, text, watch)
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass")).digest()
        with self._lock:
            if known := self._known.get(key):
                self._known.move_to_end(key)
            elif (running := self._running.get(key)) is None:
                mine = self._running[key] = Future()
        if known:
            self._observer.cache("hit")
            return known
        if running:
            self._observer.cache("joined")
            signal = running.result()
            watch.lap("run")
            return signal
        self._observer.cache("miss")
        return self._run(key, mine, text, watch)

    def _run(self, key: bytes, mine: Future[Signal], text: str, watch: Stopwatch) -> Signal:
        try:
            signal = read_text(self._model, self._heads, text, watch)
        except BaseException as error:
            with self._lock:
                del self._running[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._running[key]
            self._known[key] = signal
            full = len(self._known) > self._capacity
            if full:
                self._known.popitem(last=False)
        mine.set_result(signal)
        if full:
            self._observer.cache("eviction")
        return signal
