"""Façades: addresses that speak another service's protocol, so that what goes wrong there has its shape, not ours."""

from collections.abc import Callable

from starlette.responses import Response

from models import FrontlineError
from serving.moderations import errors as moderations
from serving.perspective import errors as perspective

Shape = Callable[[FrontlineError, str | None], Response]
SHAPES: dict[str, Shape] = {
    "/v1/moderations": moderations.respond,
    "/v1alpha1/": perspective.respond,
    "/$discovery/": perspective.respond,
    "/discovery/": perspective.respond,
    "/batch": perspective.respond,  # which Google's Python client calls without being told, and which is not there
}


def shape_at(path: str) -> Shape | None:
    """How an error at this address is told; None where it is our own way."""
    return next((shape for start, shape in SHAPES.items() if path.startswith(start)), None)
