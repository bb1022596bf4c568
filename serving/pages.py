"""Turning a case into a page: words for numbers, text cut where it is highlighted, what is hidden at first."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.score import CategoryScore, Span
from models.taxonomy import Category, Taxonomy
from serving.schemas import CaseOut

COMPONENTS = {
    "target_harm": "Harm to the person it is aimed at",
    "spread_harm": "Harm by reaching more people",
    "reporter_reliability": "How often this reporter was right before",
}
WARNINGS = {
    "no_text": "There is no text to score.",
    "truncated": "The text is very long; only its beginning was scored.",
    "language_unsupported": "The model does not read this language.",
    "out_of_distribution": "The text is unlike anything the model learnt from.",
    "metadata_only": "Its place in the queue rests on the facts around it, the reason and the rules alone.",
}


@dataclass(frozen=True)
class CategoryHint:
    """One category as the model sees it."""

    title: str
    flagged: bool
    percent: str
    words: str


@dataclass(frozen=True)
class CasePage:
    """What the case page needs besides the case itself."""

    hidden: str  # why the text is hidden until asked for; empty if it is not
    segments: list[tuple[str, str]]  # pieces of the text, each with the title of the category it moved, or ""
    hints: list[CategoryHint]
    warnings: list[str]
    components: list[tuple[str, float]]
    categories: list[Category]

    @classmethod
    def of(cls, case: CaseOut, taxonomy: Taxonomy) -> Self:
        """Prepare the page of a case."""
        score = case.score
        text = (case.content.text if case.content else None) or ""
        spans = score.hints.spans if score and score.hints else []
        titles = {category.key: category.title for category in taxonomy.categories}
        return cls(
            hidden=_hidden(case),
            segments=segments(text, spans, titles),
            hints=[_hint(category, titles) for category in score.categories if _worth(category)] if score else [],
            warnings=[WARNINGS[warning] for warning in score.warnings if warning in WARNINGS] if score else [],
            components=[
                (COMPONENTS.get(part.name, part.name.replace("_", " ").capitalize()), part.contribution)
                for part in score.priority.components
            ]
            if score
            else [],
            categories=[category for category in taxonomy.categories if not category.hidden],
        )


def _hidden(case: CaseOut) -> str:
    if case.score is None:
        return "This case is shown without hints"  # and how bad it may be would be one
    if case.score.severity is None:
        return "How severe this is could not be scored"
    if case.score.priority.lane == "specialist":
        return "Specialist case"
    level = case.score.severity.level
    return f"Severity {level}" if level in ("high", "critical") else ""


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


_LIKELY = ((0.9, "very likely"), (0.66, "likely"), (0.33, "may be"), (0.0, "unlikely"))


def segments(text: str, spans: list[Span], titles: dict[str, str]) -> list[tuple[str, str]]:
    """Cut a text at its highlighted spans; of spans that overlap the stronger one is kept."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: -span.weight):
        if all(span.end <= other.start or span.start >= other.end for other in kept):
            kept.append(span)
    pieces, position = [], 0
    for span in sorted(kept, key=lambda span: span.start):
        pieces += [(text[position : span.start], ""), (text[span.start : span.end], titles.get(span.category, "?"))]
        position = span.end
    return [piece for piece in [*pieces, (text[position:], "")] if piece[0]]


def due(moment: datetime, now: datetime) -> str:
    """When something is due, in words."""
    minutes = int(abs((moment - now).total_seconds()) // 60)
    if minutes >= 48 * 60:
        length = f"{minutes // 1440} days"
    elif minutes >= 10 * 60:
        length = f"{minutes // 60} h"
    else:
        length = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    return f"in {length}" if moment > now else f"late by {length}"


def percent(probability: float | None) -> str:
    """A probability in words that never claim certainty."""
    if probability is None:
        return ""
    if probability < 0.01:
        return "under 1%"
    return "over 99%" if probability > 0.99 else f"{probability:.0%}"


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {"due": due, "percent": percent}


def render(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page from a template."""
    return HTMLResponse(_environment.get_template(template).render(values), status)
