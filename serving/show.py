"""What the terminal shows as a table: the queue, and what a threshold gives."""

from datetime import UTC, datetime

from rich.markup import escape
from rich.table import Table

from models.policy import Policy
from models.thresholds import Figure, ThresholdAnswer
from serving.queue import cases, overview
from serving.store import Store


def queue_table(store: Store, policy: Policy, limit: int) -> Table:
    """The first waiting cases as a table."""
    table = Table("#", "lane", "priority", "due in", "violation", "likeliest category", "reports", title="Next cases")
    now = datetime.now(UTC)
    rows = overview.top(store, policy, limit, now, specialist=True)
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


def threshold_table(answer: ThresholdAnswer) -> Table:
    """What a threshold gives on the part that chose it and, with 95 % intervals, on the test part."""
    title = f"{answer.category}: {answer.threshold:.5f} for {answer.intent}"
    table = Table("", "calibration", "test", title=title)
    table.add_row("known answers", str(answer.calibration.n), str(answer.test.n))
    table.add_row("of those positive", str(answer.calibration.positives), str(answer.test.positives))
    for name in type(answer.test.statistics).model_fields:
        figures = [getattr(part.statistics, name) for part in (answer.calibration, answer.test)]
        if name != "reviews_per_day" or answer.reports_per_day is not None:
            table.add_row(name.replace("_", " "), *map(_figure, figures))
    return table


def _figure(figure: Figure) -> str:
    if figure.value is None:
        return "–"
    interval = "" if figure.interval is None else f" [{_number(figure.interval[0])}, {_number(figure.interval[1])}]"
    return escape(_number(figure.value) + interval)


def _number(value: float) -> str:
    return f"{value:.3f}" if value <= 1 else f"{value:,.0f}"
