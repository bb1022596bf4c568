"""`frontline quality`, `golden` and `notice`: how well reviews agree, cases with known answers, what reviewers read."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.taxonomy import Taxonomy
from serving.accounts.auth import Identity
from serving.champion import champion_path
from serving.errors import InvalidRequest
from serving.quality import golden as golden_cases
from serving.quality import notices
from serving.quality.agreement import Interval
from serving.quality.figures import FEWEST, Total, totals
from serving.queue import policies
from serving.settings import Settings
from serving.store import Store, migrate

OPERATOR = Identity("command-line", "command line", "admin")  # whoever can run it could edit the store as well
golden = typer.Typer(no_args_is_help=True, help="Cases with a known answer, mixed into the work of reviewers.")
notice = typer.Typer(no_args_is_help=True, help="What reviewers have to read before their next case.")
out = Console()
CaseId = Annotated[str, typer.Argument(metavar="CASE", help="The id of a case.")]


@contextmanager
def _opened() -> Iterator[Store]:
    with closing(Store(Settings().store_url)) as store:
        if store.is_sqlite:
            migrate(store)
        yield store


def quality(days: Annotated[int, typer.Option(min=1, max=3650, help="How far back.")] = 90) -> None:
    """Show how well reviews agree with golden answers, second looks and QA, over everybody.

    Agreement is Gwet's AC1, which chance leaves at 0. What fewer than five reviewers made up is not shown.
    """
    table = Table(
        "figure", "category", "reviewers", "same answer", "share, 95 %", "AC1, 95 %", title=f"The last {days} days"
    )
    with _opened() as store:
        found = totals(store, datetime.now(UTC) - timedelta(days=days))
    for total in found:
        table.add_row(total.name, total.category or "all", str(total.reviewers), *_figures(total))
    out.print(table)
    if not found:
        out.print("No golden case was answered and no case had a second look. Both come at the rates that the policy")
        out.print("sets (`quality`); golden cases must be named first, see `frontline golden add`.", highlight=False)
    if any(total.share is None for total in found):
        out.print(f"–: fewer than {FEWEST} reviewers, in whose figures single ones could be seen.", highlight=False)


def _figures(total: Total) -> tuple[str, str, str]:
    if total.share is None:
        return "–", "–", "–"
    share = f"{total.share.value:.0%}{_interval(total.share.interval, '.0%')}"
    agreement = "" if total.pairs is None else f"{total.pairs.ac1:.2f}{_interval(total.pairs.interval(), '.2f')}"
    return f"{total.share.k:,} of {total.share.n:,}", share, agreement


def _interval(ends: Interval | None, shape: str) -> str:
    return escape(f" [{ends[0]:{shape}}, {ends[1]:{shape}}]") if ends else ""


@golden.command("add")
def golden_add(case: CaseId, why: Annotated[str, typer.Option(help="Why this is the answer, for reviewers.")]) -> None:
    """Make a decided case golden; the decision that stands is its answer."""
    with _opened() as store:
        golden_cases.add(store, policies.in_force(Settings()), OPERATOR, case, why, datetime.now(UTC))


@golden.command("remove")
def golden_remove(case: CaseId) -> None:
    """Make a case golden no more; what was answered to it counts no longer."""
    with _opened() as store:
        golden_cases.remove(store, OPERATOR, case, datetime.now(UTC))


@golden.command("list")
def golden_list() -> None:
    """List the golden cases, without their text."""
    table = Table("case", "answer", "categories", "severity", "answered", "why")
    with _opened() as store:
        found = golden_cases.listed(store)
    for row in found:
        severity = "" if row.severity is None else str(row.severity)
        answered, why = str(row.answered), escape(row.why or "")
        table.add_row(row.case_id, row.outcome, ", ".join(row.categories), severity, answered, why)
    out.print(table)


@notice.command("create")
def notice_create(
    title: Annotated[str, typer.Option(help="What it is about.")],
    body: Annotated[str, typer.Option(help="What reviewers have to know.")],
    category: Annotated[
        str | None, typer.Option(help="The category that it is about: golden cases of it come for practice.")
    ] = None,
) -> None:
    """Make a notice that every reviewer reads before their next case. Changed definitions make theirs by themselves."""
    settings = Settings()
    taxonomy = Taxonomy.read((champion_path(settings.home) or settings.bundle) / "taxonomy.yaml")
    if category is not None and category not in taxonomy.keys:
        raise InvalidRequest(f"there is no such category; there are {', '.join(taxonomy.keys)}", field="category")
    with _opened() as store:
        notices.create(store, policies.in_force(settings), category, title, body, datetime.now(UTC))


@notice.command("list")
def notice_list() -> None:
    """List the last notices, and how many have read each."""
    table = Table("made", "policy", "category", "title", "read by")
    with _opened() as store:
        found = notices.counted(store)
    for row in found:
        made = f"{row.created_at:%Y-%m-%d %H:%M}"
        table.add_row(made, row.policy_version, row.category or "", escape(row.title), str(row.readers))
    out.print(table)
