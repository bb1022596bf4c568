"""What the service stands on: settings, the store's schema, tokens, the log, and the bundle in force."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from fastapi.testclient import TestClient
from sqlalchemy.exc import IntegrityError

from models import BundleRefused
from serving import logs
from serving.accounts import auth
from serving.api.application import create_app
from serving.champion import champion_path, install, set_champion
from serving.errors import InvalidRequest, NotFound, NotReady, Unauthenticated
from serving.queue.intake import Scored, score
from serving.runtime import Runtime
from serving.settings import Settings
from serving.store import Store, migrate
from serving.store.migrate import is_current
from serving.store.tables import metadata

HEAVY = ("torch", "transformers", "sklearn", "scipy", "mlflow", "pandas", "matplotlib", "training")


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_a_plain_port_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8123")
    assert Settings().port == 8123
    monkeypatch.setenv("FRONTLINE_PORT", "8124")
    assert Settings().port == 8124


def test_migrations_make_the_tables(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    assert not is_current(store)
    migrate(store)
    migrate(store)
    assert is_current(store)
    with store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    store.close()


def test_tokens(runtime: Runtime) -> None:
    token = auth.create_token(runtime.store, "Ada", "reviewer")
    identity = auth.authenticate(runtime.store, token)
    assert (identity.name, identity.role) == ("Ada", "reviewer")
    assert [row.name for row in auth.list_tokens(runtime.store)] == ["Ada"]
    with runtime.store.read() as connection:
        assert token not in str(connection.exec_driver_sql("SELECT * FROM tokens").all())
    auth.revoke_token(runtime.store, identity.id)
    with pytest.raises(Unauthenticated):
        auth.authenticate(runtime.store, token)
    with pytest.raises(NotFound):
        auth.revoke_token(runtime.store, identity.id)
    with pytest.raises(InvalidRequest):
        auth.create_token(runtime.store, "Eve", "root")


def test_a_revoked_token_is_forgotten_within_seconds(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 100.0
    monkeypatch.setattr(auth, "time", SimpleNamespace(monotonic=lambda: moment))
    token = auth.create_token(runtime.store, "Ada", "reviewer")
    assert runtime.identities.known(token) is None
    identity = runtime.identities.find(token)
    auth.revoke_token(runtime.store, identity.id)
    moment += auth.REMEMBERED_SECONDS - 0.1
    assert runtime.identities.known(token) == identity
    moment += 0.2
    assert runtime.identities.known(token) is None
    with pytest.raises(Unauthenticated):
        runtime.identities.find(token)


def test_serving_imports_nothing_heavy() -> None:
    # Without the entry points of training, which the command line loads where they are installed.
    without = "import importlib.metadata as m; m.entry_points = lambda **_: []"
    assert imported(f"import serving.service, serving.worker; {without}; import serving.cli") & set(HEAVY) == set()


def test_the_process_that_starts_workers_imports_little() -> None:
    assert imported("import serving.service") & {"models", "fastapi", "sqlalchemy", "onnxruntime"} == set()


def imported(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.fixture
def log_reset() -> Iterator[None]:
    """Put the log back as it was."""
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("log_reset")
def test_no_report_text_in_the_log(
    runtime: Runtime, report: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("debug")
    token = auth.create_token(runtime.store, "x", "admin")
    client = TestClient(create_app(runtime), headers={"Authorization": f"Bearer {token}"})
    bad = {"report_id": "r-2", "content": {"text": ["pineapple"]}}
    bodies = [report("r-1", "pineapple", note="pineapple"), bad, {"reports": [bad]}]
    for path in ("/v1/score", "/v1/reports", "/v1/reports/batch", "/v1/pineapple"):
        for body in bodies:
            client.post(path, json=body)
    answer = client.post("/v1/queue/claim", json={}).json()
    client.post("/v1/decisions", json={"decision_id": "pineapple", **answer})
    shown = capsys.readouterr()
    assert "pineapple" not in shown.out + shown.err
    lines = [json.loads(line) for line in shown.err.splitlines()]
    assert {"event", "request_id", "status", "route", "milliseconds"} <= set(lines[-1])


def test_library_errors_carry_no_parameters(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(store)
    with pytest.raises(IntegrityError) as caught, store.write() as connection:
        for _ in range(2):
            connection.execute(
                metadata.tables["tokens"].insert(),
                {"id": "pineapple", "name": "n", "role": "r", "sha256": "s", "created_at": datetime.now(UTC)},
            )
    assert "pineapple" not in str(caught.value)
    store.close()


def test_a_promoted_bundle_takes_over(runtime: Runtime, settings: Settings, make_bundle: Callable[[str], Path]) -> None:
    before = runtime.scorer
    assert champion_path(settings.home) is None
    digest = install(make_bundle("2"), settings.home)
    assert install(make_bundle("2-again").parent / "2", settings.home) == digest
    with pytest.raises(BundleRefused):
        set_champion(settings.home, "sha256:" + "0" * 64)
    set_champion(settings.home, digest)
    deadline = time.monotonic() + 10
    while runtime.scorer is before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert runtime.scorer.bundle.digest == digest
    assert before.bundle.version == "1"  # whoever still holds the old one goes on with it


def test_a_refused_bundle_changes_nothing(
    runtime: Runtime, settings: Settings, make_bundle: Callable[[str], Path]
) -> None:
    before = runtime.scorer
    bundle = make_bundle("2")
    digest = install(bundle, settings.home)
    installed = settings.home / "bundles" / digest.removeprefix("sha256:")
    (installed / "heads.onnx").write_bytes(b"tampered")
    set_champion(settings.home, digest)
    runtime.refresh()
    assert runtime.scorer is before
    (bundle / "ngrams.onnx").write_bytes(b"tampered")
    with pytest.raises(BundleRefused):
        install(bundle, settings.home)
    for pointer in (b"../../etc", b"\xff\xfe"):
        (settings.home / "bundles" / "champion").write_bytes(pointer)
        runtime.refresh()
        assert runtime.scorer is before


def test_a_damaged_copy_is_replaced_and_then_loaded(
    runtime: Runtime, settings: Settings, make_bundle: Callable[[str], Path]
) -> None:
    bundle = make_bundle("2")
    digest = install(bundle, settings.home)
    (settings.home / "bundles" / digest.removeprefix("sha256:") / "heads.onnx").write_bytes(b"tampered")
    set_champion(settings.home, digest)
    runtime.refresh()
    assert runtime.scorer.bundle.digest != digest
    assert install(bundle, settings.home) == digest
    runtime.refresh()
    assert runtime.scorer.bundle.digest == digest


@pytest.mark.parametrize("part", ["serving.runtime.load_bundle", "models.loading.check_golden"])
def test_what_failed_for_another_reason_is_tried_again(
    runtime: Runtime,
    settings: Settings,
    make_bundle: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    def fail(_: object) -> None:
        raise MemoryError

    digest = install(make_bundle("2"), settings.home)
    with monkeypatch.context() as patch:
        patch.setattr("serving.runtime.RETRY_SECONDS", 0.0)
        patch.setattr(part, fail)
        set_champion(settings.home, digest)
        runtime.refresh()
    runtime.refresh()
    assert runtime.scorer.bundle.digest == digest


def test_no_failure_ends_the_watch(
    runtime: Runtime, settings: Settings, make_bundle: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = runtime.scorer
    first, second = (install(make_bundle(version), settings.home) for version in ("2", "3"))

    def fail(_: Path) -> None:
        raise RuntimeError("pineapple")

    with monkeypatch.context() as patch:
        patch.setattr("serving.runtime.load_bundle", fail)
        set_champion(settings.home, first)
        runtime.refresh()
        assert runtime.scorer is before
        time.sleep(1.5)  # the watch meets it too
    set_champion(settings.home, second)
    deadline = time.monotonic() + 10
    while runtime.scorer is before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert runtime.scorer.bundle.digest == second


def test_nothing_is_scored_before_a_bundle_is_there(tmp_path: Path, report: Callable[..., Any]) -> None:
    runtime = Runtime(Settings(home=tmp_path, bundle=tmp_path / "missing"))
    with pytest.raises(NotReady):
        _ = runtime.store
    runtime.start()
    assert not runtime.is_ready
    token = auth.create_token(runtime.store, "x", "intake")
    client = TestClient(create_app(runtime), headers={"Authorization": f"Bearer {token}"})
    response = client.post("/v1/score", json=report("r-1", "hello"))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
    assert response.headers["Retry-After"] == "1"
    runtime.stop()


def test_metadata_can_be_left_out(settings: Settings, report: Callable[..., Any]) -> None:
    item = report("r-1", "You are useless", subject={"prior_violations": 50})
    found, ids = [], set()
    for metadata_on in (True, False):
        runtime = Runtime(settings.model_copy(update={"metadata": metadata_on}))
        runtime.start()
        scored = score(runtime.scorer, item, datetime.now(UTC))
        assert isinstance(scored, Scored)
        found.append(scored.score.violation.probability or 0)
        ids.add(scored.score.score_id)
        runtime.stop()
    assert found[0] > found[1]
    assert len(ids) == 2  # two scores of one report
