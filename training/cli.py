"""The commands of data scientists; the one CLI finds `register` through an entry point."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from models.bundle import Bundle
from models.errors import BundleRefused
from models.loading import load_bundle
from serving import champion as champions
from serving.quality import notices
from serving.queue.policies import in_force
from serving.settings import SHIPPED_BUNDLE, Settings
from serving.store import Store, migrate
from training import perspective_cli
from training.behaviour.cli import behaviour
from training.benchmarks.cli import benchmark
from training.data import app as data_app


def _absent(path: Path) -> Path:
    if path.exists():  # said now, and not after hours of training
        raise typer.BadParameter(f"{path} exists; name another folder, or remove it")
    return path


def _base_folder(base: str | None) -> str | None:
    if base is not None and not (Path(base) / "tokenizer.json").is_file():
        raise typer.BadParameter(f"{base} is no folder with an encoder and its tokenizer.json")
    return base


Data = Annotated[
    Path | None, typer.Option(envvar="FRONTLINE_DATA", help="Folder with the public sources' files, <name>.jsonl.gz.")
]
Out = Annotated[
    Path, typer.Option("--out", "-o", callback=_absent, help="Folder to write the bundle to; it must not exist.")
]
Seed = Annotated[int, typer.Option(help="The same seed, data and machine give the same scores.")]
Base = Annotated[
    str | None,
    typer.Option(callback=_base_folder, metavar="FOLDER", help="Base encoder. Default: the packaged MiniLM."),
]


def register(app: typer.Typer) -> None:
    """Add the training commands to the CLI."""
    for command in (train, evaluate, retrain, promote, audit, behaviour, benchmark):
        app.command()(command)
    app.add_typer(data_app, name="data")
    perspective_cli.register(app)


def train(
    out: Out = Path("bundle"),
    data: Data = None,
    authored_only: Annotated[bool, typer.Option(help="Train without the public sources.")] = False,
    fast: Annotated[bool, typer.Option(help="A hashed n-gram model in seconds, for a try.")] = False,
    seed: Seed = 7,
    without: Annotated[list[str] | None, typer.Option(help="Leave out a public source; repeatable.")] = None,
    base: Base = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes of fine-tuning.")] = 4,
    per_source: Annotated[int, typer.Option(min=1, help="Texts that most sources give to a pass at most.")] = 500,
) -> None:
    """Train a bundle: fine-tune, calibrate, export, evaluate, log to MLflow. An interrupted run resumes."""
    from training import tracking
    from training.batches import Schedule
    from training.train import Options
    from training.train import train as run

    if data is None and not authored_only:
        raise typer.BadParameter("name the folder of the public sources, or pass --authored-only", param_hint="--data")
    settings = Settings()
    tracking.connect(settings.home)
    options = Options(
        out=out,
        runs=settings.home / "runs",
        data=None if authored_only else data,
        fast=fast,
        seed=seed,
        without=tuple(without or ()),
        base=base,
        schedule=Schedule(epochs=epochs, per_source=per_source),
    )
    bundle = run(options)
    typer.echo(
        f"{bundle.digest}\n{out / 'card.md'} says how good it is; `frontline promote {out}` puts it into service."
    )


def evaluate(
    data: Data = None,
    bundle: Annotated[Path, typer.Option(help="Bundle to measure.")] = SHIPPED_BUNDLE,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the figures and plots.")] = Path("evaluation"),
    leave_one_source_out: Annotated[
        bool, typer.Option(help="Also: how heads fitted without a source do on it, on the frozen base encoder.")
    ] = False,
    fine_tune_without: Annotated[
        list[str] | None,
        typer.Option(help="Also: the same by fine-tuning, of this source; repeatable, about 20 minutes each."),
    ] = None,
    learning_curve: Annotated[
        bool, typer.Option(help="Also: average precision by the share of authored rows, on the frozen base encoder.")
    ] = False,
    seed: Seed = 7,
    base: Base = None,
) -> None:
    """Measure a bundle again on the held-out texts, and compare with what it says about itself."""
    from rich.console import Console

    from training import reproduce

    if data is None:
        raise typer.BadParameter("name the folder of the public sources", param_hint="--data")
    loaded = load_bundle(bundle)
    corpus, others = reproduce.corpus_of(loaded, data)
    # First, because it refuses a wrong name at once.
    tuned = reproduce.fine_tuned_without(corpus, base, fine_tune_without, seed) if fine_tune_without else []
    figures = reproduce.measure(loaded, corpus, seed)
    left_out = reproduce.without_each_source(corpus, base, seed) if leave_one_source_out else []
    reproduce.write(figures, {"leave_one_source_out": left_out, "fine_tuned_without": tuned}, out)
    if learning_curve:
        reproduce.write_learning_curve(corpus, base, seed, out)
    for title, rows in (("on the frozen base encoder", left_out), ("by fine-tuning", tuned)):
        if rows:
            Console().print(reproduce.table_of(rows, title))
    if others:
        typer.echo(f"The data are not those of the bundle ({others}): splits, and so figures, may differ.")
    gap, names = reproduce.difference(loaded.manifest.evaluation, figures)
    typer.echo(f"{names} figures compared with the bundle's own: they differ by at most {gap:.4f}. See {out}.")


def retrain(
    out: Out = Path("challenger"),
    data: Data = None,
    weights: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Trainable weights (encoder.safetensors) for a full fine-tune."),
    ] = None,
    seed: Seed = 7,
    base: Base = None,
) -> None:
    """Learn from the stored decisions and compare with the champion; registers the result as challenger.

    The comparison says something from 50 violations on among the newest fifth of the decided texts.
    """
    from rich.console import Console

    from training import tracking
    from training.comparison import PASSED, conclusion, show
    from training.retrain import retrain as run
    from training.train import Options

    settings = Settings()
    tracking.connect(settings.home)
    options = Options(out=out, runs=settings.home / "runs", data=data, seed=seed, base=base)
    bundle, comparisons = run(options, _store(settings), _champion(settings), weights)
    Console(stderr=True).print(show(comparisons))
    said = conclusion(comparisons)
    how = "makes it champion" if said == PASSED else "needs --force to make it champion"
    typer.echo(f"{bundle.digest} is challenger; comparison with the champion: {said}. `frontline promote` {how}.")


def promote(
    bundle: Annotated[Path | None, typer.Argument(help="A bundle folder. Default: MLflow's challenger.")] = None,
    force: Annotated[
        bool,
        typer.Option(help="Promote a challenger that failed its comparison, had too few texts for it, or has none."),
    ] = False,
) -> None:
    """Put a bundle into service: a running service loads it at once and drops no request."""
    import tempfile

    from training import tracking
    from training.comparison import PASSED

    settings = Settings()
    tracking.connect(settings.home)
    with tempfile.TemporaryDirectory() as folder:
        said: str = PASSED  # whoever names a bundle has looked at it
        if bundle is None:
            bundle, said = tracking.challenger(Path(folder))
        if said != PASSED and not force:
            typer.echo(f"comparison with the champion: {said}; --force promotes the challenger all the same", err=True)
            raise typer.Exit(1)
        digest = champions.install(bundle, settings.home)
    old = _manifest(settings)
    champions.set_champion(settings.home, digest)
    new = _manifest(settings)
    if old and new:  # a running service would notice by itself; from one that is not, reviewers would never hear
        notices.announce_bundle(_store(settings), old, new, in_force(settings), datetime.now(UTC))
    tracking.promoted(digest)
    typer.echo(f"champion is {digest}")


def audit(
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML page to write.")] = Path("audit.html"),
    days: Annotated[int, typer.Option(min=1, help="Length of the window that ends now, in days.")] = 7,
) -> None:
    """Compare recent scores and inputs with the bundle's reference; writes a page with effect sizes."""
    from training.audit import audit as run
    from training.audit import render

    settings = Settings()
    found = run(_store(settings), _champion(settings), days, datetime.now(UTC))
    out.write_text(render(found), "utf-8")
    typer.echo(f"{found.n} scores of the last {days} days: {found.headline} See {out}.")


def _store(settings: Settings) -> Store:
    store = Store(settings.store_url)
    migrate(store)
    return store


def _manifest(settings: Settings) -> Bundle | None:
    """The champion without what scores; None where it cannot be read, which another replaces all the same."""
    try:
        return Bundle.read(champions.champion_path(settings.home) or settings.bundle)
    except BundleRefused:
        return None


def _champion(settings: Settings) -> Bundle:
    return load_bundle(champions.champion_path(settings.home) or settings.bundle)
