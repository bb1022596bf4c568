"""OpenAI's own clients for Python and Node, with a changed address."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from serving.errors import Overloaded
from serving.runtime import Runtime
from tests.serving.moderations.calls import IMAGE, text


@pytest.fixture
def theirs(address: str, tokens: SimpleNamespace) -> Iterator[openai.OpenAI]:
    """The official client, of which the address and the key alone are ours."""
    with openai.OpenAI(base_url=f"{address}/v1", api_key=tokens.intake) as client:
        yield client


def test_the_official_python_client(theirs: openai.OpenAI) -> None:
    answer = theirs.moderations.create(input="We will ambush you", model="omni-moderation-latest")
    (found,) = answer.results
    assert found.flagged
    assert found.categories.violence
    assert not found.categories.sexual_minors
    assert found.category_scores.violence > 0.9
    assert found.category_applied_input_types.violence == ["text"]
    assert answer.id.startswith("modr-")
    # What was parsed is what the client's own types say, field by field.
    type(answer).model_validate(answer.model_dump(by_alias=True), strict=True)
    assert len(theirs.moderations.create(input=["a", "b"]).results) == 2
    parts: list[Any] = [text("hello"), IMAGE]
    assert not theirs.moderations.create(input=parts).results[0].flagged


def test_the_official_python_client_raises_its_own_errors(
    theirs: openai.OpenAI, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        theirs.moderations.create(input=[])
    assert (bad.value.code, bad.value.param, bad.value.type) == ("empty_array", "input", "invalid_request_error")
    assert bad.value.request_id
    with pytest.raises(openai.AuthenticationError) as unknown:
        theirs.with_options(api_key="fl_unknown").moderations.create(input="hello")
    assert unknown.value.code == "invalid_api_key"

    def admit(*_: object) -> None:
        raise Overloaded("too much")

    monkeypatch.setattr(runtime.executor, "admit", admit)
    with pytest.raises(openai.RateLimitError) as much:
        theirs.with_options(max_retries=0).moderations.create(input="hello")
    assert much.value.code == "rate_limit_exceeded"


async def _asked(address: str, token: str) -> Any:
    async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key=token) as client:
        return await client.moderations.create(input="We will ambush you")


def test_the_official_asynchronous_client(address: str, tokens: SimpleNamespace) -> None:
    assert asyncio.run(_asked(address, tokens.intake)).results[0].flagged


NODE = """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: process.argv[3] });
const input = ["We will ambush you", "hello"];
const answer = await client.moderations.create({ model: "omni-moderation-latest", input });
const parts = await client.moderations.create({ input: [{ type: "text", text: "We will ambush you" }] });
let refused;
try { await client.moderations.create({ input: [] }); } catch (error) {
  refused = { kind: error.constructor.name, status: error.status, code: error.code, param: error.param,
              type: error.type, request: error.requestID };
}
console.log(JSON.stringify({ answer, parts, refused }));
"""


@pytest.mark.slow
def test_the_official_node_client(address: str, tokens: SimpleNamespace, node_packages: Callable[..., Path]) -> None:
    folder = node_packages("openai")
    (folder / "ask.mjs").write_text(NODE, "utf-8")
    command = [shutil.which("node") or "node", "ask.mjs", address, tokens.intake]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stderr
    got = json.loads(said.stdout)
    assert [found["flagged"] for found in got["answer"]["results"]] == [True, False]
    assert got["parts"]["results"][0]["categories"]["violence"] is True
    assert got["refused"]["kind"] == "BadRequestError"
    assert (got["refused"]["status"], got["refused"]["code"], got["refused"]["param"]) == (400, "empty_array", "input")
    assert got["refused"]["request"]
