"""What a scorer tells whoever watches it: where the time went, and whether it knew a text; never its words."""

from time import perf_counter
from typing import Literal

Stage = Literal["parse", "prepare", "tokenise", "run", "fuse", "explain"]
STAGES: tuple[Stage, ...] = ("parse", "prepare", "tokenise", "run", "fuse", "explain")
CacheEvent = Literal["hit", "joined", "miss", "eviction"]


class Observer:
    """Hears everything and does nothing; a service's own does more. Called from every thread that scores."""

    def stage(self, stage: Stage, seconds: float) -> None:
        """A stage of one score took this long."""

    def cache(self, event: CacheEvent) -> None:
        """A text was known, was being read already, was read, or made room for another."""


SILENT = Observer()


class Stopwatch:
    """Laps of one score, each told to an observer."""

    __slots__ = ("_last", "_observer")

    def __init__(self, observer: Observer = SILENT) -> None:
        self._observer = observer
        self._last = perf_counter()

    def lap(self, stage: Stage) -> None:
        """This stage ends now; it began where the one before ended."""
        now = perf_counter()
        self._observer.stage(stage, now - self._last)
        self._last = now
