"""Traces reach a collector, with the stages of a score and without its text or anybody's key."""

import gzip
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

import pytest

from benchmarks.service import Service
from models.observer import STAGES

pytestmark = pytest.mark.slow

TEXT = "The marmalade stall opens on Sunday, bring your own jars."


@pytest.fixture
def collector() -> Iterator[tuple[str, "Queue[bytes]"]]:
    """Where a collector listens, and what it was sent."""
    received: Queue[bytes] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.put(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", received
        server.shutdown()


def test_a_score_is_traced(collector: tuple[str, "Queue[bytes]"], keyword_bundle: object) -> None:
    endpoint, received = collector
    with closing(Service(bundle=keyword_bundle, traces_endpoint=endpoint)) as service:
        comment = {"comment": {"text": TEXT}, "requestedAttributes": {"TOXICITY": {}}}
        for path, body, key in (
            (f"/v1alpha1/comments:analyze?key={service.token}", comment, {}),
            ("/v1/score", {"report_id": "r1", "content": {"text": TEXT}}, {"Authorization": f"Bearer {service.token}"}),
        ):
            headers = {"Content-Type": "application/json", **key}
            request = urllib.request.Request(
                f"http://127.0.0.1:{service.port}{path}", json.dumps(body).encode(), headers
            )
            with urllib.request.urlopen(request, timeout=60):
                pass
        sent = received.get(timeout=60)
        while b"/v1/score" not in sent or b"comments:analyze" not in sent:
            sent += received.get(timeout=60)
    assert all(stage.encode() in sent for stage in set(STAGES) - {"explain"})
    assert b"marmalade" not in sent
    assert service.token.encode() not in sent
