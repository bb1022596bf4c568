"""A case's text as a page shows it: cut where words are marked, and these masked where somebody wants that."""

import re
from dataclasses import dataclass

from models.score import Span
from serving.inert import inert

MASK = "•"


@dataclass(frozen=True)
class Piece:
    """A stretch of text, with the category that it moved (its number in the legend, or None)."""

    text: str
    mark: int | None = None


def segments(text: str, spans: list[Span]) -> list[tuple[str, str]]:
    """Cut a text at its spans, each piece with its category or ""; of spans that overlap the stronger stays."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: -span.weight):
        if all(span.end <= other.start or span.start >= other.end for other in kept):
            kept.append(span)
    pieces, position = [], 0
    for span in sorted(kept, key=lambda span: span.start):
        pieces += [(text[position : span.start], ""), (text[span.start : span.end], span.category)]
        position = span.end
    return [piece for piece in [*pieces, (text[position:], "")] if piece[0]]


def masked(text: str) -> str:
    """A text of whose words the first letters alone are left."""
    return re.sub(r"\w+", lambda word: word[0][0] + MASK * (len(word[0]) - 1), text)


def pieces(text: str, spans: list[Span], *, mask: bool) -> tuple[list[Piece], list[str]]:
    """The pieces of a text, its marked words masked if asked, and the legend: the categories in order of appearance."""
    legend: list[str] = []
    found = []
    for part, category in segments(text, spans):
        if category and category not in legend:
            legend.append(category)
        shown = inert(part)
        mark = legend.index(category) if category else None
        found.append(Piece(masked(shown) if mask and mark is not None else shown, mark))
    return found, legend
