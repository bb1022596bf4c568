"""`frontline up`: from an empty folder to a running service with something in its queue, in one command."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.panel import Panel

from models import Bundle, FrontlineError
from serving.accounts import auth, people
from serving.champion import champion_path
from serving.queue import policies
from serving.queue.intake import count_reports
from serving.settings import Settings
from serving.show import queue_table
from serving.store import Store, migrate

SAMPLE = Path(__file__).parents[1] / "datasets" / "sample_reports.jsonl"
READY_SECONDS = 120
DRAIN_SECONDS = 120  # longer than any request takes; whoever does not read its answer by then goes without
_OURS = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy knows the way to this machine
FIRST_PEOPLE: tuple[auth.Role, ...] = ("admin", "reviewer")


class StartFailed(FrontlineError):
    """The server did not come up."""

    code = "start_failed"


def server_command(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """The command that runs the server, and its environment."""
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:Frontline"]
    command += ["--host", settings.host, "--port", str(settings.port)]
    command += ["--timeout-graceful-shutdown", str(DRAIN_SECONDS)]
    # A home of its own: at its start BentoML clears a folder there in which others' workers would keep their metrics.
    own = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str((settings.home / "bentoml").absolute())}
    return command, {**os.environ, **own}


def up_service(settings: Settings, out: Console) -> int:
    """Do whatever is missing, run the server until it is stopped, and return its exit status."""
    _check_port(settings)
    Bundle.read(champion_path(settings.home) or settings.bundle)  # says at once what the server would wait for
    store = Store(settings.store_url)
    migrate(store)
    command, environment = server_command(settings)
    # In a session of its own, so that Ctrl-C reaches it once: through us.
    server = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603  (this interpreter)

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        _wait_until_ready(server, settings)
        first = _first_secrets(store, settings)  # not before, as what is shown once must be shown
        if not count_reports(store):
            _post_sample(store, settings, out)
        _announce(store, settings, first, out)
        return server.wait()
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait()
        store.close()


def _check_port(settings: Settings) -> None:
    """Whether the port is free; otherwise whoever has it would answer for us. Raises StartFailed."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError:
        message = f"port {settings.port} is taken or not ours to use; set FRONTLINE_PORT to another"
        raise StartFailed(message) from None


def _address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  (nothing is bound)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _wait_until_ready(server: subprocess.Popen[bytes], settings: Settings) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise StartFailed(f"the server ended with status {server.returncode}; its log above says why")
        try:
            with _OURS.open(f"{_address(settings)}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise StartFailed(f"the server was not ready after {READY_SECONDS} seconds; its log above says why")


def _post_sample(store: Store, settings: Settings, out: Console) -> None:
    """Send the sample reports the way an intake system would, with a token that is revoked again."""
    if not SAMPLE.is_file():
        return
    reports = [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]
    token = auth.create_token(store, "sample reports", "intake")
    request = urllib.request.Request(  # noqa: S310
        f"{_address(settings)}/v1/reports/batch",
        json.dumps({"reports": reports}).encode("utf-8"),
        {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    try:
        with _OURS.open(request, timeout=60):
            pass
    except OSError as error:
        out.print(f"The sample reports were not taken ({error}); the service runs without them.")
    auth.revoke_token(store, auth.authenticate(store, token).id)


def _first_secrets(store: Store, settings: Settings) -> list[str]:
    """Whoever must be there for anything to begin: people, unless they come from elsewhere, and an intake system."""
    made = []
    if not people.list_people(store) and not settings.oidc_issuer:
        for role in FIRST_PEOPLE:
            password = secrets.token_urlsafe(12)
            people.create(store, role, role, password, datetime.now(UTC))
            made.append(f"  {role:<9} password  {password}")
    if not auth.list_tokens(store):
        made.append(f"  intake    token     {auth.create_token(store, 'intake', 'intake')}")
    return made


def _announce(store: Store, settings: Settings, first: list[str], out: Console) -> None:
    out.print(queue_table(store, policies.in_force(settings), 10))
    lines = [f"Console   {_address(settings)}/console", f"API       {_address(settings)}/openapi.json", ""]
    if first:
        lines += ["Shown this once:", *first]
    else:
        lines.append("More people: frontline user create NAME reviewer; more tokens: frontline token create intake")
    out.print(Panel("\n".join([*lines, "", "Ctrl-C stops the service."]), title="Frontline is ready", expand=False))
