"""The bundle: it loads only if every byte is what its manifest says, and if it still answers as it did."""

import json
import pickletools
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.bundle import MANIFEST, Bundle, sha256, write
from models.errors import BundleRefused
from models.loading import load_bundle
from serving.settings import SHIPPED_BUNDLE

FILES = [
    "calibration.png",
    "card.md",
    "heads.onnx",
    "heldout.npy",
    "metadata.onnx",
    "ngrams.onnx",
    "reference.json",
    "reference.npy",
    "taxonomy.yaml",
]
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def copy(fast_bundle: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(fast_bundle, tmp_path / "bundle"))


def edit(bundle: Path, change: Edit) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text("utf-8"))
    change(manifest)
    (bundle / MANIFEST).write_text(json.dumps(manifest), "utf-8")


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_written_bundle_loads(fast_bundle: Path, loaded: Bundle) -> None:
    assert sorted(file.name for file in fast_bundle.iterdir()) == sorted([*FILES, MANIFEST])
    assert sorted(loaded.manifest.files) == FILES
    assert loaded.digest == "sha256:" + sha256(fast_bundle / MANIFEST)
    assert len(loaded.manifest.golden) >= 5
    assert loaded.manifest.outputs[0] == "violation"
    assert loaded.manifest.simulated == ["metadata.onnx"]
    histograms, embeddings = loaded.reference()
    assert sum(histograms["lengths"]) == histograms["n"]
    assert len(embeddings) > 100


def test_the_reference_and_the_manifest_hold_no_text(fast_bundle: Path, loaded: Bundle) -> None:
    golden = {line.text for line in loaded.manifest.golden}
    corpus = Path(__file__).parents[2] / "datasets" / "authored" / "corpus.jsonl"
    texts = [json.loads(line)["text"] for line in corpus.read_text("utf-8").splitlines()]
    written = "".join((fast_bundle / name).read_text("utf-8") for name in (MANIFEST, "reference.json", "card.md"))
    assert not [text for text in texts if len(text) > 30 and text not in golden and json.dumps(text)[1:-1] in written]


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_byte_is_refused(copy: Path, name: str) -> None:
    flip(copy / name)
    with pytest.raises(BundleRefused, match=rf"{name} has SHA-256 .* the manifest says"):
        load_bundle(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleRefused, match=f"lacks the file {name}"):
        load_bundle(copy)


@pytest.mark.parametrize("name", ["heads.onnx", "metadata.onnx", "ngrams.onnx", "taxonomy.yaml"])
def test_a_part_that_the_manifest_does_not_hash_is_refused(copy: Path, name: str) -> None:
    edit(copy, lambda manifest: manifest["files"].pop(name))
    with pytest.raises(BundleRefused, match=f"lists no hash for {name}"):
        load_bundle(copy)


def _set(key: str, value: object) -> Edit:
    return lambda manifest: manifest.__setitem__(key, value)


def _outside(name: str) -> Edit:
    return lambda manifest: manifest["files"].__setitem__(name, "0" * 64)


def _wrong_answer(manifest: dict[str, Any]) -> None:
    answered = next(line for line in manifest["golden"] if line["violation"] is not None)
    answered["violation"] += -0.2 if answered["violation"] > 0.5 else 0.2


def _answer_taken_back(manifest: dict[str, Any]) -> None:
    answered = next(line for line in manifest["golden"] if line["violation"] is not None)
    answered["violation"] = answered["expected_severity"] = None


def _negative_slope(manifest: dict[str, Any]) -> None:
    manifest["calibration"]["violation"]["slope"] = -1


def _lacks(part: str, name: str) -> Edit:
    return lambda manifest: manifest[part].pop(name)


def _of_threshold(value: float) -> Edit:
    return lambda manifest: manifest["thresholds"]["hate"].__setitem__("value", value)


