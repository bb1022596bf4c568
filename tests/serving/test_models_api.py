"""What a model says about itself, and thresholds as intent: over HTTP and on the command line."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from models import Bundle, BundleRefused
from models.bundle import write
from models.heldout import HeldOut
from models.thresholds import ThresholdRequest, answer
from serving.champion import install, installed
from serving.cli import app
from serving.settings import Settings

INTENT = {"intent": "maximum recall @ precision >= 0.9", "category": "hate", "prevalence": 0.3}
FIGURE = {"value": 0.8, "interval": [0.7, 0.9]}


def _answers(outputs: list[str]) -> HeldOut:
    """Of violation and hate all is known, of the others nothing."""
    parts = {}
    for seed, (part, n) in enumerate({"calibration": 600, "test": 2000}.items()):
        rng = np.random.default_rng(seed)
        truth = np.full((n, len(outputs)), np.nan)
        truth[:, [outputs.index("violation"), outputs.index("hate")]] = (np.arange(n) % 3 == 0)[:, None]
        parts[part] = np.where(truth == 1, rng.beta(6, 2, truth.shape), rng.beta(2, 6, truth.shape)), truth
    return HeldOut.of(outputs, parts)


@pytest.fixture(scope="module")
def answering_bundle(keyword_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keyword bundle as version 2, with held-out answers and figures."""
    folder = tmp_path_factory.mktemp("answering")
    old = Bundle.read(keyword_bundle)
    _answers(old.manifest.outputs[:-3]).write(folder / "heldout.npy")
    figures = {"n": 600, "average_precision": FIGURE}
    fields = old.manifest.model_dump() | {
        "version": "2",
        "evaluation": {"categories": {"hate": figures, "harassment": figures}},
        "training_data": [{"name": "authored"}],
    }
    files = {name: keyword_bundle / name for name in old.manifest.files}
    return write(folder / "bundle", fields, {**files, "heldout.npy": folder / "heldout.npy"}).path


@pytest.fixture
def settings(settings: Settings, answering_bundle: Path) -> Settings:
    """Settings of a service with that bundle."""
    return settings.model_copy(update={"bundle": answering_bundle})


@pytest.fixture
def scientist(client_of: Callable[[str], TestClient], tokens: SimpleNamespace) -> TestClient:
    """A data scientist."""
    return client_of(tokens.scientist)


