"""`frontline policy`: see what another policy would do to the waiting cases, and put it in force."""

import heapq
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sqlalchemy import func, select

from models import Scorer, load_bundle
from models.errors import InvalidPolicy
from models.policy import LANES, Policy
from serving.champion import champion_path
from serving.quality import notices
from serving.queue import policies
from serving.queue.policies import BATCH, Move
from serving.settings import Settings
from serving.store import Store, migrate

app = typer.Typer(no_args_is_help=True, help="Check, compare and put in force what orders the queue (policy.yaml).")
out = Console()
File = Annotated[Path, typer.Argument(metavar="FILE", help="A policy file; begin with a copy of the shipped one.")]
SHOWN = 10  # cases that are shown one by one


@app.command()
def check(file: File) -> None:
    """Check a policy file and show what it would change for the cases that wait; nothing is changed.

    Their texts are scored anew by the bundle in force, so that what a new bundle changes shows as well.
    """
    settings = Settings()
    policy = Policy.read(file)
    store, scorer = _opened(settings, policy)
    found = _Changes()
    for batch in _tracked(store, scorer):
        found.add(batch)
    _show(policy, scorer, found)


@app.command()
def apply(file: File) -> None:
    """Put a policy in force: a running service takes it up within a second, and waiting cases are placed anew.

    Their texts are scored anew by the bundle in force.
    """
    settings = Settings()
    old = _standing(settings)
    policy = policies.put_in_force(settings, file)
    store, scorer = _opened(settings, policy)
    if old is not None:
        notices.announce_policy(store, old, policy, datetime.now(UTC))
    found = _Changes()
    for batch in _tracked(store, scorer):
        policies.place_anew(store, policy, batch)
        found.add(batch)
    _show(policy, scorer, found)


def _standing(settings: Settings) -> Policy | None:
    """The policy in force until now; None where that is not a usable one, which another replaces all the same."""
    try:
        return policies.in_force(settings)
    except InvalidPolicy:
        return None


def _opened(settings: Settings, policy: Policy) -> tuple[Store, Scorer]:
    store = Store(settings.store_url)
    if store.is_sqlite:
        migrate(store)
    bundle = load_bundle(champion_path(settings.home) or settings.bundle)
    return store, Scorer(bundle, policy=policy, metadata=settings.metadata, remembered=settings.remembered_texts)


def _tracked(store: Store, scorer: Scorer) -> Iterator[list[Move]]:
    with store.read() as connection:
        waiting = connection.execute(select(func.count()).where(policies.WAITS)).scalar_one()
    batches = -(-waiting // BATCH)
    yield from track(policies.moves(store, scorer), "Placing the waiting cases", total=batches, transient=True)


class _Changes:
    """What becomes of the waiting cases: how many change, from which lane to which, and those that move most."""

    def __init__(self) -> None:
        self.waiting, self.changed = 0, 0
        self.lanes: Counter[tuple[str, str]] = Counter()
        self.most: list[Move] = []

    def add(self, batch: list[Move]) -> None:
        """Count some more cases."""
        changed = [move for move in batch if move.changes]
        self.waiting += len(batch)
        self.changed += len(changed)
        self.lanes.update((move.before.lane, move.after.lane) for move in batch)
        self.most = heapq.nlargest(SHOWN, [*self.most, *changed], key=_moved)


def _show(policy: Policy, scorer: Scorer, found: _Changes) -> None:
    out.print(f"Policy {policy.version} ({policy.digest[:12]}) is sound.")
    if unnamed := [key for key in scorer.bundle.taxonomy.keys if key not in policy.categories]:
        out.print(f"It does not name {', '.join(unnamed)}: `default` holds for them.")
    out.print(f"{found.changed:,} of {found.waiting:,} waiting cases change.")
    if not found.changed:
        return
    table = Table("from \\ to", *LANES, title="Waiting cases by lane, before and after")
    for before in LANES:
        table.add_row(before, *(str(found.lanes[before, after] or "") for after in LANES))
    out.print(table)
    one_by_one = Table("case", "lane", "priority", "due", title="Most moved")
    for move in found.most:
        one_by_one.add_row(
            move.case_id,
            _both(move.before.lane, move.after.lane),
            _both(f"{move.before.value:.1f}", f"{move.after.value:.1f}"),
            _both(f"{move.before.due_at:%d %b %H:%M}", f"{move.after.due_at:%d %b %H:%M}"),
        )
    out.print(one_by_one)


def _moved(move: Move) -> tuple[int, float]:
    lanes = abs(LANES.index(move.before.lane) - LANES.index(move.after.lane))
    return lanes, abs(move.before.value - move.after.value)


def _both(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"
