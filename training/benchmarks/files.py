"""A suite's file as published: CSV, tab-separated or JSON lines, perhaps gzipped. Errors name lines, never text."""

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models.errors import MissingData

NO_YES = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0}  # whole numbers that pandas wrote as floats, too
FIELD = 10**7  # characters of one CSV cell at most; Python's own limit is 131,072


class File:
    """A file read into memory, with its SHA-256 as it lies on disk."""

    def __init__(self, path: Path) -> None:
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise MissingData(f"{path} cannot be read: {error.strerror}") from error
        self.name = path.name
        self.sha256 = hashlib.sha256(raw).hexdigest()
        if raw.startswith(b"\x1f\x8b"):
            try:
                raw = gzip.decompress(raw)
            except (OSError, EOFError, zlib.error):
                raise MissingData(f"{self.name} is gzipped and damaged: get it again") from None
        try:
            self.text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self.wrong(raw[: error.start].count(b"\n") + 1, "UTF-8 text") from None

    def wrong(self, line: int, expected: str) -> MissingData:
        """The error of a line that does not hold what it should."""
        return MissingData(f"{self.name} line {line}: expected {expected}")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Numbered lines that are not blank. Only a line feed ends one: a message may hold other separators."""
        for number, line in enumerate(self.text.split("\n"), 1):
            if line.strip():
                yield number, line.removesuffix("\r")

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Numbered JSON lines."""
        for number, line in self.lines():
            try:
                found = json.loads(line)
            except ValueError:
                raise self.wrong(number, "a JSON object") from None
            if not isinstance(found, dict):
                raise self.wrong(number, "a JSON object")
            yield number, found

    def table(self, *columns: str) -> Iterator[tuple[int, dict[str, str]]]:
        """Numbered CSV rows by the header's column names in small letters; each of `columns` must be there."""
        csv.field_size_limit(FIELD)
        reader = csv.reader(io.StringIO(self.text, newline=""))
        header: list[str] = []
        before = 0  # a quoted cell may span lines: a row is named by its first
        try:
            for cells in reader:
                number, before = before + 1, reader.line_num
                if not cells:
                    continue
                if not header:
                    header = self._header(number, cells, columns)
                elif len(cells) != len(header):
                    raise self.wrong(number, f"{len(header)} columns, found {len(cells)}")
                else:
                    yield number, dict(zip(header, cells, strict=True))
        except csv.Error:
            raise self.wrong(before + 1, "CSV") from None
        if not header:
            raise self.wrong(1, f"a header with {', '.join(columns)}")

    def _header(self, number: int, cells: list[str], columns: tuple[str, ...]) -> list[str]:
        header = [cell.strip().lower() for cell in cells]
        if lacking := [column for column in columns if column.lower() not in header]:
            raise self.wrong(number, f"a header with {', '.join(columns)}; it lacks {', '.join(lacking)}")
        return header

    def one_of(self, number: int, column: str, cell: str, answers: Mapping[str, float]) -> float:
        """What a cell says, by the answers that its column may hold, in any case."""
        found = answers.get(cell.strip().lower())
        if found is None:
            raise self.wrong(number, f"{column} to be one of {', '.join(answers)}")
        return found

    def name_of(self, number: int, column: str, cell: str) -> str:
        """A cell that names a group: short, as it becomes the name of a figure, which no text may."""
        name = cell.strip()
        if len(name) > 40 or not all(c.isalnum() or c in " _-/&'" for c in name):
            raise self.wrong(number, f"{column} to be a short name")
        return name
