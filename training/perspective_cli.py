"""`frontline fit-perspective` and `compare-perspective`: the mapping onto Perspective's scale, shipped or one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from models import Scorer, load_bundle
from models.bundle import Bundle
from models.errors import MissingData
from serving.champion import champion_path
from serving.perspective import scores as scale_files
from serving.perspective.attributes import ATTRIBUTES
from serving.perspective.scores import SHIPPED_MAPPING, Floats, Head
from serving.settings import SHIPPED_BUNDLE, Settings

if TYPE_CHECKING:  # scipy, which other commands need not wait for
    from training.perspective import Comments

SOURCE = "perspective_wikipedia_model_scores"
CUT_OFFS = (0.5, 0.7, 0.8, 0.9)
out = Console()
Mapping = Annotated[Path, typer.Option("--out", "-o", help="Where the mapping goes; what is there is replaced.")]


def register(app: typer.Typer) -> None:
    """Add both commands to the CLI."""
    app.command()(fit_perspective)
    app.command()(compare_perspective)


def fit_perspective(
    data: Annotated[
        Path, typer.Option(envvar="FRONTLINE_DATA", help=f"Folder with the public sources' files, {SOURCE}.jsonl.gz.")
    ],
    bundle: Annotated[Path, typer.Option(help="Bundle that the mapping is for.")] = SHIPPED_BUNDLE,
    mapping: Mapping = SHIPPED_MAPPING,
) -> None:
    """Fit the shipped mapping onto Perspective's scale, to Wikipedia comments with scores of 2018, for nothing else."""
    from training.data import SOURCES
    from training.perspective import read_comments
    from training.perspective_log import latest
    from training.sources import read_sources

    source = next(source for source in read_sources(SOURCES) if source.name == SOURCE)
    rows = list(source.read(data))
    loaded = load_bundle(bundle)
    comments = read_comments(Scorer(loaded), [row["text"] for row in rows])
    given = [latest({name: float(value) for name, value in row["labels"].items()}) for row in rows]
    scores = {name: comments.mean(np.array([row.get(name, np.nan) for row in given])) for name in ATTRIBUTES}
    heads, sides = _fit(comments, scores, {}, CUT_OFFS)
    said = f"{source.title}, 2018"
    _write(mapping, loaded, said, heads)
    out.print(_figures(said, heads), sides)


def compare_perspective(
    log: Annotated[
        Path,
        typer.Argument(help=".jsonl, .csv or .parquet with texts and the scores that Perspective gave them."),
    ],
    cut_off: Annotated[list[float] | None, typer.Option(min=0, max=1, help="A cut-off in use. Repeatable.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle folder. Default: the one in service.")] = None,
    mapping: Mapping = Path("perspective-mapping.json"),
) -> None:
    """Fit the mapping to your own logged scores, show what changes sides, and write it for the façade.

    A row is a comment: columns text, TOXICITY, INSULT and so on, or the protocol's request and answer as logged. Of
    more than 4,000 rows, 4,000 are drawn at random. Every figure is of comments that the head which scored them had not
    seen. FRONTLINE_PERSPECTIVE_MAPPING names the result.
    """
    from training.perspective import read_comments
    from training.perspective_log import read_log

    settings = Settings()
    logged = read_log(log)
    loaded = load_bundle(bundle or champion_path(settings.home) or settings.bundle)
    start = _shipped(loaded)
    comments = read_comments(Scorer(loaded), logged.texts)
    scores = {name: comments.mean(values) for name, values in logged.scores.items()}
    heads, sides = _fit(comments, scores, start, cut_off or CUT_OFFS)
    source = f"{len(comments.signals):,} comments of the site's own log"
    if as_shipped := [name for name in start if name not in heads]:
        source += f"; as shipped: {', '.join(as_shipped)}"
    _write(mapping, loaded, source, start | heads)
    out.print(_figures(source, heads), sides)
    used = int((comments.of >= 0).sum())
    out.print(
        f"{used:,} rows were used, {logged.left_out:,} were not drawn, "
        f"{logged.refused + len(logged.texts) - used:,} had no text or no score. "
        f"Set FRONTLINE_PERSPECTIVE_MAPPING={mapping} and start the service again to use this mapping.",
        highlight=False,
    )


def _fit(
    comments: "Comments", scores: dict[str, Floats], start: dict[str, Head], cut_offs: Sequence[float]
) -> tuple[dict[str, Head], Table]:
    """The heads, and what changes sides at each cut-off; says which could not be fitted. Raises MissingData."""
    from training.perspective import MIN_ROWS, fit
    from training.perspective_log import changes, show

    fitted = fit(comments, scores, start)
    if left := ", ".join(name for name in scores if name not in fitted):
        why = f"{left}: not fitted, as fewer than {MIN_ROWS} different comments have a score, or all the same"
        if not fitted:
            raise MissingData(why)
        out.print(why, highlight=False)
    known = {name: scores[name][np.isfinite(scores[name])] for name in fitted}
    found = changes(known, {name: each.held_out for name, each in fitted.items()}, cut_offs)
    return {name: each.head for name, each in fitted.items()}, show(found)


def _shipped(bundle: Bundle) -> dict[str, Head]:
    """The shipped heads, where they are this bundle's."""
    try:
        shipped = scale_files.read(SHIPPED_MAPPING)
    except (OSError, ValueError):
        return {}
    return shipped.attributes if shipped.bundle == bundle.digest else {}


def _write(path: Path, bundle: Bundle, source: str, heads: dict[str, Head]) -> None:
    scale_files.write(path, {"bundle": bundle.digest, "source": source, "attributes": heads})


def _figures(source: str, heads: dict[str, Head]) -> Table:
    table = Table("attribute", "rows", "Spearman", "95 %", "mean absolute error", "95 %", title=source)
    for name, head in heads.items():
        cells = [str(cell) for figure in (head.spearman, head.error) for cell in (figure.value, figure.interval)]
        table.add_row(name, f"{head.rows:,}", *cells)
    return table
