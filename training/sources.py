"""The labelled public sources: their list, and reading their files from the data folder, checked by hash."""

import gzip
import json
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.bundle import sha256
from models.errors import MissingData
from training.rows import Row, is_listed, listed


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of `sources.toml`; the fields are explained there."""

    name: str
    title: str
    address: str
    files: list[str]
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

    def read(self, data: Path) -> Iterator[Row]:
        """Rows {"id", "text", "labels", "split"?}; a file that lacks some of them gives the others.

        Raises MissingData if the file is absent, damaged, or holds a row that is not listed.
        """
        file = self.file(data)
        if not file.is_file():
            raise MissingData(
                f"the data folder lacks {file.name} ({self.title}): "
                f"`frontline data fetch {self.name} --out {data}` gets it from {self.address} and converts it"
            )
        hashes = None if sha256(file) == self.sha256 else listed(self.name)
        try:
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                for row in map(json.loads, lines):
                    if hashes is not None and not is_listed(self.name, hashes, row):
                        raise MissingData(f"{file.name} holds rows that are not of the listed version; fetch it again")
                    yield row
        except (OSError, EOFError, zlib.error, ValueError):
            raise MissingData(f"{file.name} is damaged; fetch it again") from None


def read_sources(path: Path) -> list[Source]:
    """Read `sources.toml`."""
    with path.open("rb") as file:
        return [Source(**entry) for entry in tomllib.load(file)["source"]]
