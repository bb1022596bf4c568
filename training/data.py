"""`frontline data`: get the public sources, bring in an operator's own decisions; a command loads what it needs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import MissingData
from models.taxonomy import Taxonomy
from serving.champion import champion_path
from serving.settings import Settings
from serving.store import Store, migrate
from training.sources import Source, read_sources

if TYPE_CHECKING:
    from serving.review.past import Reading

SOURCES = Path(__file__).parents[1] / "datasets" / "sources.toml"

app = typer.Typer(no_args_is_help=True, help="Get the public sources' text; bring in your own history of decisions.")
Names = Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]…", help="Sources by name. Default: all.")]


@app.command()
def fetch(
    sources: Names = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            envvar="FRONTLINE_DATA",
            show_envvar=True,
            help="Folder to write to. Default: data in the home folder.",
        ),
    ] = None,
    given: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Folder of upstream's files that came by other means, as SOURCE/FILE; the rest is downloaded.",
        ),
    ] = None,
) -> None:
    """Download the public sources from where they were published and convert them for training.

    Each row is checked against the shipped list: rows that are not in it are dropped, and the report says how many of
    the listed ones were found. A source that is there already is skipped. The text is offensive by nature.
    """
    from rich.console import Console

    from training.fetch.run import fetch_all, report

    out = out or Settings().home / "data"
    results = fetch_all(_chosen(sources), out, given, Console(stderr=True))
    Console().print(report(results), highlight=False)
    typer.echo(f"`frontline train --data {out}` reads them.")
    if not all(result.found for result in results):
        raise typer.Exit(1)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help=".csv, .parquet or .jsonl; rows are numbered from 1, without a header.")],
    columns: Annotated[
        str,
        typer.Option(
            help="What your columns are called: text=…,outcome=… and, where you have them, categories, severity, "
            "decided_at, report_id, reason, language."
        ),
    ] = "text=text,outcome=outcome",
    outcome: Annotated[
        list[str] | None, typer.Option(help="What an outcome of yours means: removed=violation. Repeatable.")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="What a category of yours is called here: toxic=harassment. Repeatable.")
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the refused rows' numbers and reasons here, as CSV.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row and keep none.")] = False,
) -> None:
    """Bring your own past decisions in: decided cases that `frontline retrain` learns from.

    A row has a text, the outcome violation or no_violation, and for a violation categories of the taxonomy, split by
    comma, semicolon or bar. Severity is 0 to 4 or none to critical. Times without a zone are UTC, rows without a time
    were decided now. The same file twice changes nothing. Rows that cannot be read are refused, the rest is kept.
    """
    from rich.console import Console

    from serving.review.imports import import_file

    settings = Settings()
    reading = _reading(settings, columns, outcome, category)
    store = Store(settings.store_url)
    migrate(store)
    with Console(stderr=True).status("Importing") as status:
        tally, reasons = import_file(store, reading, file, rejects, status.update, dry_run=dry_run)
    said = f"{tally.new:,} decisions {'would be' if dry_run else 'were'} imported, {tally.known:,} were here already"
    typer.echo("\n  ".join([f"{said}, {tally.refused:,} rows were refused.", *reasons]))
    if tally.refused == tally.rows > 0:
        raise typer.Exit(1)


@app.command("list-rows", hidden=True)
def list_rows(
    data: Annotated[Path, typer.Argument(help="Folder with the sources' files.")], sources: Names = None
) -> None:
    """For maintainers: write the shipped lists of rows (datasets/rows) from files as sources.toml describes them."""
    from training.fetch.run import make_lists

    for name, count in make_lists(_chosen(sources), data).items():
        typer.echo(f"{name}: {count:,} rows")


def _chosen(names: list[str] | None) -> list[Source]:
    known = {source.name: source for source in read_sources(SOURCES)}
    if unknown := sorted(set(names or ()) - set(known)):
        raise MissingData(f"sources.toml lists no source {', '.join(unknown)}; it lists {', '.join(known)}")
    return [known[name] for name in names] if names else list(known.values())


def _reading(settings: Settings, columns: str, outcome: list[str] | None, category: list[str] | None) -> "Reading":
    """What the options say about the rows, with the taxonomy in force."""
    from serving.queue.policies import in_force
    from serving.review.past import REQUIRED, Past, Reading

    named = {field: field for field in REQUIRED} | _pairs(columns.split(","), "--columns")
    if unknown := sorted(set(named) - set(Past.model_fields)):
        raise typer.BadParameter(f"there is no field {', '.join(unknown)}", param_hint="--columns")
    taxonomy = Taxonomy.read((champion_path(settings.home) or settings.bundle) / "taxonomy.yaml")
    outcomes, categories = _pairs(outcome, "--outcome"), _pairs(category, "--category")
    return Reading(named, taxonomy, in_force(settings), _folded(outcomes), _folded(categories))


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """NAME=VALUE, by name."""
    pairs: dict[str, str] = {}
    for pair in given or ():
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (name and equals and value):
            raise typer.BadParameter("expected NAME=VALUE", param_hint=option)
        pairs[name] = value
    return pairs


def _folded(pairs: dict[str, str]) -> dict[str, str]:
    return {name.casefold(): value for name, value in pairs.items()}
