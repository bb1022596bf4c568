"""What the simulations show: tables for the terminal, charts as SVG."""

import math
from collections.abc import Mapping, Sequence

from rich.table import Table

from serving.simulation.history import AS_IT_WAS, Replayed
from serving.simulation.measure import CRITICAL, EFFORT, HARM, HIGH, HOURS, STARVED, WHOLE, WORST
from serving.simulation.ranking import OURS
from serving.simulation.staff import Staff
from serving.simulation.summary import Estimate, Summary
from serving.simulation.svg import bars, steps

SHOWN = (HARM, WHOLE, CRITICAL, HIGH, WORST, STARVED, EFFORT)
TITLES = {
    HARM: "severity-weighted views, thousands",
    HOURS: "severity-weighted hours, thousands",
    WHOLE: "views and hours, thousands",
    CRITICAL: "critical in time",
    HIGH: "high in time",
    WORST: "worst wait, hours",
    STARVED: "starving",
    EFFORT: "minutes per violation",
}
SHARES = (CRITICAL, HIGH, STARVED)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def table(summary: Summary) -> Table:
    """One setting: every policy's figures with 95 % intervals, and how much less harm ours lets happen."""
    title = f"Simulated: views {summary.scenario}, utilisation {summary.utilisation:.0%}"
    found = Table("policy", *(TITLES[what] for what in SHOWN), "ours lets less happen by", title=title)
    for name, figures in summary.policies.items():
        less = summary.less_harm.get(name)
        cells = [_figure(figures[what], share=what in SHARES) for what in SHOWN]
        found.add_row(
            name, *cells, "" if less is None else _figure(less, share=True), style="bold" if name == OURS else ""
        )
    return found


def verdict(summary: Summary) -> str:
    """One sentence: ours beside the best of the others, and how near it comes to the oracle."""
    less = _figure(summary.less_harm[summary.best], share=True)
    closed = _figure(summary.gap_closed, share=True)
    return (
        f"Best of the others: {summary.best}. {OURS} lets {less} less harm happen than it, and closes {closed} of its "
        "gap to the oracle.\n"
    )


def chart(summaries: Sequence[Summary]) -> str:
    """Harm at each utilisation of the first scenario, as bars."""
    first = summaries[0].scenario
    groups = {
        f"{summary.utilisation:.0%}": {
            name: (figures[HARM].value, *(figures[HARM].interval or (figures[HARM].value,) * 2))
            for name, figures in summary.policies.items()
        }
        for summary in summaries
        if summary.scenario == first
    }
    return bars(f"Simulated: severity-weighted views before action ({first})", groups, "thousands", highlight=OURS)


def replayed(found: Mapping[str, Replayed]) -> Table:
    """A history under each policy."""
    shown = (HARM, HOURS, CRITICAL, HIGH, WORST)
    cases = next(iter(found.values())).n
    result = Table(
        "policy", *(TITLES[what] for what in shown), title=f"{cases:,} cases of the history in another order"
    )
    for name, each in found.items():
        cells = [_number(each.figures[what], share=what in SHARES) for what in shown]
        result.add_row(name, *cells, style="bold" if name in (OURS, AS_IT_WAS) else "")
    return result


def staff_table(staff: Staff) -> Table:
    """Reviewers by hour (UTC) and day of the week."""
    found = Table("UTC", *DAYS, title=f"Reviewers needed: {staff.hours:,} hours a week")
    for hour in range(24):
        found.add_row(f"{hour:02}:00", *(str(staff.reviewers[day * 24 + hour]) for day in range(7)))
    return found


def staff_chart(staff: Staff, work: Sequence[float]) -> str:
    """Reviewers, and hours of work that come, by hour of the week, as steps."""
    ticks = {day * 24: name for day, name in enumerate(DAYS)}
    lines = {
        "reviewers": [float(each) for each in staff.reviewers],
        "work that comes": list(work),
    }
    return steps(f"Reviewers needed by hour of the week, UTC ({staff.hours:,} hours)", lines, "", ticks)


def _figure(found: Estimate, *, share: bool) -> str:
    value = _number(found.value, share=share)
    if found.interval is None or math.isnan(found.value):
        return value
    low, high = (_number(end, share=share) for end in found.interval)
    return f"{value} ({low} to {high})"


def _number(value: float, *, share: bool) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.1%}" if share else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
