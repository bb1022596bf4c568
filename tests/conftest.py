"""What all tests share: the real taxonomy, and one fast bundle that is trained once a session."""

import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from typer.testing import CliRunner

from models.bundle import Bundle
from models.loading import load_bundle
from models.policy import Policy
from models.report import Report, parse_report
from models.taxonomy import Taxonomy

ROOT = Path(__file__).parents[1]
TAXONOMY = ROOT / "datasets" / "taxonomy.yaml"
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)

# pytest's readline puts the size of its terminal into the environment of xdist's processes, and consoles would keep it.
for size in ("COLUMNS", "LINES"):
    os.environ.pop(size, None)

# Deterministic, and without a deadline: the machine may be busy.
settings.register_profile("frontline", deadline=None, derandomize=True, max_examples=150)
settings.load_profile("frontline")


@contextmanager
def mlflow_in(home: Path) -> Iterator[Path]:
    """MLflow in a folder of its own; it keeps its address in the environment, which is put back."""
    before = os.environ.pop("MLFLOW_TRACKING_URI", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what MLflow's own dependencies warn of as they are imported
        import mlflow.pyfunc.model  # noqa: F401  (warns as it is imported)

        from training import tracking

        tracking.connect(home)
    try:
        yield home
    finally:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before


@pytest.fixture(scope="session")
def fast_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the fast bundle (`bundle`) and the MLflow store that it is logged and registered in."""
    home = tmp_path_factory.mktemp("fast")
    with mlflow_in(home), pytest.MonkeyPatch.context() as patch:
        from training import train

        patch.setattr(train, "FAST_RESAMPLES", 5)  # the intervals alone depend on it
        train.train(train.Options(out=home / "bundle", runs=home / "runs", fast=True, data=None))
    return home


@pytest.fixture(scope="session")
def fast_bundle(fast_home: Path) -> Path:
    """The fast bundle, trained on the authored corpus alone."""
    return fast_home / "bundle"


@pytest.fixture(scope="session")
def second_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second training with the same seed, through the command line; `said.txt` is what it printed."""
    home = tmp_path_factory.mktemp("second")
    with mlflow_in(home), pytest.MonkeyPatch.context() as patch:
        from serving.cli import app
        from training import train

        patch.setattr(train, "FAST_RESAMPLES", 5)
        patch.setenv("FRONTLINE_HOME", str(home))
        command = ["train", "--fast", "--authored-only", "--out", str(home / "bundle")]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        (home / "said.txt").write_text(result.stdout, "utf-8")
    return home


@pytest.fixture
def fast_mlflow(fast_home: Path) -> Iterator[Path]:
    """MLflow as the fast bundle's training left it."""
    with mlflow_in(fast_home):
        yield fast_home


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store without runs; making one takes seconds."""
    home = tmp_path_factory.mktemp("mlflow")
    with mlflow_in(home):
        return home / "mlflow.db"


@pytest.fixture
def mlflow_home(tmp_path: Path, empty_mlflow: Path) -> Iterator[Path]:
    """An empty home with an MLflow store."""
    (tmp_path / "home").mkdir()
    shutil.copyfile(empty_mlflow, tmp_path / "home" / "mlflow.db")
    with mlflow_in(tmp_path / "home") as home:
        yield home


@pytest.fixture(scope="session")
def loaded(fast_bundle: Path) -> Bundle:
    """The fast bundle, loaded."""
    return load_bundle(fast_bundle)


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The shipped policy."""
    return Policy.read()


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    """The shipped taxonomy."""
    return Taxonomy.read(TAXONOMY)


@pytest.fixture(scope="session")
def now() -> datetime:
    """The moment at which all tests play."""
    return NOW


@pytest.fixture(scope="session")
def make_report() -> Callable[..., Report]:
    """A checked report from its text and other fields of the contract."""

    def make(text: str | None = None, **fields: Any) -> Report:
        content = {"text": text, **fields.pop("content", {})}
        return parse_report({"report_id": "r-1", "content": content, **fields})[0]

    return make
