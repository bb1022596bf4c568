"""The cases of the behavioural suites, read from `datasets/behaviour`; its README says what they are."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "datasets" / "behaviour"


@dataclass(frozen=True)
class Pair:
    """A violating text and a harmless look-alike that shares its words."""

    id: str
    category: str
    violating: str
    harmless: str


@dataclass(frozen=True)
class Direction:
    """Two texts of which `higher` must score higher. `kind`: worse_words, negation, quoting or counter_speech."""

    id: str
    category: str
    kind: str
    higher: str
    lower: str


@dataclass(frozen=True)
class Filled:
    """One sentence of a frame; `about` is the name or the identity that was filled in."""

    id: str
    about: str
    text: str


@cache
def pairs() -> list[Pair]:
    """All pairs, in the order of the file."""
    return [Pair(**row) for row in _lines("pairs.jsonl")]


@cache
def directions() -> list[Direction]:
    """All pairs of a direction, in the order of the file."""
    return [Direction(**row) for row in _lines("direction.jsonl")]


@cache
def frames() -> dict[str, Any]:
    """The sentence frames and what is filled into them, as the file has them."""
    found: dict[str, Any] = json.loads((FOLDER / "frames.json").read_text("utf-8"))
    return found


def attacks() -> list[Filled]:
    """Hateful sentences on each identity."""
    return list(_identities("attacks"))


def neutral() -> list[Filled]:
    """Neutral and friendly sentences on each identity."""
    return list(_identities("neutral"))


def _identities(kind: str) -> Iterator[Filled]:
    for i, frame in enumerate(frames()[kind], 1):
        for x in frames()["identities"]:
            article = "an" if x[0].lower() in "aeiou" else "a"
            text = frame.format(x=x, X=x[0].upper() + x[1:], a=article, A=article.capitalize())
            yield Filled(f"{kind}-{i:02d}-{x.lower()}", x, text)


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text("utf-8").splitlines()]
