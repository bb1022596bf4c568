"""The list of public sources: complete, of known licences, and true of the files where they are at hand."""

import os
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from models.taxonomy import Taxonomy
from training.fetch.download import addresses
from training.fetch.run import CONVERTERS
from training.labels import MAPPINGS
from training.rows import FOLDER, digest, listed, row_id
from training.sources import Source, read_sources

FILE = Path(__file__).parents[2] / "datasets" / "sources.toml"
SOURCES = read_sources(FILE)
NAMES = [source.name for source in SOURCES]


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_fields_are_complete(source: Source) -> None:
    entry = next(entry for entry in tomllib.loads(FILE.read_text("utf-8"))["source"] if entry["name"] == source.name)
    assert set(entry) == {field.name for field in fields(Source)}
    assert all(str(value).strip() for value in entry.values())
    assert all(address.startswith("https://") for address, _ in addresses(source))
    assert re.fullmatch(r"https://\S+|(PyPI|npm) \S+ [\d.]+", source.address)
    assert source.licence_class in {"A", "B"}
    assert source.language in {"en", "de"}
    assert source.use in {"train", "test", "mapping"}
    assert re.fullmatch(r"[0-9a-f]{64}", source.sha256)
    assert source.rows > 0
    assert source.asks.endswith("?") or source.use == "mapping"


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_licences(source: Source) -> None:
    copyleft = ("GPL", "CC-BY-SA-3.0-ES")
    assert (source.licence_class == "B") == any(part in source.licence for part in copyleft)
    assert "NC" not in source.licence.split("-")
    assert "ND" not in source.licence.split("-")


def test_names_are_unique_and_every_training_source_is_mapped() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert {source.name for source in SOURCES if source.use == "train"} == set(MAPPINGS)
    assert {source.language for source in SOURCES if source.use == "train"} == {"en"}


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_every_source_can_be_fetched(source: Source) -> None:
    assert source.name in CONVERTERS
    assert len(listed(source.name)) == source.rows


def test_the_lists_of_rows_are_small_and_of_sources_alone() -> None:
    files = list(FOLDER.iterdir())
    assert {file.stem for file in files} == set(NAMES) == set(CONVERTERS)
    assert sum(file.stat().st_size for file in files) < 850_000


def test_the_readme_names_every_source_with_its_rows() -> None:
    text = FILE.with_name("README.md").read_text("utf-8")
    for source in SOURCES:
        assert f"| {source.name} | {source.rows:,} | {source.licence_class}: {source.licence} |" in text


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_the_files_are_those_listed(source: Source, taxonomy: Taxonomy) -> None:
    folder = os.environ.get("FRONTLINE_DATA")
    if not folder:
        pytest.skip("FRONTLINE_DATA names no folder with the public sources")
    rows = list(source.read(Path(folder)))
    assert [row["id"] for row in rows] == [row_id(source.name, place) for place in range(source.rows)]
    assert [digest(row) for row in rows] == listed(source.name)
    if source.use == "train":
        labels = [MAPPINGS[source.name](row["labels"]) for row in rows]
        assert {key for label in labels for key in label.categories} <= set(taxonomy.learned)
        assert any(label.violation for label in labels)
