"""Peers as running processes: started for a round, warmed with all texts, measured, and stopped again.

Only one runs at a time, as some poll while they are idle.
"""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from benchmarks.client import request
from benchmarks.over_http import Http
from benchmarks.peers.environments import NotMeasured, environment
from benchmarks.rounds import Figures
from benchmarks.service import free_port

ROOT = Path(__file__).parents[2]
READY_SECONDS = 180
EXCEPTION = re.compile(r"[\w.]*Error\b")
FIRST = "Is anybody there?"  # a text of no run


@dataclass(frozen=True)
class Peer:
    """A module of this package, the environment that it runs in, and how both are named."""

    name: str
    title: str
    environment: str
    module: str

    @abstractmethod
    def measure(self, given: dict[str, str], texts: list[str]) -> dict[str, Figures]:
        """One round of each way to use it, by the way's name; `given` are environment variables.

        Raises NotMeasured where the peer cannot be installed, started or used.
        """


@dataclass(frozen=True)
class Process(Peer):
    """A peer in process: `sizes` are how many texts a call reads."""

    sizes: tuple[int, ...]

    def measure(self, given: dict[str, str], texts: list[str]) -> dict[str, Figures]:
        """See Peer."""
        with _started(self, given, self._wait, subprocess.PIPE) as process:
            _ask(process, texts)
            return {f"{size} a call": self._round(process, size, len(texts)) for size in self.sizes}

    @staticmethod
    def _wait(process: subprocess.Popen[str]) -> None:
        _ask(process, [FIRST])
        _ask(process, 1)

    @staticmethod
    def _round(process: subprocess.Popen[str], size: int, number: int) -> Figures:
        _ask(process, size)
        started = time.perf_counter()
        _ask(process, size)
        return {"texts_per_second": number / (time.perf_counter() - started)}


@dataclass(frozen=True)
class Server(Peer):
    """A peer behind HTTP: `body` makes the JSON of a request, `ways` are texts a request and connections."""

    path: str
    body: Callable[[list[str]], object]
    ways: tuple[tuple[int, int], ...]
    threads: int = 1  # of an onnxruntime session; 0 is its default, all cores

    def measure(self, given: dict[str, str], texts: list[str]) -> dict[str, Figures]:
        """See Peer."""
        port = free_port()
        given = given | {"PEER_PORT": str(port), "PEER_THREADS": str(self.threads)}
        with _started(self, given, lambda process: self._wait(process, port)):
            running = Running(self, port)
            found = {}
            for size, connections in self.ways:
                way = Http(running, texts, size, connections)
                way.round()
                found[f"{size} a request, {connections} connections"] = way.round()
            return found

    def _wait(self, process: subprocess.Popen[str], port: int) -> None:
        until, last = time.monotonic() + READY_SECONDS, "nothing"
        first = urllib.request.Request(
            f"http://127.0.0.1:{port}{self.path}",
            json.dumps(self.body([FIRST])).encode(),
            {"Content-Type": "application/json"},
        )
        while time.monotonic() < until and process.poll() is None:
            try:
                with urllib.request.urlopen(first, timeout=READY_SECONDS):  # noqa: S310  (this machine)
                    return
            except urllib.error.HTTPError as error:
                last = str(error.code)
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"not ready, last answered {last}")


@dataclass(frozen=True)
class Running:
    """A peer that listens, for `Http`."""

    server: Server
    port: int

    def request(self, part: list[tuple[int, str]]) -> bytes:
        """The request that has these numbered texts scored."""
        body = self.server.body([text for _, text in part])
        return request(self.server.path, json.dumps(body).encode())


@contextmanager
def _started(
    peer: Peer, given: dict[str, str], wait: Callable[[subprocess.Popen[str]], None], pipe: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """The peer as a process that is ready, in a folder that is removed with it. Raises NotMeasured."""
    binaries = environment(peer.environment) / "bin"
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        try:
            with subprocess.Popen(  # noqa: S603  (this repository's module)
                [str(binaries / "python"), "-m", f"benchmarks.peers.{peer.module}"],
                cwd=folder,
                env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "TMPDIR": folder} | given,
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or said,
                stderr=said,
                text=True,
                start_new_session=True,
            ) as process:
                try:
                    _ready(process, wait, said)
                    yield process
                finally:
                    _end(process)
        except (OSError, RuntimeError) as error:
            raise NotMeasured(str(error)) from error


def _ready(process: subprocess.Popen[str], wait: Callable[[subprocess.Popen[str]], None], said: IO[str]) -> None:
    try:
        wait(process)
    except (OSError, RuntimeError) as error:  # its words are told only here, where it knows no text yet
        raise RuntimeError(f"{error}: {_last_words(said)}") from error


def _ask(process: subprocess.Popen[str], what: object) -> None:
    given, answered = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
    given.write(json.dumps(what) + "\n")
    given.flush()
    if not answered.readline():
        raise RuntimeError("it ended")


def _last_words(said: IO[str]) -> str:
    """The last line that names an exception, else the last one: servers say more as they stop."""
    said.seek(0)
    lines = [line.strip() for line in said if line.strip()] or ["it said nothing"]
    return next((line for line in reversed(lines) if EXCEPTION.match(line)), lines[-1])


def _end(process: subprocess.Popen[str]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):  # and what it started: all are one group
        try:
            os.killpg(process.pid, sign)
            process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
