"""The labelled public sources: their list, and reading their files from the data folder, checked by hash."""

import gzip
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.bundle import sha256
from models.errors import MissingData


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of `sources.toml`; the fields are explained there."""

    name: str
    title: str
    address: str
    path: str
    licence: str
    licence_class: str
    citation: str
    language: str
    rows: int
    sha256: str
    asks: str
    problems: str
    use: str

    def file(self, data: Path) -> Path:
        """Where the source's file lies in a data folder; it may have the folder `open` of its own."""
        name = f"{self.name}.jsonl.gz"
        nested = data / "open" / name
        return nested if nested.is_file() else data / name

    def read(self, data: Path) -> Iterator[dict[str, Any]]:
        """Rows {"id", "text", "labels", "split"?}. Raises MissingData if the file is absent or another version."""
        file = self.file(data)
        if not file.is_file():
            raise MissingData(
                f"the data folder lacks {self.name}.jsonl.gz ({self.title}): get {self.path} from {self.address}, "
                f'convert it to JSON lines {{"id", "text", "labels"}}, gzip it, and put it into {data}'
            )
        if (found := sha256(file)) != self.sha256:
            raise MissingData(f"{file.name} has SHA-256 {found[:12]}…, sources.toml lists {self.sha256[:12]}…")
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def read_sources(path: Path) -> list[Source]:
    """Read `sources.toml`."""
    with path.open("rb") as file:
        return [Source(**entry) for entry in tomllib.load(file)["source"]]
