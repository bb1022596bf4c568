"""The parts of a comment that have scores of their own, in the units that the protocol counts in."""

import re
from itertools import pairwise

MAX_SPANS = 24  # as each is a run of the model; sentences of a longer comment are taken together
_STOPS = ".!?…。！？"
# Starts only where a run of them does and never gives back what it took, or a long run would take its length squared.
_END = re.compile(rf"(?<![{_STOPS}])[{_STOPS}]++[\"'”’)\]]*+\s+|\n+")
Span = tuple[int, int]  # code points [start, end)


def sentences(text: str) -> list[Span]:
    """The sentences of a text without the white space around them; neighbours are one span where there are too many."""
    bounds = [0, *(match.end() for match in _END.finditer(text)), len(text)]
    found = []
    for start, end in pairwise(bounds):
        if sentence := text[start:end].strip():
            first = text.index(sentence, start)
            found.append((first, first + len(sentence)))
    size = -(-len(found) // MAX_SPANS) or 1
    groups = [found[i : i + size] for i in range(0, len(found), size)]
    return [(group[0][0], group[-1][1]) for group in groups]


def utf16(text: str, spans: list[Span]) -> list[Span]:
    """Spans in UTF-16 code units instead of code points."""
    if text.isascii():
        return spans
    return [(_units(text[:start]), _units(text[:end])) for start, end in spans]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
