"""The HTTP API under /v1/models: what the bundles say about themselves, and thresholds as intent."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from models.report import Id
from models.thresholds import ThresholdAnswer, ThresholdRequest, answer
from serving.bundles import describe, find_bundle, known_bundles, look_up
from serving.http.access import Analyst, In, Scientist
from serving.http.bodies import Body, as_model
from serving.http.documentation import body, errors
from serving.schemas import ModelEntry, ModelList

router = APIRouter(prefix="/v1/models", tags=["models"])
Where = Annotated[
    str, Query(max_length=500, description="Dotted path, such as `statistics.categories.hate.average_precision`.")
]


@router.get("", responses=errors())
def list_models(runtime: In, _who: Analyst) -> ModelList:
    """List the bundles at hand, the one in force first."""
    champion = runtime.scorer.bundle.digest
    entries = [
        ModelEntry(**bundle.ref.model_dump(), created=bundle.manifest.created, champion=bundle.digest == champion)
        for bundle in known_bundles(runtime)
    ]
    return ModelList(models=entries)


@router.get("/{version}/info", responses=errors(404, 422))
def model_info(runtime: In, _who: Analyst, version: Id, path: Where = "") -> Any:
    """What a bundle (its version, its digest or `champion`) says about itself: whole, or what is at a path."""
    return look_up(describe(find_bundle(runtime, version)), path)


# Not async, as all calls here: such run on threads, so that what takes long holds up nobody else.
@router.post(
    "/{version}/thresholds", openapi_extra=body(ThresholdRequest), responses=errors(400, 404, 408, 413, 415, 422)
)
def find_threshold(runtime: In, _who: Scientist, version: Id, value: Body) -> ThresholdAnswer:
    """Find the threshold that fulfils an intent, with what it gives on texts that did not choose it."""
    return answer(find_bundle(runtime, version), as_model(ThresholdRequest, value))