def refusal(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == code
    return dict(error)


def test_the_bundles_at_hand(scientist: TestClient, settings: Settings, keyword_bundle: Path) -> None:
    digest = install(keyword_bundle, settings.home)
    (installed(settings.home)[0].parent / ("0" * 64)).mkdir()  # one that is not intact
    found = scientist.get("/v1/models").json()["models"]
    assert [(entry["version"], entry["champion"]) for entry in found] == [("2", True), ("1", False)]
    assert found[1]["bundle"] == digest
    for name in ("champion", "2", found[0]["bundle"]):
        assert scientist.get(f"/v1/models/{name}/info", params={"path": "version"}).json() == "2"
    for name in ("1", digest):
        assert scientist.get(f"/v1/models/{name}/info", params={"path": "digest"}).json() == digest
    error = refusal(scientist.get("/v1/models/pineapple/info"), 404, "not_found")
    assert "GET /v1/models" in error["message"] and "pineapple" not in error["message"]


def test_two_bundles_of_one_version_need_the_digest(
    scientist: TestClient, settings: Settings, answering_bundle: Path, tmp_path: Path
) -> None:
    fields = Bundle.read(answering_bundle).manifest.model_dump() | {"name": "twin"}
    files = {name: answering_bundle / name for name in fields["files"]}
    install(write(tmp_path / "twin", fields, files).path, settings.home)
    assert "several" in refusal(scientist.get("/v1/models/2/info"), 404, "not_found")["message"]


def _entries(scientist: TestClient) -> list[tuple[str, bool]]:
    return [(entry["version"], entry["champion"]) for entry in scientist.get("/v1/models").json()["models"]]


def test_a_folder_that_was_built_anew_is_read_anew(
    scientist: TestClient, settings: Settings, make_bundle: Callable[[str], Path], tmp_path: Path
) -> None:
    digest = install(make_bundle("8"), settings.home)
    folder = settings.home / "bundles" / digest.removeprefix("sha256:")
    assert _entries(scientist) == [("2", True), ("8", False)]
    shutil.rmtree(folder)
    shutil.copytree(make_bundle("9"), folder)
    assert _entries(scientist) == [("2", True), ("9", False)]


def test_a_damaged_bundle_is_hashed_once(
    scientist: TestClient, settings: Settings, make_bundle: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = install(make_bundle("7"), settings.home)
    file = settings.home / "bundles" / digest.removeprefix("sha256:") / "heads.onnx"
    whole = file.read_bytes()
    file.write_bytes(b"damaged")
    assert _entries(scientist) == [("2", True)]
    with monkeypatch.context() as patch:
        patch.setattr(Bundle, "read", None)  # nothing is read again
        assert _entries(scientist) == [("2", True)]
    file.write_bytes(whole)
    assert _entries(scientist) == [("2", True), ("7", False)]


def test_changed_answers_are_refused(scientist: TestClient, settings: Settings, answering_bundle: Path) -> None:
    digest = install(answering_bundle, settings.home)
    bundle = Bundle.read(settings.home / "bundles" / digest.removeprefix("sha256:"))
    content = bytearray((bundle.path / "heldout.npy").read_bytes())
    content[-1] ^= 1
    (bundle.path / "heldout.npy").write_bytes(content)
    with pytest.raises(BundleRefused, match=r"heldout\.npy has SHA-256"):
        bundle.heldout()


def test_info_whole(scientist: TestClient, answering_bundle: Path) -> None:
    manifest = Bundle.read(answering_bundle).manifest
    info = scientist.get("/v1/models/champion/info").json()
    assert info["statistics"] == manifest.evaluation
    assert info["thresholds"]["hate"] == {"value": 0.5, "intent": "even odds"}
    assert info["taxonomy"]["version"]
    assert {"name", "version", "created", "languages", "prevalence", "calibration", "environment"} <= set(info)
    assert not {"golden", "evaluation"} & set(info)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("statistics.categories.hate.average_precision", FIGURE),
        ("statistics.categories.hate.average_precision.interval.1", 0.9),
        ("thresholds.hate.intent", "even odds"),
        ("training_data.0.name", "authored"),
        ("languages", ["en"]),
    ],
)
def test_info_by_path(scientist: TestClient, path: str, value: object) -> None:
    assert scientist.get("/v1/models/champion/info", params={"path": path}).json() == value


def test_file_names_hold_dots(scientist: TestClient) -> None:
    found = scientist.get("/v1/models/champion/info", params={"path": "files.heldout.npy"}).json()
    assert re.fullmatch("[0-9a-f]{64}", found)


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("statistics.categories.hat.average_precision", "are statistics.categories.hate, "),
        ("statistic", "are statistics, "),
        ("training_data.7", "are training_data.0"),
        ("languages.0.name", "are languages.0, which has no keys of its own"),
    ],
)
def test_an_unknown_path_is_answered_with_the_nearest(scientist: TestClient, path: str, nearest: str) -> None:
    error = refusal(scientist.get("/v1/models/champion/info", params={"path": path}), 404, "not_found")
    assert nearest in error["message"]
    assert error["field"] == "path"


