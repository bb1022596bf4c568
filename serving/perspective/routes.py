"""The protocol's two calls and its discovery document; nothing of an analysed comment is kept."""

import json

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from serving.accounts.auth import SCORERS, Identity
from serving.api.scoring import in_turn
from serving.errors import Unauthenticated
from serving.http.routes import DirectRoute
from serving.perspective import discovery, suggestions
from serving.perspective.analysis import Analysis
from serving.perspective.errors import Refused, bad_key
from serving.perspective.protocol import analyze_request, suggest_request
from serving.perspective.scores import Scales
from serving.runtime import Runtime

ANALYZE, SUGGEST = "/v1alpha1/comments:analyze", "/v1alpha1/comments:suggestscore"
SCALE_HEADER = "X-Frontline-Scale"  # "perspective", or "probability" where the bundle has no mapping


def install(app: FastAPI, runtime: Runtime) -> None:
    """Add the protocol to an application; it has a discovery document of its own, and is not in /openapi.json."""
    scales = Scales(runtime.settings.perspective_mapping)
    router = APIRouter(include_in_schema=False, route_class=DirectRoute)

    async def analyze(request: Request) -> Response:
        await _caller(request, runtime)
        return await _analyze(request, runtime, scales)

    async def suggest(request: Request) -> Response:
        return await _suggest(request, runtime, await _caller(request, runtime))

    router.add_api_route(ANALYZE, analyze, methods=["POST"])
    router.add_api_route(SUGGEST, suggest, methods=["POST"])
    for path in discovery.PATHS:
        router.add_api_route(path, discovery.answer)
    app.include_router(router)


async def _analyze(request: Request, runtime: Runtime, scales: Scales) -> Response:
    wanted = analyze_request(await request.body())
    analysis = Analysis(runtime.scorer, scales, wanted)
    reads = await in_turn(request, runtime, analysis.tasks)
    scale = "perspective" if analysis.is_mapped() else "probability"
    return _json(analysis.answer(reads), {SCALE_HEADER: scale})


async def _suggest(request: Request, runtime: Runtime, who: Identity) -> Response:
    given = suggest_request(await request.body())
    return _json(await run_in_threadpool(suggestions.keep, runtime.store, runtime.scorer, who, given))


async def _caller(request: Request, runtime: Runtime) -> Identity:
    """Whose key came with a request: as `?key=`, in `x-goog-api-key`, or as a bearer token. Raises Refused."""
    key = request.query_params.get("key") or request.headers.get("x-goog-api-key", "")
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if not key and scheme.lower() != "bearer":
        raise Refused("This method needs a key: send `?key=`, `x-goog-api-key` or a bearer token.", status=403)
    try:
        identity = await _identify(runtime, key or bearer.strip())
    except Unauthenticated:
        raise bad_key() if key else Refused("The bearer token is unknown or revoked.", status=401) from None
    if identity.role not in SCORERS:
        raise Refused(f"The role {identity.role} may not do this; {' and '.join(SCORERS)} may.", status=403)
    return identity


async def _identify(runtime: Runtime, token: str) -> Identity:
    known = runtime.identities.known(token)
    return known if known is not None else await run_in_threadpool(runtime.identities.find, token)


def _json(body: dict[str, object], headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), media_type="application/json", headers=headers)
