"""A plain server, as one writes it in an afternoon: Starlette, uvicorn with two workers, onnxruntime.

As Starlette's documentation has it, work that blocks runs in the thread pool.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.peers.onnx_model import OnnxModel


@asynccontextmanager
async def loaded(app: Starlette) -> AsyncIterator[None]:
    """Load the model before the first request."""
    app.state.model = OnnxModel()
    yield


async def score(request: Request) -> JSONResponse:
    """Texts → their probabilities."""
    texts = (await request.json())["texts"]
    return JSONResponse(await run_in_threadpool(lambda: [request.app.state.model(text) for text in texts]))


app = Starlette(routes=[Route("/score", score, methods=["POST"])], lifespan=loaded)

if __name__ == "__main__":
    place = f"{__spec__.name}:app"
    uvicorn.run(place, port=int(os.environ["PEER_PORT"]), workers=2, log_level="warning", access_log=False)
