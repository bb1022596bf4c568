"""Calls in OpenAI's moderations protocol, and what is expected of every answer and refusal."""

from typing import Any

from fastapi.testclient import TestClient

PATH = "/v1/moderations"
SECRET = "pineapple-zeppelin"
JSON = {"Content-Type": "application/json"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def moderate(client: TestClient, given: Any, **fields: Any) -> dict[str, Any]:
    response = client.post(PATH, json={"input": given, **fields})
    assert response.status_code == 200, response.text
    return dict(response.json())


def only(client: TestClient, given: Any) -> dict[str, Any]:
    (found,) = moderate(client, given)["results"]
    return dict(found)


def refused(response: Any, status: int, code: str | None, param: str | None = None) -> dict[str, Any]:
    """The error of a response, which has the original's shape and quotes nothing."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert int(response.headers["Content-Length"]) == len(response.content)
    assert SECRET not in response.text
    return dict(error)
