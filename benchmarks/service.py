"""A running Frontline to measure: its own home, a token, and what its processes hold in memory."""

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

from serving import auth
from serving.settings import Settings
from serving.store import Store, migrate
from serving.up import server_command

READY_SECONDS = 60


class Service:
    """Frontline on a free port, with the given settings."""

    def __init__(self, **settings: object) -> None:
        self._home = tempfile.TemporaryDirectory()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        own = Settings(home=Path(self._home.name), port=self.port, **settings)  # type: ignore[arg-type]
        store = Store(own.store_url)
        migrate(store)
        self.token = auth.create_token(store, "benchmark", "intake")
        store.close()
        command, environment = server_command(own)
        given = {name: getattr(own, name) for name in {"home", *settings}}
        environment |= {f"FRONTLINE_{name.upper()}": str(value) for name, value in given.items()}
        started = time.perf_counter()
        self._server = subprocess.Popen(  # noqa: S603  (this interpreter)
            command, env=os.environ | environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self._wait(started + READY_SECONDS)
        self.ready_seconds = time.perf_counter() - started

    def _wait(self, until: float) -> None:
        while time.perf_counter() < until and self._server.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the service did not start; try `frontline up`, which shows why")

    def memory(self) -> list[float]:
        """Resident megabytes of each process that scores."""
        found = [p.memory_info().rss / 2**20 for p in psutil.Process(self._server.pid).children(recursive=True)]
        return sorted((round(size, 1) for size in found), reverse=True)

    def close(self) -> None:
        """Stop it."""
        self._server.send_signal(signal.SIGTERM)
        self._server.wait(60)
        self._home.cleanup()
