"""`frontline suggestions`: who suggested scores, and whose suggestions are learnt from."""

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from serving.perspective import suggestions
from serving.settings import Settings
from serving.store import Store, migrate

app = typer.Typer(no_args_is_help=True, help="Scores that callers suggested, held apart until their token is trusted.")
out = Console()


def _store() -> Store:
    store = Store(Settings().store_url)
    if store.is_sqlite:
        migrate(store)
    return store


@app.command("list")
def list_() -> None:
    """Show how much each token suggested, and since when it is trusted."""
    table = Table(Column("token", min_width=32), "name", "suggestions", "trusted since")
    for row in suggestions.tally(_store()):
        since = f"{row.trusted_at:%Y-%m-%d %H:%M}" if row.trusted_at else "held apart"
        table.add_row(row.id, escape(row.name), f"{row.count:,}", since)
    out.print(table)


@app.command()
def trust(token_id: str) -> None:
    """Let `frontline retrain` learn from what a token suggested and suggests."""
    suggestions.trust(_store(), token_id, trusted=True)


@app.command()
def distrust(token_id: str) -> None:
    """Hold a token's suggestions apart again."""
    suggestions.trust(_store(), token_id, trusted=False)


@app.command()
def forget(token_id: str) -> None:
    """Delete all that a token suggested."""
    out.print(f"{suggestions.forget(_store(), token_id):,} suggestions deleted.", highlight=False)
