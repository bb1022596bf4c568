"""The BentoML service: the HTTP application, and readiness that means a verified bundle is loaded.

BentoML imports this also in the process that starts the workers, which has no use for what they serve.
"""

import os
from typing import Any

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # before bentoml is imported, which reads it

import bentoml
from opentelemetry import trace
from starlette.types import Receive, Scope, Send

from serving.settings import Settings

if "BENTOML_RUNNER_MAP" in os.environ:  # as BentoML sets it for its workers
    from serving import worker

settings = Settings()

_traces: dict[str, Any] = {
    "exporter_type": "otlp",
    "sample_rate": settings.traces_share,
    "otlp": {"protocol": "http", "endpoint": settings.traces_endpoint},
}
_no_traces = {"excluded_urls": ".*"}  # or spans were made for nobody


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Everything that BentoML has no route for, so that unknown addresses get our error shape too.

    A plain function, because BentoML looks into a mounted Starlette application and keeps what it does not know.
    """
    # Under the one convention or the other a span starts with the query, and a query may hold a key.
    trace.get_current_span().set_attributes({"http.url": scope["path"], "url.query": ""})
    await worker.app(scope, receive, send)


@bentoml.asgi_app(application, path="/")
@bentoml.service(
    name="frontline",
    workers=settings.workers,
    traffic={"timeout": 120},  # a last resort in another shape: our own limits, for each part of a request, come first
    http={"host": settings.host, "port": settings.port, "cors": {"enabled": False}},
    endpoints={"livez": "/livez", "readyz": "/readyz"},
    logging={"access": {"enabled": False}},  # ours has the request id
    tracing=_traces if settings.traces_endpoint else _no_traces,
    metrics={"enabled": False},  # ours has the route's pattern, where BentoML's has whatever address was sent
)
class Frontline:
    """Frontline's service; one instance per worker."""

    def __init__(self) -> None:
        worker.runtime.start()

    def __is_ready__(self) -> bool:
        return worker.runtime.is_ready

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def stop(self) -> None:
        """Close the store."""
        worker.runtime.stop()