def _golden_nan(manifest: dict[str, Any]) -> None:
    manifest["golden"][0]["violation"] = float("nan")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set("schema_version", "bundle.v9"), "does not fit schema bundle.v1: schema_version"),
        (_set("prepare", "prepare.v9"), "prepare"),
        (_set("text_model", "pickle"), "text_model"),
        (_set("files", None), "files"),
        (_negative_slope, "calibration.violation.slope"),
        (_outside("../outside.onnx"), "lacks the file ../outside.onnx"),
        (_outside("/etc/hostname"), "lacks the file /etc/hostname"),
        (_outside(".."), r"lacks the file \.\."),
        (_wrong_answer, r"golden outputs differ by 0\.[12]"),
        (_answer_taken_back, "abstains where it should not"),
        (_golden_nan, r"golden\.0\.violation"),
        (_lacks("thresholds", "hate"), "thresholds lacks hate"),
        (_lacks("calibration", "hate"), "calibration lacks hate"),
        (_lacks("calibration", "severity_3"), "calibration lacks severity_3"),
        (lambda manifest: manifest["outputs"].remove("hate"), "outputs lacks hate"),
        (lambda manifest: manifest["outputs"].append("hate"), "outputs names one twice"),
        (_of_threshold(1.5), r"thresholds\.hate\.value"),
        (_of_threshold(float("nan")), r"thresholds\.hate\.value"),
        (_set("max_distance", float("nan")), "max_distance"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused(copy: Path, change: Edit, reason: str) -> None:
    (copy.parent / "outside.onnx").write_bytes(b"")
    edit(copy, change)
    with pytest.raises(BundleRefused, match=reason):
        load_bundle(copy)


@pytest.mark.parametrize("content", [b"", b"pineapple" * 100])
@pytest.mark.parametrize("name", ["heads.onnx", "metadata.onnx", "ngrams.onnx"])
def test_a_graph_that_cannot_be_opened_is_refused(copy: Path, name: str, content: bytes) -> None:
    (copy / name).write_bytes(content)
    edit(copy, lambda manifest: manifest["files"].__setitem__(name, sha256(copy / name)))
    with pytest.raises(BundleRefused, match="its graphs cannot be used") as refused:
        load_bundle(copy)
    assert "pineapple" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"lanes: [", b"lanes: []"])
def test_a_taxonomy_that_cannot_be_read_is_refused(copy: Path, content: bytes) -> None:
    (copy / "taxonomy.yaml").write_bytes(content)
    edit(copy, lambda manifest: manifest["files"].__setitem__("taxonomy.yaml", sha256(copy / "taxonomy.yaml")))
    with pytest.raises(BundleRefused, match=r"taxonomy\.yaml is not a usable taxonomy"):
        load_bundle(copy)


@pytest.mark.parametrize("content", [b"", b"[]", b"not json", b"\xff\xfe"])
def test_what_is_no_manifest_is_refused(copy: Path, content: bytes) -> None:
    (copy / MANIFEST).write_bytes(content)
    with pytest.raises(BundleRefused, match=MANIFEST):
        load_bundle(copy)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=r"holds no readable manifest\.json"):
        load_bundle(tmp_path)


def test_a_newer_minor_version_still_loads(copy: Path) -> None:
    edit(copy, _set("mood", "cheerful"))
    assert load_bundle(copy).version


def test_no_file_is_a_pickle(fast_bundle: Path) -> None:
    for file in fast_bundle.iterdir():
        assert file.suffix in {".json", ".yaml", ".md", ".onnx", ".npy", ".png"}
        with pytest.raises(ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bytes that are no pickle make odd string literals
            list(pickletools.genops(file.read_bytes()))


def test_writing_never_replaces_a_bundle(fast_bundle: Path, loaded: Bundle) -> None:
    with pytest.raises(FileExistsError):
        write(fast_bundle, loaded.manifest.model_dump(), {})


def test_writing_is_all_or_nothing(tmp_path: Path, fast_bundle: Path, loaded: Bundle) -> None:
    fields = loaded.manifest.model_dump()
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "new", fields, {"heads.onnx": tmp_path / "absent"})
    assert not (tmp_path / "new").exists()
    files = {name: fast_bundle / name for name in FILES}
    assert write(tmp_path / "new", fields, files).manifest.files == loaded.manifest.files


def test_the_default_bundle_lies_in_the_package() -> None:
    assert SHIPPED_BUNDLE.parts[-3:] == ("models", "bundles", "default")
