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
MIN_WEIGHT = 0.1  # log-odds
Weights = npt.NDArray[np.float64]
Place = tuple[int, int]  # characters [start, end) of a prepared text
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

    A text with more words than that is searched: groups of neighbours first, then the words of the heaviest groups one
    by one while runs are left, so that no innocent word is marked beside the one that counts. A group is one place
    where its words count only together.
    """
    words = [match.span() for match in _WORD.finditer(text)]
    whole, left = run(text), MAX_RUNS - 1

    def fall(group: range) -> Weights:
        start, end = words[group[0]][0], words[group[-1]][1]
        return whole - run(f"{text[:start]} {text[end:]}".strip())

    found: list[tuple[range, Weights]] = []
    waiting = [(range(len(words)), np.full_like(whole, np.inf))]  # the heaviest first
    while waiting and waiting[0][1].max() >= MIN_WEIGHT:
        group, together = waiting[0]
        count = len(group) if len(group) <= left else left // 2
        if count < len(group) and count < 2:
            break
        size = -(-len(group) // count)
        parts = [(part, fall(part)) for part in (group[i : i + size] for i in range(0, len(group), size))]
        left -= len(parts)
        waiting = waiting[1:]
        if size > 1:
            waiting = sorted([*waiting, *parts], key=lambda part: (-part[1].max(), part[0][0]))
        elif len(parts) > 1 and np.isfinite(together).all() and max(part[1].max() for part in parts) < MIN_WEIGHT:
            found.append((group, together))
        else:
            found += parts
    found = found or waiting[:1]  # too long a text to come down to single words
    places = [(words[group[0]][0], words[group[-1]][1]) for group, _ in found]
    return places, np.array([weights for _, weights in found])
