"""Text preparation "prepare.v2": undo disguises so that one meaning has one spelling, and remember where it stood."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from models import disguise
from models.report import MAX_TEXT

Version = Literal["prepare.v1", "prepare.v2"]
VERSION: Version = "prepare.v2"  # v1 leaves spelling alone

MAX_MARKS = 2  # on one Latin letter; Vietnamese needs no more
PILE = 30  # marks on any other, as in the stream-safe text format of UAX #15: sorting them takes the square of that
_PLAIN = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_CLUSTER = re.compile(r".[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]*", re.S)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Prepared text with, for each of its characters, the code points [start, end) of the source that it came from.

    `cut`: it grew too long, so that the end of the source is missing.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    cut: bool = False

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """Map the prepared characters [start, end), not empty, to code points of the text as sent."""
        return self.starts[start], self.ends[end - 1]


def prepare(source: str, version: Version = VERSION) -> Prepared:
    """Prepare a text of any length: compatibility-normalise, drop hidden and control characters, unmask look-alike
    letters, name emoji, join white space, and undo disguised spelling.

    Emoji and ligatures make a text longer; it is cut at MAX_TEXT characters, or at its own length where that is more.
    "prepare.v1" leaves its own output as it is; "prepare.v2" may change it, as undoing one spelling can bring out
    another (l0000l → looool → lool).
    """
    starts: Sequence[int] = range(len(source))
    ends: Sequence[int] = range(1, len(source) + 1)
    cut = False
    # Until nothing changes, because one disguise can hide another: most texts take no pass, the others one or two.
    while not _PLAIN.fullmatch(source):
        found = _pass(source)
        starts, ends = [starts[i] for i in found.starts], [ends[i - 1] for i in found.ends]
        cut = cut or found.cut
        if found.text == source:
            break
        source = found.text
    if version == "prepare.v1":
        return Prepared(source, starts, ends, cut)
    text, kept = disguise.plain_spelling(source)
    if len(kept) < len(source):
        starts, ends = [starts[i] for i in kept], [ends[i] for i in kept]
    return Prepared(text, starts, ends, cut)


def _pass(source: str) -> Prepared:
    text: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    longest = max(MAX_TEXT, len(source))
    for piece, start, end in _pieces(source):
        for character in piece:
            if character == " " and (not text or text[-1] == " "):
                continue
            text.append(character)
            starts.append(start)
            ends.append(end)
        if len(text) > longest:
            break
    cut = len(text) > longest
    del text[longest:]
    while text and text[-1] == " ":
        text.pop()
    disguise.latin_letters(text)
    return Prepared("".join(text), starts[: len(text)], ends[: len(text)], cut)


def _pieces(source: str) -> Iterator[tuple[str, int, int]]:
    for match in _CLUSTER.finditer(source):
        cluster = match.group()
        # Few letters make up a text; long piles of marks are rare, and too large to keep.
        normalise = _remembered if len(cluster) <= MAX_MARKS + 1 else _normalise
        yield normalise(cluster), match.start(), match.end()


def _normalise(cluster: str) -> str:
    """One base character with its marks → what stands for it; hidden characters vanish, white space is a space."""
    if len(cluster) > MAX_MARKS + 1 and cluster[0].isascii():
        cluster = cluster[0]
    normal = unicodedata.normalize("NFKC", cluster[: PILE + 1])
    latin = unicodedata.normalize("NFD", normal[0])[0].isascii()
    kept = []
    for character in normal:
        kind = unicodedata.category(character)
        if character.isspace():
            kept.append(" ")
        elif kind in ("Cc", "Cf", "Cs", "Co", "Cn") or "\ufe00" <= character <= "\ufe0f":
            continue
        elif kind == "Mn" and latin:
            continue  # stacked marks on a Latin letter
        elif is_named(character):
            kept.append(_emoji_name(character))
        else:
            kept.append(character)
    return "".join(kept)


_remembered = lru_cache(maxsize=4096)(_normalise)


def is_named(character: str) -> bool:
    """Whether preparation writes a character's name for it: emoji and other symbols."""
    return unicodedata.category(character) == "So" or "\U0001f000" <= character <= "\U0001faff"


def _emoji_name(character: str) -> str:
    # The encoder's vocabulary holds almost no emoji, so that their Unicode names speak for them.
    if "\U0001f3fb" <= character <= "\U0001f3ff" or "\U0001f1e6" <= character <= "\U0001f1ff":
        return ""  # skin tones and the halves of flags say nothing of use
    return f" {unicodedata.name(character, '').lower()} "
