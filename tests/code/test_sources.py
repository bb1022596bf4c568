"""Reading public sources: a file that is missing or another version says so, and what to do."""

import gzip
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.errors import MissingData
from training import sources
from training.corpus import read_source
from training.labels import CLEAN, yes
from training.rows import digest
from training.sources import Source

ROWS: list[dict[str, Any]] = [
    {"id": "1", "text": "Win a made-up prize today", "labels": {"label": "spam"}},
    {"id": "2", "text": "See you at the pier at noon", "labels": {"label": "ham"}, "split": "test"},
]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A tiny made-up file in the folder, as a source describes it."""
    file = tmp_path / "sms_spam_smishing.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, ROWS)).encode(), mtime=0))
    fields = dict.fromkeys(("licence", "licence_class", "citation", "language", "asks", "problems", "use"), "x")
    return Source(
        name="sms_spam_smishing",
        title="A made-up source",
        address="https://example.org/made-up",
        files=["https://example.org/data.csv"],
        rows=2,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        **fields,
    )


def test_rows_are_read(source: Source, tmp_path: Path) -> None:
    assert list(source.read(tmp_path)) == ROWS


def test_rows_become_examples(source: Source, tmp_path: Path) -> None:
    spam, ham = read_source(source, tmp_path)
    assert (spam.labels, spam.official) == (yes(1, "spam"), None)
    assert (ham.labels, ham.official) == (CLEAN, "test")


def test_a_folder_open_is_looked_into(source: Source, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    source.file(tmp_path).rename(tmp_path / "open" / "sms_spam_smishing.jsonl.gz")
    assert len(list(source.read(tmp_path))) == 2


def test_a_missing_file_names_the_source_its_address_and_what_to_do(source: Source, tmp_path: Path) -> None:
    source.file(tmp_path).unlink()
    with pytest.raises(MissingData) as caught:
        list(source.read(tmp_path))
    for part in (source.title, source.address, f"frontline data fetch {source.name} --out {tmp_path}"):
        assert part in caught.value.message


def test_another_version_is_refused(source: Source, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="holds rows that are not of the listed version"):
        list(replace(source, sha256="0" * 64).read(tmp_path))


def test_a_file_that_lacks_rows_gives_the_others(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{**row, "id": f"{source.name}-{place}"} for place, row in enumerate(ROWS)]
    monkeypatch.setattr(sources, "listed", lambda name: [digest(row) for row in rows])
    other = replace(source, sha256="0" * 64)
    for kept in (rows, rows[1:]):
        source.file(tmp_path).write_bytes(gzip.compress("\n".join(map(json.dumps, kept)).encode(), mtime=1))
        assert list(other.read(tmp_path)) == kept
    moved = {**rows[1], "id": rows[0]["id"]}
    source.file(tmp_path).write_bytes(gzip.compress(json.dumps(moved).encode()))
    with pytest.raises(MissingData, match="not of the listed version"):
        list(other.read(tmp_path))


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"no JSON"), gzip.compress(b"{}" * 99)[:-9]],
    ids=["no gzip", "no JSON", "cut off"],  # made of the bytes, they would tell the time
)
def test_a_damaged_file_is_refused(source: Source, tmp_path: Path, content: bytes) -> None:
    source.file(tmp_path).write_bytes(content)
    with pytest.raises(MissingData, match=r"sms_spam_smishing.jsonl.gz is damaged; fetch it again"):
        list(source.read(tmp_path))
