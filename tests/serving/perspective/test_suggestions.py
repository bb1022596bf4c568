"""Suggested scores: kept once with their provenance, and no label until an operator trusts the token."""

import itertools
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from typer.testing import CliRunner

from models.bundle import Bundle
from serving.accounts.auth import authenticate
from serving.cli import app
from serving.perspective import suggestions
from serving.perspective.suggestions import Suggestion
from serving.runtime import Runtime
from serving.store.tables import cases, metadata
from serving.store.tables import suggestions as table
from training.corpus import Example
from training.retrain import _corpus
from training.suggestions import SUGGESTED, labels_of, read_suggestions
from training.train import Options

SUGGEST = "/v1alpha1/comments:suggestscore"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEARNED = ["hate", "harassment", "spam"]


def body(**more: Any) -> dict[str, Any]:
    scores = {"INSULT@2": {"summaryScore": {"value": 1}}, "TOXICITY": {"summaryScore": {"value": 0.9}}}
    return {"comment": {"text": "a useless parcel"}, "attributeScores": scores, "clientToken": "c-1", **more}


def test_a_suggestion_is_kept_once_with_its_provenance(
    intake: TestClient, runtime: Runtime, tokens: SimpleNamespace
) -> None:
    sent = body(languages=["en"], communityId="/garden", sessionId="s-1")
    for _ in range(2):
        response = intake.post(SUGGEST, json=sent)
        assert response.status_code == 200, response.text
        assert response.json() == {"clientToken": "c-1", "requestedLanguages": ["en"], "detectedLanguages": ["en"]}
    with runtime.store.read() as connection:
        (row,) = connection.execute(select(table)).all()
        assert connection.execute(select(func.count()).select_from(cases)).scalar_one() == 0
    assert row.token_id == authenticate(runtime.store, tokens.intake).id
    assert (row.text, row.bundle) == ("a useless parcel", runtime.scorer.bundle.digest)
    assert row.body["communityId"] == "/garden"
    assert "comment" not in row.body


def test_it_is_a_label_only_while_its_token_is_trusted(
    intake: TestClient, runtime: Runtime, tokens: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake.post(SUGGEST, json=body())
    token_id = authenticate(runtime.store, tokens.intake).id
    monkeypatch.setenv("FRONTLINE_HOME", str(runtime.settings.home))
    monkeypatch.setenv("FRONTLINE_DATABASE_URL", runtime.settings.database_url)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["suggestions", *arguments])
        assert result.exit_code == 0, result.output
        return str(result.output)

    assert "held apart" in run("list")
    assert read_suggestions(runtime.store, LEARNED) == []
    run("trust", token_id)
    assert "held apart" not in run("list")
    (example,) = read_suggestions(runtime.store, LEARNED)
    assert (example.source, example.text) == (SUGGESTED, "a useless parcel")
    assert (dict(example.labels.categories), example.labels.violation) == ({"harassment": True}, True)
    run("distrust", token_id)
    assert read_suggestions(runtime.store, LEARNED) == []
    assert "1 suggestions deleted" in run("forget", token_id)
    assert suggestions.tally(runtime.store) == []
    assert CliRunner().invoke(app, ["suggestions", "trust", "nobody"]).exit_code == 1


def test_what_a_suggestion_says_in_our_terms() -> None:
    def labels(**scores: float) -> Any:
        return labels_of(Suggestion("s", "text", scores, NOON), LEARNED)

    assert (dict(labels(SPAM=0).categories), labels(SPAM=0).violation) == ({"spam": False}, None)
    assert dict(labels(TOXICITY=1, PROFANITY=1).categories) == {}
    assert dict(labels(THREAT=1).categories) == {}  # not learnt by this bundle


def test_retraining_learns_from_them_and_judges_by_none(tmp_path: Path, loaded: Bundle) -> None:
    names = ["kettle", "ladder", "mirror", "needle", "orange", "pillow", "quilt", "rocket", "saddle", "teapot"]
    suggested = [
        Example(SUGGESTED, f"s-{i}", f"you are a useless {a} and a silly {b}", labels_of(_insult(i), LEARNED))
        for i, (a, b) in enumerate(itertools.permutations(names, 2))
    ]
    options = Options(out=tmp_path / "out", runs=tmp_path / "runs", data=None)
    for frozen in (True, False):
        corpus, _ = _corpus(options, [], suggested, loaded, frozen=frozen)
        assert set(corpus.splits[corpus.sources == SUGGESTED]) <= {"train", "dropped"}
        assert (corpus.splits[corpus.sources == SUGGESTED] == "train").any()


def _insult(number: int) -> Suggestion:
    return Suggestion(f"s-{number}", "", {"INSULT": 1.0}, NOON)


@pytest.mark.parametrize(
    "sent",
    [
        body(attributeScores={}),
        body(attributeScores={"INSULT": {}}),
        body(attributeScores={"INSULT": None}),
        body(attributeScores={"FUN": {"summaryScore": {"value": 1}}}),
        body(attributeScores={"INSULT": {"summaryScore": {"value": 2}}}),
        body(attributeScores={"INSULT": {"summaryScore": {"value": 1, "type": "RAW"}}}),
        body(attributeScores={"INSULT": {"spanScores": [{"begin": 4, "end": 2, "score": {"value": 1}}]}}),
        body(comment={"text": ""}),
        body(comment={"text": "\u200b\u200b"}),
        body(languages=["fr"]),
    ],
)
def test_malformed_suggestions_are_refused(intake: TestClient, runtime: Runtime, sent: Any) -> None:
    response = intake.post(SUGGEST, json=sent)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"
    with runtime.store.read() as connection:
        kept = [t.name for t in metadata.sorted_tables if t.name != "tokens" and connection.execute(select(t)).first()]
    assert kept == []
