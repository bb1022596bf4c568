"""What runs without HTTP: the raw limit (tokeniser and onnxruntime alone) and the scorer, on two processes.

One text a run and one thread a process, as parallel processes are the fastest way to use two cores.
"""

import multiprocessing as mp
import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Literal

from models import Scorer, load_bundle
from models.prepare import prepare
from models.report import parse_report

Kind = Literal["raw", "scorer"]
PROCESSES = 2


def _reader(kind: Kind, bundle: Path, texts: list[str]) -> Callable[[int], object]:
    loaded = load_bundle(bundle)
    if kind == "raw":
        model = loaded.text_model
        prepared = [prepare(text, loaded.manifest.prepare).text for text in texts]
        return lambda i: model.embed(prepared[i])
    scorer, now = Scorer(loaded), datetime.now(UTC)
    items = [{"report_id": str(i), "content": {"text": text}} for i, text in enumerate(texts)]
    return lambda i: scorer.score(parse_report(items[i])[0], received_at=now)


def _work(kind: Kind, bundle: Path, texts: list[str], taken: "Synchronized[int]", pipe: Connection) -> None:
    read = _reader(kind, bundle, texts)
    read(0)
    pipe.send(True)
    while pipe.recv():
        while True:
            with taken.get_lock():
                i = taken.value
                taken.value += 1
            if i >= len(texts):
                break
            read(i)
        pipe.send(True)


class Local:
    """Processes that wait for a round, and read all texts once in it."""

    def __init__(self, kind: Kind, bundle: Path, texts: list[str]) -> None:
        context = mp.get_context("spawn")
        self._texts = len(texts)
        self._taken = context.Value("q", 0)
        self._pipes, self._processes = [], []
        for _ in range(PROCESSES):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(kind, bundle, texts, self._taken, theirs), daemon=True)
            process.start()
            ours.recv()
            self._pipes.append(ours)
            self._processes.append(process)

    def round(self) -> dict[str, float]:
        """Texts a second of one round."""
        self._taken.value = 0
        started = time.perf_counter()
        for pipe in self._pipes:
            pipe.send(True)
        for pipe in self._pipes:
            pipe.recv()
        return {"texts_per_second": self._texts / (time.perf_counter() - started)}

    def close(self) -> None:
        """End the processes."""
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            pipe.send(False)
            process.join()
