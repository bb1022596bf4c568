"""A running Frontline to measure or to test: its own home, a token, and what its processes hold in memory."""

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

from benchmarks.client import request
from serving.accounts import auth
from serving.settings import Settings
from serving.store import Store, migrate
from serving.up import server_command

READY_SECONDS = 120


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Service:
    """Frontline on a free port, with the given settings; what it prints goes to `log`."""

    def __init__(self, log: Path = Path(os.devnull), **settings: object) -> None:
        self._home = tempfile.TemporaryDirectory()
        self.port = free_port()
        self.settings = own = Settings(home=Path(self._home.name), port=self.port, **settings)  # type: ignore[arg-type]
        store = Store(own.store_url)
        migrate(store)
        self.token = auth.create_token(store, "benchmark", "intake")
        store.close()
        command, environment = server_command(own)
        given = {name: getattr(own, name) for name in {"home", *settings}}
        environment |= {f"FRONTLINE_{name.upper()}": str(value) for name, value in given.items()}
        started = time.perf_counter()
        with log.open("w") as out:
            self.server = subprocess.Popen(  # noqa: S603  (this interpreter)
                command, env=os.environ | environment, stderr=out, stdout=out
            )
        self._wait(started + READY_SECONDS)
        self.ready_seconds = time.perf_counter() - started

    def _wait(self, until: float) -> None:
        while time.perf_counter() < until and self.server.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the service did not start; try `frontline up`, which shows why")

    def request(self, part: list[tuple[int, str]]) -> bytes:
        """The request that has these numbered texts scored, one by itself and several in bulk."""
        reports = [{"report_id": str(number), "content": {"text": text}} for number, text in part]
        if len(reports) == 1:
            return request("/v1/score", json.dumps(reports[0]).encode(), self.token)
        return request("/v1/score/batch", json.dumps({"reports": reports}).encode(), self.token)

    def workers(self) -> list[psutil.Process]:
        """The processes that score."""
        return list(psutil.Process(self.server.pid).children(recursive=True))

    def memory(self) -> list[float]:
        """Resident megabytes of each process that scores."""
        found = [worker.memory_info().rss / 2**20 for worker in self.workers()]
        return sorted((round(size, 1) for size in found), reverse=True)

    def close(self) -> None:
        """Stop it, if it still runs."""
        self.server.terminate()
        self.server.wait(120)
        self._home.cleanup()
