"""Two trainings with one seed give one model, and MLflow's copy scores as the bundle does."""

import json
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from models.bundle import Bundle
from models.loading import load_bundle
from models.report import Content, Report
from models.scorer import Scorer
from training import tracking

CORPUS = Path(__file__).parents[2] / "datasets" / "authored" / "corpus.jsonl"


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()[:200]]


def answers(bundle: Bundle, texts: list[str], now: datetime) -> list[str]:
    scorer = Scorer(bundle)
    reports = [Report(report_id=str(i), content=Content(text=text)) for i, text in enumerate(texts)]
    found = [scorer.score(report, received_at=now) for report in reports]
    return [score.model_dump_json(exclude={"model", "score_id"}) for score in found]


def test_the_same_seed_gives_the_same_scores(
    loaded: Bundle, second_home: Path, texts: list[str], now: datetime
) -> None:
    again = load_bundle(second_home / "bundle")
    assert again.path != loaded.path
    assert answers(again, texts, now) == answers(loaded, texts, now)
    for name in ("ngrams.onnx", "heads.onnx", "metadata.onnx", "reference.json", "reference.npy"):
        assert again.manifest.files[name] == loaded.manifest.files[name]


def test_it_learns_something(loaded: Bundle) -> None:
    figures = loaded.manifest.evaluation["authored"]["violation"]
    share = figures["positives"] / figures["n"]
    assert figures["average_precision"]["value"] > share + 0.2
    assert figures["roc_auc"]["value"] > 0.65


def test_the_run_and_the_registered_version(fast_mlflow: Path, loaded: Bundle) -> None:
    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias(tracking.MODEL, tracking.CHALLENGER)
    assert version.tags["bundle"] == loaded.digest
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["bundle"] == loaded.digest
    assert run.data.params["seed"] == "7"
    assert run.data.params["fast"] == "True"
    value = loaded.manifest.evaluation["violation"]["roc_auc"]["value"]
    assert run.data.metrics["violation.roc_auc.value"] == pytest.approx(value)
    assert run.data.metrics["violation.roc_auc.low"] <= value <= run.data.metrics["violation.roc_auc.high"] + 0.05
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert {"bundle", "plots", "training_data.json"} <= names
    plots = {artifact.path for artifact in client.list_artifacts(run.info.run_id, "plots")}
    assert plots == {f"plots/{name}.png" for name in ("categories", "authored", "sources", "calibration")}
    listing = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/training_data.json")["training_data"]
    assert [row["name"] for row in listing] == ["authored"]


def test_no_text_of_the_corpus_is_logged(fast_mlflow: Path, loaded: Bundle, texts: list[str]) -> None:
    run = mlflow.MlflowClient().get_model_version_by_alias(tracking.MODEL, tracking.CHALLENGER).run_id
    logged = mlflow.get_run(run).data
    said = json.dumps([logged.params, logged.tags], ensure_ascii=False)
    assert not [text for text in texts if len(text) > 30 and text in said]


def test_the_challenger_is_downloaded_as_it_is(fast_mlflow: Path, loaded: Bundle, tmp_path: Path) -> None:
    folder, said = tracking.challenger(tmp_path)
    assert load_bundle(folder).digest == loaded.digest
    assert said == tracking.UNCOMPARED


def test_the_registered_model_scores_like_the_scorer(
    fast_mlflow: Path, loaded: Bundle, texts: list[str], now: datetime
) -> None:
    model = mlflow.pyfunc.load_model(f"models:/{tracking.MODEL}@{tracking.CHALLENGER}")
    found = model.predict(pd.DataFrame({"text": [*texts[:20], ""]}))
    scorer = Scorer(loaded)
    for text, row in zip([*texts[:20], ""], found.to_dict("records"), strict=True):
        score = scorer.score(Report(report_id="r", content=Content(text=text)), received_at=now)
        assert row["abstained"] == score.abstained
        expected = {c.category: c.probability for c in score.categories} | {"violation": score.violation.probability}
        for name, value in expected.items():
            assert (row[name] is None or np.isnan(row[name])) if value is None else row[name] == value
    odd = model.predict(pd.DataFrame({"text": [None, float("nan"), "a word " * 20_000]}))
    assert odd["abstained"].tolist()[:2] == [True, True]


def test_the_registered_model_brings_what_it_needs_and_no_other_bundle(fast_mlflow: Path, tmp_path: Path) -> None:
    uri = f"models:/{tracking.MODEL}@{tracking.CHALLENGER}"
    folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path)))
    pinned = dict(line.split("==") for line in (folder / "requirements.txt").read_text("utf-8").splitlines())
    assert {name: version(name) for name in tracking.IMPORTED} == {name: pinned[name] for name in tracking.IMPORTED}
    code = folder / "code"
    assert (code / "models" / "scorer.py").is_file()
    assert not (code / "models" / "bundles").exists()
    assert sum(file.stat().st_size for file in code.rglob("*") if file.is_file()) < 2e6


def test_flatten() -> None:
    found = tracking.flatten({"a": {"value": 1, "interval": [0.5, 2]}, "b": None, "c": True, "d": "x"})
    assert found == {"a.value": 1.0, "a.low": 0.5, "a.high": 2.0}


def test_only_an_interval_is_taken_for_one() -> None:
    bins = [{"probability": 0.1, "share": 0.0, "n": 4}, {"probability": 0.9, "share": 1.0, "n": 4}]
    found = tracking.flatten({"a": {"reliability": bins, "pair": [1, 2], "value": None, "interval": None}, "n": 8})
    assert found == {"n": 8.0}
