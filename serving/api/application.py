"""The application around everything that is served: routes, pages, limits and error shapes."""

from functools import partial

from fastapi import FastAPI

from serving import console
from serving.api import models as models_api
from serving.api import queue, scoring
from serving.http import documentation, metrics
from serving.http.edge import Edge
from serving.http.errors import install as install_errors
from serving.moderations import routes as moderations
from serving.perspective import routes as perspective
from serving.runtime import Runtime


def create_app(runtime: Runtime) -> FastAPI:
    """The application around a runtime, which whoever serves it starts and stops."""
    app = FastAPI(
        title="Frontline",
        version="1",
        description=documentation.DESCRIPTION,
        docs_url=None,  # the usual page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    app.include_router(scoring.router)  # those that are called most come first, as each is tried in turn
    app.include_router(moderations.router)
    app.include_router(queue.router)
    app.include_router(models_api.router)
    console.install(app)
    perspective.install(app, runtime)
    metrics.install(app)
    install_errors(app)
    documentation.install(app)
    app.add_middleware(
        Edge,
        max_body_bytes=runtime.settings.max_body_bytes,
        max_in_flight=runtime.settings.max_in_flight,
        admit=partial(scoring.admit, runtime),
        sheds=partial(scoring.sheds, runtime),
    )
    return app
