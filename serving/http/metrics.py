"""What Prometheus reads at /metrics, of all workers."""

import os

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.responses import Response

PATH = "/metrics"


def install(app: FastAPI) -> None:
    """Add /metrics to an application."""
    app.add_api_route(PATH, _metrics, include_in_schema=False)


def _metrics() -> Response:
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # as BentoML sets it for its workers
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
