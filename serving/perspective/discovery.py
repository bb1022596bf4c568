"""The discovery document: what Google's own client libraries build themselves from, with our address in it."""

from functools import cache
from typing import Any

from fastapi import Request
from starlette.responses import JSONResponse, Response

from serving.errors import NotFound

PATHS = ("/$discovery/rest", "/discovery/v1/apis/commentanalyzer/v1alpha1/rest")
VERSION = "v1alpha1"


async def answer(request: Request) -> Response:
    """The document for whichever address was asked. Raises NotFound for another version."""
    if request.query_params.get("version", VERSION) != VERSION:
        raise NotFound(f"the only version is {VERSION}")
    base = request.base_url
    if request.headers.get("x-forwarded-proto") == "https":  # the certificate may be a proxy's
        base = base.replace(scheme="https")
    root = str(base)
    return JSONResponse({**_document(), "rootUrl": root, "baseUrl": root})


def _text(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


def _number() -> dict[str, Any]:
    return {"type": "number", "format": "float"}


def _integer() -> dict[str, Any]:
    return {"type": "integer", "format": "int32"}


def _flag() -> dict[str, Any]:
    return {"type": "boolean"}


def _many(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": name}


def _by_name(name: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _ref(name)}


def _schema(name: str, **properties: Any) -> dict[str, Any]:
    return {"id": name, "type": "object", "properties": properties}


def _schemas() -> dict[str, Any]:
    score_type = _text(enum=["SCORE_TYPE_UNSPECIFIED", "PROBABILITY"])
    comment = {"comment": _ref("TextEntry"), "context": _ref("Context"), "languages": _many(_text())}
    ids = {name: _text() for name in ("clientToken", "sessionId", "communityId")}
    found = [
        _schema("TextEntry", text=_text(), type=_text(enum=["TEXT_TYPE_UNSPECIFIED", "PLAIN_TEXT", "HTML"])),
        _schema("ArticleAndParentComment", article=_ref("TextEntry"), parentComment=_ref("TextEntry")),
        _schema(
            "Context",
            entries=_many(_ref("TextEntry")),
            articleAndParentComment=_ref("ArticleAndParentComment"),
        ),
        _schema("AttributeParameters", scoreType=score_type, scoreThreshold=_number()),
        _schema("Score", value=_number(), type=score_type),
        _schema("SpanScore", begin=_integer(), end=_integer(), score=_ref("Score")),
        _schema("AttributeScores", summaryScore=_ref("Score"), spanScores=_many(_ref("SpanScore"))),
        _schema(
            "AnalyzeCommentRequest",
            **comment,
            **ids,
            requestedAttributes=_by_name("AttributeParameters"),
            spanAnnotations=_flag(),
            doNotStore=_flag(),
            dropUnsupportedAttributes=_flag(),
        ),
        _schema(
            "AnalyzeCommentResponse",
            attributeScores=_by_name("AttributeScores"),
            languages=_many(_text()),
            detectedLanguages=_many(_text()),
            clientToken=_text(),
        ),
        _schema("SuggestCommentScoreRequest", **comment, **ids, attributeScores=_by_name("AttributeScores")),
        _schema(
            "SuggestCommentScoreResponse",
            clientToken=_text(),
            detectedLanguages=_many(_text()),
            requestedLanguages=_many(_text()),
        ),
    ]
    return {schema["id"]: schema for schema in found}


def _method(name: str, message: str, description: str) -> dict[str, Any]:
    return {
        "id": f"commentanalyzer.comments.{name}",
        "description": description,
        "httpMethod": "POST",
        "path": f"{VERSION}/comments:{name}",
        "flatPath": f"{VERSION}/comments:{name}",
        "parameterOrder": [],
        "parameters": {},
        "request": _ref(f"{message}Request"),
        "response": _ref(f"{message}Response"),
    }


@cache
def _document() -> dict[str, Any]:
    """All but the addresses. Without `auth`, as a key or a token of ours is all that it takes."""
    methods = {
        "analyze": _method("analyze", "AnalyzeComment", "Score a comment for the requested attributes."),
        "suggestscore": _method("suggestscore", "SuggestCommentScore", "Say which scores a comment should have."),
    }
    query = {"alt": "json", "fields": None, "key": None, "prettyPrint": None, "quotaUser": None, "$.xgafv": None}
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "protocol": "rest",
        "id": f"commentanalyzer:{VERSION}",
        "name": "commentanalyzer",
        "version": VERSION,
        "revision": "20261123",
        "title": "Frontline, speaking the Perspective Comment Analyzer API",
        "description": "Scores of how a comment may be received, from a Frontline of your own.",
        "servicePath": "",
        "basePath": "",
        "parameters": {
            name: {"location": "query", **_text()} | ({"default": default} if default else {})
            for name, default in query.items()
        },
        "schemas": _schemas(),
        "resources": {"comments": {"methods": methods}},
    }
