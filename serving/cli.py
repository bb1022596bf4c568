"""The command line `frontline`: run the service, look after people and tokens, score files, see the queue."""

import math
import os
import sys
from contextlib import nullcontext
from importlib.metadata import entry_points
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, ProgrammingError
from typer.core import TyperGroup

from models import Bundle, FrontlineError, Scorer, load_bundle
from models.intents import LIMITS, TARGETS
from models.thresholds import ThresholdRequest, answer
from serving.accounts import auth
from serving.accounts import cli as people_cli
from serving.champion import champion_path
from serving.files import json_lines, read_rows, score_rows
from serving.perspective import cli as perspective_cli
from serving.quality import cli as quality_cli
from serving.queue import policies, policy_cli
from serving.settings import Settings
from serving.show import queue_table, threshold_table
from serving.simulation import cli as simulation_cli
from serving.store import Store
from serving.store import migrate as migrate_store
from serving.up import server_command, up_service

STORE = "FRONTLINE_DATABASE_URL and that its server runs"


class PlainErrors(TyperGroup):
    """Shows what users can mend as one line instead of a traceback: our own errors, settings, the store's address, a
    file that cannot be opened, a missing optional package.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except FrontlineError as error:
            err.print(f"[bold red]{error.code}[/]: {escape(error.message)}", highlight=False)
        except ValidationError as error:
            if error.title != Settings.__name__:
                raise
            found = error.errors(include_url=False, include_input=False)[0]
            named = [f"FRONTLINE_{str(part).upper().removeprefix('FRONTLINE_')}: " for part in found["loc"][:1]]
            err.print(escape(f"setting {''.join(named)}{found['msg']}"), highlight=False)
        except (OperationalError, ArgumentError, NoSuchModuleError) as error:
            err.print(escape(f"the store cannot be used ({type(error).__name__}); check {STORE}"), highlight=False)
        except ProgrammingError:
            err.print("the store is of another version; `frontline migrate` brings it to this one", highlight=False)
        except OSError as error:
            err.print(escape(f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")), highlight=False)
        except ModuleNotFoundError as error:
            remedy = "`pip install 'psycopg[binary]'`" if error.name == "psycopg" else "`make dev` in the checkout"
            err.print(escape(f"this command needs {error.name}: {remedy} installs it"), highlight=False)
        raise typer.Exit(1)


app = typer.Typer(
    cls=PlainErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they would show report text
    help="Triage scoring for Trust & Safety report queues.",
)
token_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke the tokens of programs that call the API.")
app.add_typer(token_app, name="token")
app.add_typer(people_cli.app, name="user")
app.add_typer(policy_cli.app, name="policy")
app.add_typer(quality_cli.golden, name="golden")
app.add_typer(quality_cli.notice, name="notice")
app.command()(quality_cli.quality)
app.add_typer(perspective_cli.app, name="suggestions")
simulation_cli.register(app)
out, err = Console(), Console(stderr=True)


def _store() -> Store:
    store = Store(Settings().store_url)
    if store.is_sqlite:
        migrate_store(store)
    return store


@app.command()
def serve() -> None:
    """Run the service in the foreground; Ctrl-C lets requests in flight finish. Settings come from FRONTLINE_…."""
    command, environment = server_command(Settings())
    os.execve(command[0], command, environment)  # noqa: S606  (this very interpreter)


@app.command()
def up() -> None:
    """Set up whatever is missing and run the service: store, people, a token, and sample reports in an empty store."""
    raise typer.Exit(up_service(Settings(), out))


@app.command()
def migrate() -> None:
    """Bring the store to the current schema."""
    store = Store(Settings().store_url)
    migrate_store(store)
    out.print(f"The store {store.url.render_as_string(hide_password=True)} is current.", highlight=False)


@token_app.command("create")
def token_create(role: str, name: Annotated[str, typer.Option(help="Who or what it is for.")] = "") -> None:
    """Make a token for a role and print it, once."""
    print(auth.create_token(_store(), name or role, role))


@token_app.command("list")
def token_list() -> None:
    """List the tokens."""
    table = Table("id", "name", "role", "created", "revoked")
    for row in auth.list_tokens(_store()):
        revoked = f"{row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else ""
        table.add_row(row.id, escape(row.name), row.role, f"{row.created_at:%Y-%m-%d %H:%M}", revoked)
    out.print(table)


@token_app.command("revoke")
def token_revoke(token_id: str) -> None:
    """Refuse a token, given by its id; a running service does so within five seconds."""
    auth.revoke_token(_store(), token_id)


@app.command()
def score(
    source: Annotated[str, typer.Argument(metavar="FILE", help=".jsonl, .csv or .parquet; - for JSON lines on stdin.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write here instead of to stdout.")] = None,
) -> None:
    """Score a file of reports: one JSON line per row, in order; a row that cannot be scored says why in its place."""
    settings = Settings()
    bundle = load_bundle(champion_path(settings.home) or settings.bundle)
    rows = json_lines(sys.stdin.buffer) if source == "-" else read_rows(Path(source))
    lines = score_rows(Scorer(bundle, policy=policies.in_force(settings), metadata=settings.metadata), rows)
    if output and output.exists() and source != "-" and output.samefile(source):
        raise typer.BadParameter("the scores would overwrite the reports; name another file with --output")
    first = list(islice(lines, 1))  # before the output is opened, as the file may not be there
    with output.open("w", encoding="utf-8") if output else nullcontext(sys.stdout) as target:
        for line in track(chain(first, lines), "Scoring", total=None, console=err, transient=True):
            target.write(line + "\n")


@app.command("queue")
def show_queue(limit: Annotated[int, typer.Option(min=1, max=1000)] = 20) -> None:
    """Show the first waiting cases, without their text."""
    out.print(queue_table(_store(), policies.in_force(Settings()), limit))


def _number(value: float | None) -> float | None:
    """Refuse NaN, which lies in every range that Typer checks."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is not a number")
    return value


@app.command()
def thresholds(
    intent: Annotated[
        str,
        typer.Argument(
            help=f"`maximum TARGET` or `maximum TARGET @ METRIC >= NUMBER` (or <=). TARGET: {', '.join(TARGETS)}; "
            f"METRIC: {', '.join(LIMITS)}. Quote it, as the shell reads > otherwise."
        ),
    ],
    category: Annotated[str, typer.Option(help="A category that the bundle learnt, or `violation`.")],
    prevalence: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            callback=_number,
            help="Share of your reports that are positive; corrects what depends on it. Default: the sample's.",
        ),
    ] = None,
    reports_per_day: Annotated[
        float | None, typer.Option(min=0, max=1e12, callback=_number, help="Reports that come in a day.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle folder. Default: the one in service.")] = None,
) -> None:
    """Find the threshold for an intent such as "maximum recall @ precision >= 0.9"; exit status 1 if none does it.

    It is chosen on the bundle's held-out calibration texts; the figures with intervals come from its test texts.
    """
    settings = Settings()
    wanted = ThresholdRequest(intent=intent, category=category, prevalence=prevalence, reports_per_day=reports_per_day)
    found = answer(Bundle.read(bundle or champion_path(settings.home) or settings.bundle), wanted)
    out.print(threshold_table(found))
    for line in found.explanation:
        out.print(line, highlight=False, markup=False)
    for line in found.warnings:
        out.print(f"[bold yellow]Beware.[/] {escape(line)}", highlight=False)


def _load_commands() -> None:
    """Add the commands of other packages; one whose extras are not installed goes missing, the rest stay."""
    for point in entry_points(group="frontline.commands"):
        try:
            register = point.load()
        except ImportError:
            continue
        register(app)


_load_commands()
