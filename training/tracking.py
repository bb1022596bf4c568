"""MLflow: what a run was given and what came of it, the registry and its aliases. Never report text."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before mlflow is imported: it would phone home otherwise.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from models.bundle import Bundle
from models.errors import MissingData
from training import plots

if TYPE_CHECKING:
    from training.comparison import Comparison
    from training.encoder import Encoder

MODEL = "frontline"
GATES = "gates"  # tag of a run: the conclusion of comparing its bundle with the champion
UNCOMPARED = "none, as `frontline train` makes none"  # its conclusion
CODE = Path(__file__).parents[1]
IMPORTED = ("numpy", "onnxruntime", "pandas", "py3langid", "pydantic", "pyyaml", "tokenizers")  # by the logged model
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


def connect(home: Path) -> None:
    """Use MLFLOW_TRACKING_URI where it is set, else a local store in `home`; create it once, before anything races."""
    if "MLFLOW_TRACKING_URI" not in os.environ:
        home.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{(home / 'mlflow.db').resolve()}")
        if mlflow.get_experiment_by_name("frontline") is None:
            mlflow.create_experiment("frontline", (home / "mlartifacts").resolve().as_uri())
    mlflow.set_experiment("frontline")


class Logged:
    """One MLflow run being written."""

    def comparison(self, found: Sequence["Comparison"], conclusion: str) -> None:
        """Log champion against challenger, and what follows from it."""
        for part in found:
            prefix = f"gate.{part.part.replace(' ', '_')}."
            mlflow.log_metrics(flatten({"champion": part.champion, "challenger": part.challenger}, prefix))
        mlflow.set_tag(GATES, conclusion)

    def bundle(self, bundle: Bundle, *, alias: str) -> str:
        """Log figures, plots and the bundle, register it as a model version under `alias`; return the version."""
        mlflow.log_params({"bundle": bundle.digest, "text_model": bundle.manifest.text_model})
        mlflow.log_metrics(flatten(bundle.manifest.evaluation))
        mlflow.log_dict({"training_data": bundle.manifest.training_data}, "training_data.json")
        with tempfile.TemporaryDirectory() as folder:
            for picture in plots.evaluation(bundle.manifest.evaluation, Path(folder)):
                mlflow.log_artifact(str(picture), "plots")
        mlflow.log_artifacts(str(bundle.path), "bundle")
        version = _log_model(bundle)
        client = MlflowClient()
        client.set_model_version_tag(MODEL, version, "bundle", bundle.digest)
        client.set_registered_model_alias(MODEL, alias, version)
        return version


def _log_model(bundle: Bundle) -> str:
    """Log and register the bundle as a model that runs without this checkout; return the version."""
    with tempfile.TemporaryDirectory() as folder:
        # Without the shipped bundle, which would go into every run.
        code = shutil.copytree(CODE / "models", Path(folder) / "models", ignore=shutil.ignore_patterns("bundles"))
        model = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={"bundle": str(bundle.path)},
            code_paths=[str(code), str(CODE / "training")],
            pip_requirements=[f"{name}=={version_of(name)}" for name in IMPORTED],
            registered_model_name=MODEL,
        )
    return str(model.registered_model_version)


@contextmanager
def run(name: str, parameters: Mapping[str, Any]) -> Iterator[Logged]:
    """An MLflow run with these parameters; it is marked failed if the block raises."""
    with mlflow.start_run(run_name=name):
        mlflow.log_params(dict(parameters))
        yield Logged()


def save_weights(encoder: "Encoder") -> None:
    """Keep the trainable weights in the run, for a later full fine-tune; the bundle does not need them."""
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.safetensors"
        save_file(encoder.state_dict(), path)
        mlflow.log_artifact(str(path), "weights")


def promoted(digest: str) -> None:
    """Move the registry's aliases: the version with this bundle is champion, the one before it previous."""
    client = MlflowClient()
    if not client.search_registered_models(f"name = '{MODEL}'"):
        return
    versions = client.search_model_versions(f"name = '{MODEL}'")
    found = [version.version for version in versions if version.tags.get("bundle") == digest]
    if not found:
        return
    aliases = client.get_registered_model(MODEL).aliases
    if (old := aliases.get(CHAMPION)) not in (None, found[0]):
        client.set_registered_model_alias(MODEL, PREVIOUS, old)
    client.set_registered_model_alias(MODEL, CHAMPION, found[0])


def challenger(folder: Path) -> tuple[Path, str]:
    """Download the challenger's bundle into `folder`; also the conclusion of its comparison.

    Raises MissingData where no version is registered as challenger.
    """
    client = MlflowClient()
    try:
        version = client.get_model_version_by_alias(MODEL, CHALLENGER)
    except MlflowException as error:
        raise MissingData("MLflow has no challenger: train or retrain first, or name a bundle's folder") from error
    path = mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path="bundle", dst_path=str(folder))
    return Path(path), client.get_run(version.run_id).data.tags.get(GATES, UNCOMPARED)


def flatten(figures: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Nested evaluation figures as flat metrics; intervals become `.low` and `.high`."""
    found: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            found |= flatten(value, f"{prefix}{name}.")
        elif name == "interval" and value is not None:
            found |= {f"{prefix}low": float(value[0]), f"{prefix}high": float(value[1])}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{name}"] = float(value)
    return found