def test_a_threshold_for_an_intent(scientist: TestClient, answering_bundle: Path) -> None:
    response = scientist.post("/v1/models/champion/thresholds", json=INTENT)
    assert response.status_code == 200, response.text
    expected = answer(Bundle.read(answering_bundle), ThresholdRequest(**INTENT))
    assert response.json() == expected.model_dump(mode="json")
    assert response.json()["calibration"]["statistics"]["precision"]["value"] >= 0.9


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"intent": "maximum luck"}, "invalid_intent", "intent"),
        ({"category": "weather"}, "invalid_intent", "category"),
        ({"category": "spam"}, "no_threshold", None),
        ({"intent": "maximum recall @ reviews_per_day <= 4"}, "invalid_intent", "reports_per_day"),
        ({"intent": "maximum recall @ precision <= 0.001", "category": "violation"}, "no_threshold", None),
        ({"prevalence": 1.5}, "invalid_request", "prevalence"),
        ({"prevalence": "3 %"}, "invalid_request", "prevalence"),
        ({"prevalence": "NaN"}, "invalid_request", "prevalence"),
        ({"prevalence": 0.0001}, "no_threshold", None),
        ({"mood": "cheerful"}, "invalid_request", None),
    ],
)
def test_refusals(scientist: TestClient, fields: dict[str, Any], code: str, field: str | None) -> None:
    error = refusal(scientist.post("/v1/models/champion/thresholds", json=INTENT | fields), 422, code)
    assert error["field"] == field


def test_what_is_no_number_is_no_json(scientist: TestClient) -> None:
    for field in ("prevalence", "reports_per_day"):
        body = f'{{"intent": "maximum f1", "category": "hate", "{field}": NaN}}'
        headers = {"Content-Type": "application/json"}
        refusal(scientist.post("/v1/models/champion/thresholds", content=body, headers=headers), 400, "invalid_json")
        body = body.replace("NaN", "1e999")
        refusal(scientist.post("/v1/models/champion/thresholds", content=body, headers=headers), 422, "invalid_request")


def test_a_bundle_without_answers_says_so(scientist: TestClient, settings: Settings, keyword_bundle: Path) -> None:
    digest = install(keyword_bundle, settings.home)
    error = refusal(scientist.post(f"/v1/models/{digest}/thresholds", json=INTENT), 404, "missing_data")
    assert "keeps no held-out answers" in error["message"]
    refusal(scientist.post("/v1/models/nobody/thresholds", json=INTENT), 404, "not_found")


def test_who_may_ask(client_of: Callable[[str], TestClient], tokens: SimpleNamespace) -> None:
    for role, info, thresholds in (("admin", 200, 200), ("manager", 200, 403), ("qa", 403, 403), ("intake", 403, 403)):
        client = client_of(getattr(tokens, role))
        assert client.get("/v1/models").status_code == info
        assert client.get("/v1/models/champion/info").status_code == info
        assert client.post("/v1/models/champion/thresholds", json=INTENT).status_code == thresholds


@pytest.fixture
def frontline(tmp_path: Path, answering_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run `frontline thresholds` in an empty home; return what it prints."""
    monkeypatch.setenv("FRONTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FRONTLINE_BUNDLE", str(answering_bundle))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, status: int = 0) -> str:
        result = CliRunner().invoke(app, ["thresholds", *arguments])
        assert result.exit_code == status, result.output
        return result.stdout if status == 0 else result.stderr

    return run


def test_the_command(frontline: Callable[..., str], answering_bundle: Path) -> None:
    arguments = (INTENT["intent"], "--category", "hate", "--prevalence", "0.3")
    said = frontline(*arguments, "--reports-per-day", "4000")
    expected = answer(Bundle.read(answering_bundle), ThresholdRequest(**INTENT))
    assert f"{expected.threshold:.5f}" in said
    assert re.search(r"recall +│ 0\.\d{3} +│ 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]", said)
    assert "reviews per day" in said
    assert "Saerens" in said
    assert "reviews per day" not in frontline(*arguments)


def test_the_command_refuses(frontline: Callable[..., str], keyword_bundle: Path) -> None:
    assert "an intent is `maximum TARGET`" in frontline("maximum luck", "--category", "hate", status=1)
    assert "are too few" in frontline("maximum f1", "--category", "spam", status=1)
    for option in (["--prevalence", "1.5"], ["--prevalence", "nan"], ["--reports-per-day", "nan"]):
        result = CliRunner().invoke(app, ["thresholds", "maximum f1", "--category", "hate", *option])
        assert result.exit_code == 2
    assert "keeps no held-out" in frontline(
        "maximum f1", "--category", "hate", "--bundle", str(keyword_bundle), status=1
    )
