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
from training import reproduce, tracking


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


@pytest.mark.parametrize("base", ["sentence-transformers/all-MiniLM-L6-v2", "."])
def test_a_base_is_a_folder_with_an_encoder(frontline: Callable[..., str], tmp_path: Path, base: str) -> None:
    arguments = ["train", "--authored-only", "--base", base, "--out", tmp_path / "new"]
    assert "no folder with an encoder" in frontline(*arguments, status=2)


def test_weights_must_be_there(frontline: Callable[..., str], tmp_path: Path) -> None:
    said = frontline("retrain", "--weights", tmp_path / "absent", "--out", tmp_path / "new", status=2)
    assert "--weights" in said and "does not exist" in said


@pytest.mark.parametrize("others", ["", "other content: authored"])
def test_evaluate_says_where_the_data_are_others(
    frontline: Callable[..., str], fast_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: str
) -> None:
    monkeypatch.setattr(reproduce, "corpus_of", lambda *_: (None, others))
    monkeypatch.setattr(reproduce, "measure", lambda bundle, *_: bundle.manifest.evaluation)
    said = frontline("evaluate", "--data", tmp_path, "--bundle", fast_bundle, "--out", tmp_path / "figures")
    assert re.search(r"\d{2,} figures compared with the bundle's own: they differ by at most 0\.0000", said)
    assert ("The data are not those of the bundle" in said) == bool(others)
    assert f"({others})" in said or not others
    assert (tmp_path / "figures" / "evaluation.json").is_file()


def test_promote_refuses_a_bad_bundle(frontline: Callable[..., str], tmp_path: Path, mlflow_home: Path) -> None:
    assert "bundle_refused" in frontline("promote", tmp_path, status=1)
    assert champion_path(mlflow_home) is None


def test_promote_without_a_challenger(frontline: Callable[..., str], mlflow_home: Path) -> None:
    assert "no challenger" in frontline("promote", status=1)
    assert champion_path(mlflow_home) is None


def test_promote_refuses_a_challenger_that_did_not_pass(
    frontline: Callable[..., str], fast_bundle: Path, mlflow_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "too few texts to say: about 7 more decided violations"
    monkeypatch.setattr(tracking, "challenger", lambda _: (fast_bundle, said))
    refusal = frontline("promote", status=1)
    assert said in refusal and "--force" in refusal
    assert champion_path(mlflow_home) is None
    assert load_bundle(fast_bundle).digest in frontline("promote", "--force")
    assert champion_path(mlflow_home) is not None


def test_promote_refuses_a_challenger_that_nothing_compared(
    frontline: Callable[..., str], fast_mlflow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTLINE_HOME", str(fast_mlflow))
    assert "none, as `frontline train` makes none" in frontline("promote", status=1)
    assert champion_path(fast_mlflow) is None


def test_promote_takes_a_challenger_that_passed(
    frontline: Callable[..., str], fast_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "challenger", lambda _: (fast_bundle, "passed"))
    assert load_bundle(fast_bundle).digest in frontline("promote")


def test_retrain_and_audit_say_what_is_missing(
    frontline: Callable[..., str], fast_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTLINE_BUNDLE", str(fast_bundle))
    assert "0 usable decisions" in frontline("retrain", "--out", tmp_path / "new", status=1)
    assert "an audit needs 30" in frontline("audit", "--out", tmp_path / "audit.html", status=1)
    assert not (tmp_path / "audit.html").exists()
