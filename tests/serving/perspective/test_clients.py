"""Programs written for Perspective, unchanged but for an address: Google's own Python client, and an npm client."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from googleapiclient import discovery
from googleapiclient.errors import HttpError

CLIENT = "perspective-api-client@3.1.0"
NODE = """
const axios = require('axios');
const [address, key] = process.argv.slice(2);
// The one change: where the calls go. The package has its address as a constant.
axios.interceptors.request.use(config => {
  config.url = config.url.replace('https://commentanalyzer.googleapis.com', address);
  return config;
});
const Perspective = require('perspective-api-client');
const client = new Perspective({apiKey: key});
const tell = promise => promise.catch(error => ({name: error.name, message: error.message}));
Promise.all([
  client.analyze('a useless <b>parcel</b>', {attributes: ['toxicity', 'insult']}),
  client.analyze({comment: {text: 'a useless parcel'}, requestedAttributes: {THREAT: {scoreThreshold: 0.9}}}),
  tell(client.analyze('a useless parcel', {attributes: ['fun']})),
  tell(new Perspective({apiKey: 'no key of ours'}).analyze('a useless parcel')),
]).then(found => console.log(JSON.stringify(found)));
"""


@pytest.fixture
def google(address: str, tokens: SimpleNamespace) -> Iterator[Any]:
    """Google's client, built as its users build it."""
    client = discovery.build(
        "commentanalyzer",
        "v1alpha1",
        developerKey=tokens.intake,
        discoveryServiceUrl=f"{address}/$discovery/rest?version=v1alpha1",
        static_discovery=False,
        cache_discovery=False,
    )
    yield client
    client.close()


def test_googles_client_analyses(google: Any) -> None:
    request = {
        "comment": {"text": "You are useless. Lovely day!"},
        "requestedAttributes": {"INSULT": {}, "THREAT": {"scoreThreshold": 0.9}},
        "languages": ["en"],
        "spanAnnotations": True,
        "doNotStore": True,
        "clientToken": "c-1",
    }
    answer = google.comments().analyze(body=request).execute()
    assert answer["attributeScores"]["INSULT"]["summaryScore"]["value"] > 0.5
    assert len(answer["attributeScores"]["INSULT"]["spanScores"]) == 2
    assert set(answer["attributeScores"]) == {"INSULT"}
    assert answer["clientToken"] == "c-1"


def test_googles_client_suggests(google: Any) -> None:
    request = {
        "comment": {"text": "You are useless."},
        "attributeScores": {"INSULT": {"summaryScore": {"value": 0}}},
        "clientToken": "c-2",
    }
    assert google.comments().suggestscore(body=request).execute()["clientToken"] == "c-2"


def test_googles_client_reads_the_errors(google: Any) -> None:
    with pytest.raises(HttpError) as caught:
        google.comments().analyze(body={"comment": {"text": ""}, "requestedAttributes": {"SPAM": {}}}).execute()
    assert caught.value.resp.status == 400
    assert caught.value.reason == "Comment must be non-empty."
    assert caught.value.error_details[0]["errorType"] == "COMMENT_EMPTY"


def test_googles_client_takes_our_token_as_credentials(address: str, tokens: SimpleNamespace) -> None:
    from google.oauth2.credentials import Credentials

    client = discovery.build(
        "commentanalyzer",
        "v1alpha1",
        credentials=Credentials(token=tokens.intake),
        discoveryServiceUrl=f"{address}/$discovery/rest?version=v1alpha1",
        static_discovery=False,
        cache_discovery=False,
    )
    body = {"comment": {"text": "a useless parcel"}, "requestedAttributes": {"SPAM": {}}}
    assert "SPAM" in client.comments().analyze(body=body).execute()["attributeScores"]
    client.close()


@pytest.mark.slow
def test_an_npm_client(address: str, tokens: SimpleNamespace, tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        pytest.skip("there is no Node here")
    (tmp_path / "package.json").write_text("{}")
    install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--fetch-retries=0", "--ignore-scripts", CLIENT]
    try:
        installed = subprocess.run(install, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry does not answer")
    if installed.returncode:
        pytest.skip("there is no npm registry to install the client from")
    (tmp_path / "call.js").write_text(NODE)
    command = [node, "call.js", address, tokens.intake]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    scored, below, unknown, refused = json.loads(done.stdout)
    assert scored["attributeScores"]["INSULT"]["summaryScore"]["value"] > 0.5
    assert set(scored["attributeScores"]) == {"TOXICITY", "INSULT"}
    assert "attributeScores" not in below
    assert unknown == {"name": "ResponseError", "message": "Unknown requested attribute: FUN"}
    assert refused == {"name": "ResponseError", "message": "API key not valid. Please pass a valid API key."}
