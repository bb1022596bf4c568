"""The bundle: one folder with everything that scoring needs, described, hashed and verified. No pickle, ever."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models import metadata, prepare
from models.calibration import Band, Platt
from models.errors import BundleRefused, InvalidTaxonomy, MissingData
from models.heldout import FILE as HELDOUT
from models.heldout import HeldOut
from models.runtime import Encoder, Floats, Heads, NgramModel, TextModel
from models.score import ModelRef, Probability
from models.severity import SEVERITIES
from models.taxonomy import Taxonomy

SCHEMA = "bundle.v1"
MANIFEST = "manifest.json"
PARTS = ("taxonomy.yaml", "heads.onnx", "metadata.onnx")
TEXT_PARTS = {"encoder": ("encoder.onnx", "tokenizer.json"), "hashed-ngrams.v1": ("ngrams.onnx",)}


class Threshold(BaseModel):
    """The probability from which a category is flagged, and the intent that chose it."""

    model_config = ConfigDict(frozen=True)

    value: Probability
    intent: str


class Golden(BaseModel):
    """An input with the outputs that this bundle must reproduce within the manifest's tolerance."""

    text: str
    violation: Probability | None
    expected_severity: Annotated[float, Field(ge=0, le=4)] | None


class Manifest(BaseModel):
    """`manifest.json`. Unknown fields are kept out, so that newer minor versions still load."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), allow_inf_nan=False)

    schema_version: Literal["bundle.v1"]
    name: str
    version: str
    created: str
    text_model: Literal["encoder", "hashed-ngrams.v1"]
    prepare: prepare.Version
    metadata: Literal["metadata.v1"]
    languages: list[str]
    outputs: list[str]  # of heads.onnx, in order: violation, the learned categories, severity_2 … severity_4
    calibration: dict[str, Platt]
    band: Band | None = None  # around the log-odds of violation; older bundles know none
    thresholds: dict[str, Threshold]
    prevalence: dict[str, float]  # of the calibration sample; the probabilities hold at it
    max_distance: float  # beyond this a text is out of distribution
    metadata_cap: float  # in log-odds; everything learnt from simulated metadata stays within it
    simulated: list[str]  # parts that were learnt from simulated data
    evaluation: dict[str, Any]
    training_data: list[dict[str, Any]]
    environment: dict[str, str]
    golden: list[Golden]
    golden_tolerance: float
    files: dict[str, str]  # name → SHA-256


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle. `digest` is the SHA-256 of the manifest, which holds those of all other files."""

    path: Path
    manifest: Manifest
    digest: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a bundle and verify its hashes, its schema and that its parts agree. Raises BundleRefused."""
        try:
            raw = (path / MANIFEST).read_bytes()
            manifest = Manifest.model_validate_json(raw)
        except OSError as error:
            raise BundleRefused(f"{path} holds no readable {MANIFEST}: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or MANIFEST
            raise BundleRefused(f"{path / MANIFEST} does not fit schema {SCHEMA}: {where}: {first['msg']}") from None
        if unlisted := sorted({*PARTS, *TEXT_PARTS[manifest.text_model]} - set(manifest.files)):
            raise BundleRefused(f"{path / MANIFEST} lists no hash for {', '.join(unlisted)}")
        bundle = cls(path, manifest, f"sha256:{hashlib.sha256(raw).hexdigest()}")
        for name in manifest.files:
            bundle._checked(name)
        bundle._check_agreement()
        return bundle

    def _checked(self, name: str) -> Path:
        """A file, if it holds what the manifest says. Raises BundleRefused."""
        file, expected = self.path / name, self.manifest.files[name]
        if Path(name).name != name or not file.is_file():
            raise BundleRefused(f"{self.path} lacks the file {name} that its manifest lists")
        try:
            found = sha256(file)
        except OSError as error:
            raise BundleRefused(f"{file} cannot be read: {error.strerror}") from error
        if found != expected:
            raise BundleRefused(f"{file} has SHA-256 {found[:12]}…, the manifest says {expected[:12]}…")
        return file

    def _check_agreement(self) -> None:
        """Whether outputs, calibration, thresholds and taxonomy know all that scoring asks for. Raises BundleRefused.

        More than that is fine, as a training may fit outputs that no score shows.
        """
        try:
            taxonomy = self.taxonomy
        except InvalidTaxonomy as error:
            raise BundleRefused(f"{self.path}: {error.message}") from None
        outputs = self.manifest.outputs
        if len(set(outputs)) < len(outputs):
            raise BundleRefused(f"{self.path / MANIFEST}: outputs names one twice")
        shown = [key for key in taxonomy.keys if key in outputs]
        for part, wanted, found in (
            ("outputs", ["violation", *taxonomy.learned, *SEVERITIES], outputs),
            ("calibration", outputs, self.manifest.calibration),
            ("thresholds", shown, self.manifest.thresholds),
        ):
            if lacking := [name for name in wanted if name not in found]:
                raise BundleRefused(f"{self.path / MANIFEST}: {part} lacks {', '.join(lacking)}")

    @property
    def name(self) -> str:
        """The model's name."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The model's version."""
        return self.manifest.version

    @property
    def ref(self) -> ModelRef:
        """How answers name the bundle."""
        return ModelRef(name=self.name, version=self.version, bundle=self.digest)

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The taxonomy that the bundle was trained for."""
        return Taxonomy.read(self.path / "taxonomy.yaml")

    @cached_property
    def text_model(self) -> TextModel:
        """The text model, opened once."""
        if self.manifest.text_model == "encoder":
            return Encoder(self.path / "encoder.onnx", self.path / "tokenizer.json")
        return NgramModel(self.path / "ngrams.onnx")

    @cached_property
    def heads(self) -> Heads:
        """The heads, opened once."""
        return Heads(self.path / "heads.onnx")

    def reference(self) -> tuple[dict[str, Any], Floats]:
        """What the calibration sample looked like: histograms, and embeddings [n, dimensions]. Never text."""
        histograms = json.loads((self.path / "reference.json").read_text("utf-8"))
        return histograms, np.load(self.path / "reference.npy", allow_pickle=False).astype(np.float32)

    def heldout(self) -> HeldOut:
        """What it says of the held-out texts.

        Raises MissingData where it, as older bundles do, keeps none of that; BundleRefused where the file has changed.
        """
        if HELDOUT not in self.manifest.files:
            raise MissingData(f"bundle {self.version} keeps no held-out answers ({HELDOUT}); train one that does")
        return HeldOut.read(self._checked(HELDOUT), self.manifest.outputs)


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:  # in pieces: what is read whole is not given back to the system
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: Path, fields: Mapping[str, Any], files: Mapping[str, Path]) -> Bundle:
    """Write a bundle folder from manifest fields and the files to copy in; return it, read back and hash-checked.

    The folder appears whole or not at all. Raises FileExistsError if `path` exists already.
    """
    if path.exists():
        raise FileExistsError(path)
    partial = path.with_name(path.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, source in files.items():
        shutil.copyfile(source, partial / name)
    fixed = {
        "schema_version": SCHEMA,
        "prepare": prepare.VERSION,
        "metadata": metadata.VERSION,
        "files": {name: sha256(partial / name) for name in sorted(files)},
    }
    manifest = Manifest.model_validate({**fields, **fixed})
    (partial / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", "utf-8")
    partial.rename(path)
    return Bundle.read(path)
