"""The reviewers' console: server-rendered pages that work without scripts, by keyboard, on any width."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from serving.console import care, case, deciding, golden, home, notices, quality, signin
from serving.console.web import HOME, go

STATIC = Path(__file__).parents[1] / "static"


class _Static(StaticFiles):
    """Files that browsers keep, but ask about each time: they change with the program alone."""

    def file_response(self, *args: Any, **values: Any) -> Response:
        """A file, or that it has not changed."""
        response = super().file_response(*args, **values)
        response.headers["Cache-Control"] = "no-cache"
        return response


def install(app: FastAPI) -> None:
    """Add the console to an application."""
    app.mount(f"{HOME}/static", _Static(directory=STATIC))
    for part in (home, signin, case, deciding, care, quality, golden, notices):
        app.include_router(part.router)
    app.add_api_route("/", _front_door, include_in_schema=False)


def _front_door() -> Response:
    return go(HOME)
