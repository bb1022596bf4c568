"""Explanation: the words that moved the score of a category, exactly for n-grams, by taking words out otherwise."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.ngrams import gram_places
from models.prepare import Prepared
from models.runtime import Heads, NgramModel, Signal, TextModel
from models.score import Span

MAX_RUNS = 24  # of the model, which one explanation may cost
MAX_SPANS = 3
GROUPS = 8  # what a long text is split into first: MAX_SPANS of 16 words each then come down to words in the other runs
MIN_WEIGHT = 0.1  # log-odds
Weights = npt.NDArray[np.float64]
Place = tuple[int, int]  # characters [start, end) of a prepared text
Fall = Callable[[range], Weights]  # by how much the outputs fall without some neighbouring words
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Output:
    """A category to explain: its column of the raw outputs, and the log-odds that one raw unit is worth."""

    category: str
    column: int
    slope: float


def spans(prepared: Prepared, signal: Signal, outputs: Sequence[Output], model: TextModel, heads: Heads) -> list[Span]:
    """Find up to MAX_SPANS spans that moved a category of `outputs` by MIN_WEIGHT or more; each names the one it moved
    most.

    Of several windows, the one in which the first output is highest is explained, for the outputs that are highest in
    it too. Deterministic; at most MAX_RUNS runs of the model. The words moved the score; whether they are the cause
    is for the reviewer to judge.
    """
    window = int(signal.loudest[outputs[0].column])
    outputs = [output for output in outputs if signal.loudest[output.column] == window]
    columns, slopes = [output.column for output in outputs], [output.slope for output in outputs]
    exact = contributions(prepared.text, model, heads) if isinstance(model, NgramModel) else None
    if exact:
        places, weights = exact[0], exact[1][:, columns] * slopes
    else:
        start, end = model.passage(prepared.text, window)
        places, weights = occlusion(
            prepared.text[start:end], lambda text: heads.run(model.embed(text)[0])[0].max(axis=0)[columns] * slopes
        )
        places = [(start + first, start + last) for first, last in places]
    found = []
    for place, weight in zip(places, weights, strict=True):
        most = int(weight.argmax())
        if weight[most] >= MIN_WEIGHT:
            first, last = prepared.source_span(*place)
            category = outputs[most].category
            found.append(Span(start=first, end=last, category=category, weight=round(float(weight[most]), 4)))
    return sorted(found, key=lambda span: (-span.weight, span.start))[:MAX_SPANS]


def contributions(text: str, model: NgramModel, heads: Heads) -> tuple[list[Place], Weights] | None:
    """The words of a prepared text and what each adds to the raw outputs, [words, outputs]; with the bias they make
    up the whole of each category. None where the graph shows no single vectors.

    The categories are linear in the sum of the n-grams' vectors, so that no word is taken out and nothing is estimated.
    The vector of a pair of words counts half for each. All are scaled as this text's own sum is.
    """
    parts = model.parts(text)
    if parts is None:
        return None
    words = [match.span() for match in _WORD.finditer(text)]
    added = np.zeros((len(words), parts.shape[1]))
    owners = np.searchsorted([start for start, _ in words], gram_places(text), side="right") - 1
    for owner in owners.T:
        np.add.at(added, owner, parts / 2)
    return words, added @ heads.layer()[0]


def occlusion(text: str, run: Callable[[str], Weights]) -> tuple[list[Place], Weights]:
    """Words of a text and by how much `run` [outputs] falls without each, [words, outputs], in MAX_RUNS runs at most.

    A text with more words than that is searched: groups of neighbours first, then the heaviest, so that up to MAX_SPANS
    words are found without the innocent ones beside them.
    """
    words = [match.span() for match in _WORD.finditer(text)]
    whole, left = run(text), MAX_RUNS - 1

    def fall(group: range) -> Weights:
        start, end = words[group[0]][0], words[group[-1]][1]
        return whole - run(f"{text[:start]} {text[end:]}".strip())

    found = _falls(range(len(words)), len(words) if len(words) <= left else GROUPS, fall)
    if len(found) < len(words):
        found = _refine(found, fall, left - len(found)) or found
    places = [(words[group[0]][0], words[group[-1]][1]) for group, _ in found]
    return places, np.array([weights for _, weights in found])


def _falls(group: range, count: int, fall: Fall) -> list[tuple[range, Weights]]:
    """At most `count` parts of a group, alike in size, each with the fall without it."""
    size = -(-len(group) // count)
    return [(part, fall(part)) for part in (group[i : i + size] for i in range(0, len(group), size))]


def _refine(groups: list[tuple[range, Weights]], fall: Fall, left: int) -> list[tuple[range, Weights]]:
    """The words of the heavy groups, in `left` runs at most. A group is one place where its words count only together,
    and for more than any word.

    The longest of the MAX_SPANS heaviest parts is halved until their words can be taken out one by one. The fall of a
    second half is taken to be what the first leaves of the whole's; all that is returned was measured.
    """
    heavy = [(group, weights) for group, weights in groups if weights.max() >= MIN_WEIGHT]
    parts = _heaviest([(group, int(weights.argmax()), float(weights.max())) for group, weights in heavy])
    while len(parts) < left < sum(len(part) for part, _, _ in parts):
        longest = max(parts, key=lambda part: len(part[0]))
        part, column, weight = longest
        middle = len(part) // 2
        first, left = float(fall(part[:middle])[column]), left - 1
        halves = [(part[:middle], column, first), (part[middle:], column, weight - first)]
        parts = _heaviest([other for other in parts if other is not longest] + halves)
    alone = sum(len(part) for part, _, _ in parts) <= left
    found = [pair for part, _, _ in parts for pair in _falls(part, len(part) if alone else left // len(parts), fall)]
    counting = [(part[0], float(weights.max())) for part, weights in found if weights.max() >= MIN_WEIGHT]
    most = max((weight for _, weight in counting), default=0.0)
    together = [pair for pair in heavy if not any(start in pair[0] for start, _ in counting)]
    return found + [(group, weights) for group, weights in together if weights.max() > most]


def _heaviest(parts: list[tuple[range, int, float]]) -> list[tuple[range, int, float]]:
    """Of parts with an output and its fall, those that count, the MAX_SPANS heaviest, first."""
    return sorted((part for part in parts if part[2] >= MIN_WEIGHT), key=lambda part: (-part[2], part[0][0]))[
        :MAX_SPANS
    ]
