"""Explanation by occlusion: which words, taken out, lower the score of a category most."""

import re
from collections.abc import Callable

from models.prepare import Prepared
from models.score import Span

MAX_CHUNKS = 24  # runs of the model that one explanation may cost
MAX_SPANS = 3
MIN_WEIGHT = 0.1  # log-odds


def spans(prepared: Prepared, category: str, log_odds: Callable[[str], float]) -> list[Span]:
    """Find up to MAX_SPANS spans whose removal lowers `log_odds` (of prepared text) by MIN_WEIGHT or more.

    Words are taken out in groups, so that the cost has a bound. Deterministic. They moved the score; whether they are
    the cause is for the reviewer to judge.
    """
    words = [match.span() for match in re.finditer(r"\S+", prepared.text)]
    size = -(-len(words) // MAX_CHUNKS)
    whole = log_odds(prepared.text)
    found = []
    for i in range(0, len(words), max(size, 1)):
        start, end = words[i][0], words[min(i + size, len(words)) - 1][1]
        weight = whole - log_odds(f"{prepared.text[:start]} {prepared.text[end:]}".strip())
        if weight >= MIN_WEIGHT:
            first, last = prepared.source_span(start, end)
            found.append(Span(start=first, end=last, category=category, weight=round(weight, 4)))
    return sorted(found, key=lambda span: (-span.weight, span.start))[:MAX_SPANS]
