"""The queue as a table on the terminal."""

from datetime import UTC, datetime

from rich.table import Table

from serving import cases, queue
from serving.store import Store


def queue_table(store: Store, limit: int) -> Table:
    """The first waiting cases as a table."""
    table = Table("#", "lane", "priority", "due in", "violation", "likeliest category", "reports", title="Next cases")
    now = datetime.now(UTC)
    rows = queue.top(store, limit, specialist=True)
    with store.read() as connection:
        for rank, row in enumerate(rows, 1):
            best = cases.leading_score(connection, row)
            probability = best.violation.probability
            hours = (row.due_at - now).total_seconds() / 3600
            table.add_row(
                str(rank),
                row.lane,
                f"{row.priority:.1f}",
                f"{hours:.1f} h" if hours > 0 else f"[bold]late {-hours:.1f} h[/]",
                "unsure" if probability is None else f"{probability:.0%}",
                next((c.category for c in best.categories if c.flagged or c.probability), "–"),
                str(cases.count_reports(connection, row.id)),
            )
    return table
