"""What Prometheus reads at /metrics, of all workers."""

import os
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.responses import Response

PATH = "/metrics"


def install(app: FastAPI) -> None:
    """Add /metrics to an application."""
    app.add_api_route(PATH, _metrics, include_in_schema=False)


def _metrics() -> Response:
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # as BentoML sets it for its workers
        _forget_the_dead(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _forget_the_dead(folder: Path) -> None:
    """Drop what workers that ended without a word say of the present."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rsplit("_", 1)[1])
        try:
            os.kill(pid, 0)  # only asks whether it is there
        except ProcessLookupError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
