"""What Prometheus reads at /metrics: requests by method, route pattern and status, of all workers."""

import os

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.responses import Response

PATH = "/metrics"
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_REQUESTS = Histogram(
    "frontline_request_duration_seconds",
    "Duration of HTTP requests; status 0 is a request that ended without an answer.",
    ("method", "route", "status"),
)


def count(method: str, route: str | None, status: int, seconds: float) -> None:
    """Count a request. `route` is the pattern, None where nothing matched: labels that a caller could choose would show
    what was typed, and fill the memory with a series for each address."""
    _REQUESTS.labels(method if method in _METHODS else "other", route or "none", str(status)).observe(seconds)


def install(app: FastAPI) -> None:
    """Add /metrics to an application."""
    app.add_api_route(PATH, _metrics, include_in_schema=False)


def _metrics() -> Response:
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # as BentoML sets it for its workers
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
