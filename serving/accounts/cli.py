"""`frontline user`: add, list and disable the people who sign in to the console."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serving.accounts import people
from serving.accounts.auth import ROLES, role_of
from serving.settings import Settings
from serving.store import Store, migrate

app = typer.Typer(no_args_is_help=True, help="Add, list and disable the people who sign in to the console.")
out = Console()
Name = Annotated[str, typer.Argument(help="What they sign in with; upper or lower case is the same.")]
Role = Annotated[str, typer.Argument(help=f"One of {', '.join(ROLES)}.")]


@app.command()
def create(name: Name, role: Role) -> None:
    """Add someone; asks for their first password, which they can change in the console."""
    role_of(role), people.checked_name(name)  # before a password is typed for nothing
    given = _asked()
    with _store() as store:
        who = people.create(store, name, role, given, datetime.now(UTC))
    out.print(f"{escape(who.name)} can sign in as {who.role}.", highlight=False)


@app.command("list")
def show() -> None:
    """List everyone."""
    table = Table("name", "role", "signs in", "added", "disabled")
    with _store() as store:
        found = people.list_people(store)
    for row in found:
        disabled = f"{row.disabled_at:%Y-%m-%d %H:%M}" if row.disabled_at else ""
        way = "single sign-on" if row.subject else "password"
        table.add_row(escape(row.name), row.role, way, f"{row.created_at:%Y-%m-%d %H:%M}", disabled)
    out.print(table)


@app.command()
def role(name: Name, role: Role) -> None:
    """Give someone another role, which holds at once."""
    with _store() as store:
        people.set_role(store, name, role)


@app.command()
def password(name: Name) -> None:
    """Give someone another password, which is asked for, and end their sessions."""
    given = _asked()
    with _store() as store:
        people.set_password(store, name, given)


@app.command()
def disable(name: Name) -> None:
    """Let someone in no more and end their sessions at once; what they decided stays."""
    with _store() as store:
        people.disable(store, name, datetime.now(UTC))


@app.command()
def enable(name: Name) -> None:
    """Let someone in again who was disabled."""
    with _store() as store:
        people.enable(store, name)


def _asked() -> str:
    given: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return given


@contextmanager
def _store() -> Iterator[Store]:
    store = Store(Settings().store_url)
    try:
        if store.is_sqlite:
            migrate(store)
        yield store
    finally:
        store.close()
