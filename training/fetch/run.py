"""`frontline data fetch`: download each source, convert it, keep the listed rows, and say what was found."""

import csv
import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from models.bundle import sha256
from models.errors import MissingData
from training.fetch import folders, mails, tables
from training.fetch.download import Advance, files_of
from training.rows import FOLDER, Row, listed, place, write_list
from training.sources import Source

CONVERTERS: Mapping[str, Callable[[tables.Files], Iterator[Row]]] = {
    "ailuminate_en": tables.ailuminate,
    "covid_fake_news": tables.covid,
    "davidson_hate_offensive": tables.davidson,
    "edos_sexism": tables.edos,
    "ethos": tables.ethos,
    "gab_hate_corpus": tables.gab,
    "germeval2018_german": tables.germeval,
    "hatemoji_build": tables.hatemoji,
    "implicit_hate": tables.implicit_hate,
    "jigsaw_toxic_sample": tables.jigsaw,
    "online_misogyny_reddit": tables.misogyny,
    "openai_teen_safety_synthetic": tables.teen_safety,
    "perspective_wikipedia_model_scores": tables.perspective,
    "pyrit_harm_scores": tables.pyrit,
    "sms_spam_smishing": tables.sms,
    "spamassassin_email": mails.spamassassin,
    "stormfront_white_supremacy_forum": folders.stormfront,
    "surge_toxicity": tables.surge,
    "toxigen_demonstrations": folders.toxigen,
}


@dataclass(frozen=True)
class Fetched:
    """What became of one source: rows listed, found among upstream's, and of upstream's those that are not listed."""

    name: str
    listed: int
    found: int
    dropped: int
    note: str

    @property
    def missing(self) -> int:
        """Listed rows that upstream's files do not give."""
        return self.listed - self.found


def fetch_all(sources: Sequence[Source], out: Path, given: Path | None, console: Console) -> list[Fetched]:
    """Fetch each source, with a bar per download; one that fails leaves the others alone."""
    out.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:

        def fetch_one(source: Source) -> Fetched:
            task = progress.add_task(source.name, total=None)
            found = fetch(source, out, given, lambda done, of: progress.update(task, completed=done, total=of))
            progress.remove_task(task)
            return found

        return [fetch_one(source) for source in sources]


def fetch(source: Source, out: Path, given: Path | None, advance: Advance, rows: Path = FOLDER) -> Fetched:
    """Write a source's file, unless the listed version is there."""
    file = source.file(out)
    if file.is_file() and sha256(file) == source.sha256:
        return Fetched(source.name, source.rows, source.rows, 0, "was there")
    hashes = listed(source.name, rows)
    try:
        placed = place(source.name, hashes, _converted(source, files_of(source, given, advance)))
    except MissingData as error:
        return Fetched(source.name, len(hashes), 0, 0, error.message)
    if not placed.rows:
        return Fetched(source.name, len(hashes), 0, placed.dropped, "upstream's files are not those that were listed")
    write(file, placed.rows)
    note = "complete" if not placed.missing else "rows are missing; training takes the others"
    return Fetched(source.name, len(hashes), len(placed.rows), placed.dropped, note)


def write(file: Path, rows: Iterable[Row]) -> None:
    """Write rows as gzip JSON lines, the same bytes on every machine with the same zlib; all of them or none."""
    part = file.with_name(file.name + ".part")
    with part.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
        for row in rows:
            packed.write(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")
    part.replace(file)


def report(results: Sequence[Fetched]) -> Table:
    """A table of what was found."""
    shown = Table("source", "listed", "found", "missing", "dropped", "")
    for result in results:
        numbers = (result.listed, result.found, result.missing, result.dropped)
        shown.add_row(result.name, *(f"{number:,}" for number in numbers), result.note)
    return shown


def make_lists(sources: Sequence[Source], data: Path) -> dict[str, int]:
    """Write the list of each source's rows from the listed version of its file; for maintainers who change a source."""
    return {source.name: write_list(source.name, source.read(data)) for source in sources}


def _converted(source: Source, files: Mapping[str, bytes]) -> Iterator[Row]:
    try:
        yield from CONVERTERS[source.name](files)
    except (KeyError, IndexError, ValueError, csv.Error):
        # Which column or file was looked for tells the reader nothing; that the format is another one does.
        raise MissingData("upstream's files are of another format than those that were listed") from None
