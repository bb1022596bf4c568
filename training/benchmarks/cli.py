"""`frontline benchmark`: the command itself; what it needs is loaded when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from models.bundle import Bundle
from models.loading import load_bundle
from serving.champion import champion_path
from serving.settings import Settings
from training.benchmarks.suites import Columns, Suite

LOG_WIDTH = 120  # columns of a pipe or a log, which would else be taken for 80


def _writable(path: Path | None) -> Path | None:
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):  # said now, and not after scoring
        raise typer.BadParameter(f"{path} is a folder, or lies in none")
    return path


def benchmark(
    suite: Annotated[Suite, typer.Argument(help="Which suite the file is.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="Its file as published; .gz too.", show_default=False)],
    bundle: Annotated[Path | None, typer.Option(help="Bundle folder. Default: the champion.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", callback=_writable, help="Write the figures here as JSON.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="csv: the column of texts.")] = None,
    label: Annotated[
        str | None, typer.Option(help="csv: the column of labels, yes or no (0/1, …) or category keys.")
    ] = None,
    category: Annotated[str | None, typer.Option(help="csv: measure this category. Default: P(violation).")] = None,
    refit: Annotated[bool, typer.Option(help="sms-spam: fine-tune on four fifths in turn. Takes long.")] = False,
    epochs: Annotated[int, typer.Option(min=1, help="With --refit: passes of fine-tuning.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the intervals and the refit.")] = 7,
) -> None:
    """Measure a bundle on a public evaluation suite: its published metrics with 95 % intervals, logged to MLflow."""
    _check(suite, text, label, category, refit)
    if refit and bundle:
        raise typer.BadParameter("--refit measures the recipe and takes no --bundle")
    from rich.console import Console

    from training import tracking
    from training.benchmarks.run import Ask, run, show, write

    settings = Settings()
    opened = None if refit else load_bundle(bundle or champion_path(settings.home) or settings.bundle)
    columns = _columns(opened, text, label, category) if opened and text and label else None
    tracking.connect(settings.home)
    result = run(Ask(suite, file, opened, seed, epochs, columns))
    if out:
        write(result, out)
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    console.print(show(result), highlight=False)
    if result.abstained is not None:
        typer.echo(f"The service would abstain on {result.abstained:.1%} of the texts; they count here all the same.")
    for note in result.notes:
        typer.echo(note)


def _check(suite: Suite, text: str | None, label: str | None, category: str | None, refit: bool) -> None:
    if suite is Suite.CSV and not (text and label):
        raise typer.BadParameter("name the columns with --text and --label")
    if suite is not Suite.CSV and (text or label or category):
        raise typer.BadParameter("--text, --label and --category are for csv alone")
    if refit and suite is not Suite.SMS_SPAM:
        raise typer.BadParameter("--refit is for sms-spam alone")


def _columns(bundle: Bundle, text: str, label: str, category: str | None) -> Columns:
    judged = [name for name in bundle.manifest.outputs if name in bundle.manifest.thresholds]
    if category is not None and category not in judged:
        raise typer.BadParameter(f"the bundle does not judge {category}; it judges {', '.join(judged)}")
    return Columns(text, label, category, {*bundle.taxonomy.keys, *judged})
