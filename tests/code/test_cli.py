"""The training commands, as typed."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.loading import load_bundle
from serving.champion import champion_path
from serving.cli import app


@pytest.fixture
def frontline(mlflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command in an empty home; return what it prints."""
    monkeypatch.setenv("FRONTLINE_HOME", str(mlflow_home))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FRONTLINE_DATA", raising=False)

    def run(*arguments: str | Path, status: int = 0) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == status, result.output
        return result.stdout if status == 0 else result.stderr

    return run


def test_help_lists_the_commands(frontline: Callable[..., str]) -> None:
    page = frontline("--help")
    for command in ("train", "retrain", "promote", "audit", "score"):
        assert re.search(rf"\b{command}\b", page)
        assert "Usage" in frontline(command, "--help")


def test_train_promote_and_score(second_home: Path, frontline: Callable[..., str], tmp_path: Path) -> None:
    bundle = load_bundle(second_home / "bundle")
    assert f"champion is {bundle.digest}" in frontline("promote", second_home / "bundle")
    (tmp_path / "in.jsonl").write_text('{"report_id": "r-1", "content": {"text": "Replica watches, message me"}}\n')
    found = json.loads(frontline("score", tmp_path / "in.jsonl"))
    assert found["model"]["bundle"] == bundle.digest
    assert found["report_id"] == "r-1"


def test_train_says_what_it_made(second_home: Path) -> None:
    said = (second_home / "said.txt").read_text("utf-8")
    assert load_bundle(second_home / "bundle").digest in said
    assert "card.md" in said and "frontline promote" in said
    assert "Model card" in (second_home / "bundle" / "card.md").read_text("utf-8")
    assert list((second_home / "runs").iterdir()) == []  # the parts of a finished run are gone


def test_train_needs_data_or_a_word(frontline: Callable[..., str], tmp_path: Path) -> None:
    assert "--authored-only" in frontline("train", "--out", tmp_path / "new", status=2)


def test_train_says_which_source_is_missing(frontline: Callable[..., str], tmp_path: Path) -> None:
    said = frontline("train", "--fast", "--data", tmp_path, "--out", tmp_path / "new", status=1)
    assert re.search(r"the data folder lacks \w+\.jsonl\.gz", said)


@pytest.mark.parametrize("command", ["train", "retrain"])
def test_an_existing_folder_is_refused_at_once(frontline: Callable[..., str], tmp_path: Path, command: str) -> None:
    assert "exists; name another folder" in frontline(command, "--out", tmp_path, status=2)


def test_promote_refuses_a_bad_bundle(frontline: Callable[..., str], tmp_path: Path, mlflow_home: Path) -> None:
    assert "bundle_refused" in frontline("promote", tmp_path, status=1)
    assert champion_path(mlflow_home) is None


def test_promote_without_a_challenger(frontline: Callable[..., str], mlflow_home: Path) -> None:
    assert "no challenger" in frontline("promote", status=1)
    assert champion_path(mlflow_home) is None


def test_retrain_and_audit_say_what_is_missing(
    frontline: Callable[..., str], fast_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTLINE_BUNDLE", str(fast_bundle))
    assert "0 usable decisions" in frontline("retrain", "--out", tmp_path / "new", status=1)
    assert "an audit needs 30" in frontline("audit", "--out", tmp_path / "audit.html", status=1)
    assert not (tmp_path / "audit.html").exists()
