"""A case as its page shows it: hints in words, why it is here, what is hidden at first, and what agreeing means."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from models.policy import Policy
from models.score import CategoryScore, Component, Score
from models.taxonomy import Category, Severity, Taxonomy
from serving.console.around import Around
from serving.console.words import Piece, pieces
from serving.inert import brief, inert
from serving.pages import length, percent, plain, since
from serving.schemas import CaseOut

WARNINGS = {
    "no_text": "There is no text to score.",
    "truncated": "The text is very long; only its beginning was scored.",
    "language_unsupported": "The model does not read this language.",
    "out_of_distribution": "The text is unlike anything the model learnt from.",
    "metadata_only": "Its place in the queue rests on the facts around it, the reason and the rules alone.",
}
_LIKELY = ((0.9, "very likely"), (0.66, "likely"), (0.33, "may be"), (0.0, "unlikely"))


@dataclass(frozen=True)
class CategoryHint:
    """One category as the model sees it."""

    title: str
    flagged: bool
    percent: str
    words: str


@dataclass(frozen=True)
class Agreement:
    """What taking over the hints means; `value` is what the form sends."""

    outcome: str
    severity: int | None
    categories: list[str]
    words: str

    @property
    def value(self) -> str:
        """Outcome, severity and categories in one word."""
        return f"{self.outcome}:{'' if self.severity is None else self.severity}:{','.join(self.categories)}"

    @staticmethod
    def parse(value: str) -> dict[str, object]:
        """The fields of a decision that a form's value stands for; what cannot be read is absent."""
        outcome, _, rest = value.partition(":")
        severity, _, categories = rest.partition(":")
        return {
            "outcome": outcome,
            "severity": int(severity) if severity in "01234" and severity else None,
            "categories": [key for key in categories.split(",") if key],
        }


@dataclass(frozen=True)
class CasePage:
    """What the case page needs besides the case itself."""

    hidden: str  # as why_hidden says
    text: list[Piece]
    legend: list[str]
    context: list[tuple[str, str]]
    url: str
    attachments: list[tuple[str, str]]
    statement: str  # of whoever appealed
    hints: list[CategoryHint]
    warnings: list[str]
    agreement: Agreement | None
    why: list[tuple[str, str]]  # each component of the priority in words, and by how much it moves it
    policy: list[Category]
    categories: list[Category]

    @classmethod
    def of(
        cls, case: CaseOut, around: Around, taxonomy: Taxonomy, policy: Policy, now: datetime, *, mask: bool = False
    ) -> Self:
        """Prepare the page of a case."""
        score, content = case.score, case.content
        spans = score.hints.spans if score and score.hints else []
        titles = taxonomy.titles
        text, legend = pieces((content.text if content else None) or "", spans, mask=mask)
        return cls(
            hidden=why_hidden(case, policy),
            text=text,
            legend=[titles.get(key, key) for key in legend],
            context=[(plain(turn["role"]), brief(turn["text"])) for turn in content.context] if content else [],
            url=inert(content.url or "") if content else "",
            attachments=[_attachment(part) for part in content.attachments] if content else [],
            statement=inert((case.appeal and case.appeal.statement) or ""),
            hints=[_hint(category, titles) for category in score.categories if _worth(category)] if score else [],
            warnings=[WARNINGS[warning] for warning in score.warnings if warning in WARNINGS] if score else [],
            agreement=_agreement(score, titles),
            why=_why(score, around, policy, now) if score else [],
            policy=_policy_text(score, around.reasons, taxonomy),
            categories=taxonomy.visible,
        )


def _attachment(part: dict[str, Any]) -> tuple[str, str]:
    return plain(part.get("kind")) or "Attachment", inert(part["url"])


def why_hidden(case: CaseOut, policy: Policy) -> str:
    """Why a case's text is hidden until asked for; empty if it is not."""
    if case.score is None:
        return "This case is shown without hints"  # and how bad it may be would be one
    if case.score.severity is None:
        return "How severe this is could not be scored"
    level, lane = case.score.severity.level, case.score.priority.lane
    if lane == "specialist":
        return "Specialist case"
    if policy.is_severe(lane, Severity[level.upper()]):
        return f"Severity {level}"
    return "Critical case" if lane == "critical" else ""


def _worth(category: CategoryScore) -> bool:
    return category.flagged or (category.probability or 0) >= 0.1


def _hint(category: CategoryScore, titles: dict[str, str]) -> CategoryHint:
    probability = category.probability
    if category.source == "rule":
        words = "named by a rule"
    elif probability is None:
        words = "named by the reporter"
    else:
        words = next(word for limit, word in _LIKELY if probability >= limit)
    return CategoryHint(titles.get(category.category, category.category), category.flagged, percent(probability), words)


def _agreement(score: Score | None, titles: dict[str, str]) -> Agreement | None:
    """What the model would have decided; None where it says nothing, or not of what kind a likely violation is."""
    if score is None or score.abstained or score.severity is None:
        return None
    flagged = [category.category for category in score.categories if category.flagged]
    severity = int(Severity[score.severity.level.upper()])
    if flagged:
        named = ", ".join(titles.get(key, key) for key in flagged)
        return Agreement("violation", severity, flagged, f"violation, {score.severity.level}: {named}")
    if (score.violation.probability or 0) >= 0.5 or severity:
        return None
    return Agreement("no_violation", 0, [], "no violation")


def _policy_text(score: Score | None, reasons: Sequence[Category], taxonomy: Taxonomy) -> list[Category]:
    """The categories that the case may be of: flagged ones, and those that reporters named."""
    flagged = [taxonomy[part.category] for part in score.categories if part.flagged] if score else []
    return list({category.key: category for category in [*flagged, *reasons] if not category.hidden}.values())


def _why(score: Score, around: Around, policy: Policy, now: datetime) -> list[tuple[str, str]]:
    """Why a case waits where it does: its lane, its waiting, and each component of its priority."""
    row, priority = around.row, score.priority
    level = policy.lane(priority.lane)
    lines = [(f"{priority.lane.capitalize()} lane: worked within {_hours(level.service_level_hours)}", "")]
    if row.waits_since is not None:
        doubling = _hours(level.doubling_hours)
        lines.append((f"It came {since(row.waits_since, now)} ago; its weight doubles every {doubling}", ""))
    lines += [line for part in priority.components if (line := _component(part))]
    return [*lines, ("Priority, all of these together", f"{priority.value:.1f}")]


def _component(part: Component) -> tuple[str, str] | None:
    amount = f"{part.contribution:+.1f}"
    if part.name == "target_harm":
        return "Harm to the person it is aimed at", amount
    if part.name == "spread_harm":
        return f"Harm by reaching about {part.value:,.0f} more people", amount
    if part.name == "reporter_reliability":
        if part.value == 1:
            return "The reporter has no record here, so it counts as it is", ""
        often = "more" if part.value > 1 else "less"
        return f"The reporter was right {often} often than most (× {part.value:.2f})", amount
    return plain(part.name), amount


def _hours(hours: float) -> str:
    return length(round(hours * 60))
