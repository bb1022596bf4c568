"""What a suite found: outcomes by group and case, the bar that they are held to, and the table of all suites."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich import box
from rich.table import Table


@dataclass(frozen=True)
class Bar:
    """Rates that a suite must reach: over all cases, in each group, and how far apart its groups may lie."""

    whole: float
    each: float = 0.0
    spread: float = 1.0

    def __str__(self) -> str:
        """The bar in words."""
        parts = [f"≥ {self.whole:.0%}"]
        parts += [f"each ≥ {self.each:.0%}"] if self.each else []
        parts += [f"spread ≤ {self.spread * 100:.0f} points"] if self.spread < 1 else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Result:
    """Outcomes of one suite: group (a category, an identity, a name, a kind) → case id → whether it passed."""

    suite: str
    bar: Bar
    outcomes: Mapping[str, Mapping[str, bool]]

    @property
    def n(self) -> int:
        """Number of cases."""
        return sum(map(len, self.outcomes.values()))

    @property
    def rate(self) -> float:
        """Share of all cases that passed; 0 where there are none."""
        return 1 - len(self.failures) / self.n if self.n else 0.0

    @property
    def failures(self) -> list[str]:
        """Ids of the cases that failed."""
        return [case for group in self.outcomes.values() for case, passed in group.items() if not passed]

    @property
    def rates(self) -> dict[str, float]:
        """Share that passed, by group."""
        return {name: sum(group.values()) / len(group) for name, group in self.outcomes.items()}

    @property
    def passed(self) -> bool:
        """Whether the bar is reached in all its parts."""
        rates = self.rates.values()
        return (
            self.rate >= self.bar.whole
            and min(rates, default=0.0) >= self.bar.each
            and max(rates, default=0.0) - min(rates, default=0.0) <= self.bar.spread + 1e-9
        )

    def __str__(self) -> str:
        """One line, and the groups below a part of the bar with the ids of their failed cases. Never text."""
        lines = [f"{self.suite}: {self.rate:.1%} of {self.n}, bar {self.bar}"]
        rates = self.rates
        limit = max([self.bar.whole, self.bar.each, *(rate - self.bar.spread for rate in rates.values())])
        for name, rate in sorted(rates.items(), key=lambda item: item[1]):
            if rate < limit:
                failed = [case for case, passed in self.outcomes[name].items() if not passed]
                lines.append(f"  {name} {rate:.0%}: {', '.join(failed)}")
        return "\n".join(lines)


def show(results: Mapping[str, Result], *, failures: bool = False) -> Table:
    """The suites as a table; `failures` adds the ids of the cases that failed."""
    headings = ["suite", "n", "rate", "worst group", "bar", "passed", *(["failed cases"] if failures else [])]
    table = Table(*headings, box=box.SIMPLE_HEAD)
    for result in results.values():
        worst = min(result.rates.items(), key=lambda item: item[1], default=("–", 0.0))
        cells = [result.suite, str(result.n), f"{result.rate:.1%}", f"{worst[0]} {worst[1]:.0%}", str(result.bar)]
        cells += ["yes" if result.passed else "[bold red]no[/]", *([" ".join(result.failures)] if failures else [])]
        table.add_row(*cells)
    return table
