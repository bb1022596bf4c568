"""Text preparation "prepare.v1": undo disguises so that one meaning has one spelling, and remember where it stood."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

VERSION = "prepare.v1"

# Letters that look like a Latin letter, by that letter. NFKC already folds full-width and mathematical letters.
_LOOKALIKES = {
    "a": "аαɑ", "b": "Ьƅ", "c": "сϲᴄ", "d": "ԁ", "e": "еεҽ", "g": "ɡ", "h": "һ", "i": "іιı", "j": "ј", "k": "кκ",
    "l": "ӏǀ", "m": "м", "n": "ηп", "o": "оοσ", "p": "рρ", "q": "ԛ", "s": "ѕꜱ", "t": "тτ", "u": "υս", "v": "νѵ",
    "w": "ԝω", "x": "хχ", "y": "уγ", "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "H": "НΗ", "I": "ІΙӀ", "J": "Ј",
    "K": "КΚ", "M": "МΜ", "N": "Ν", "O": "ОΟ", "P": "РΡ", "S": "Ѕ", "T": "ТΤ", "X": "ХΧ", "Y": "УΥ", "Z": "Ζ",
}  # fmt: skip
_LATIN_OF = {look: latin for latin, looks in _LOOKALIKES.items() for look in looks}
MAX_MARKS = 2  # on one Latin letter; Vietnamese needs no more
_PLAIN = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_CLUSTER = re.compile(r".[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]*", re.S)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Prepared text with, for each of its characters, the code points [start, end) of the source that it came from."""

    text: str
    starts: range | list[int]
    ends: range | list[int]

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """Map the prepared characters [start, end), not empty, to code points of the text as sent."""
        return self.starts[start], self.ends[end - 1]


def prepare(source: str) -> Prepared:
    """Prepare a text of any length: compatibility-normalise, drop hidden and control characters, unmask look-alike
    letters, name emoji, and join white space. Idempotent on its own output.
    """
    starts: range | list[int] = range(len(source))
    ends: range | list[int] = range(1, len(source) + 1)
    # Until nothing changes, because one disguise can hide another: most texts take no pass, the others one or two.
    while not _PLAIN.fullmatch(source):
        found = _pass(source)
        starts, ends = [starts[i] for i in found.starts], [ends[i - 1] for i in found.ends]
        if found.text == source:
            break
        source = found.text
    return Prepared(source, starts, ends)


def _pass(source: str) -> Prepared:
    text: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for piece, start, end in _pieces(source):
        for character in piece:
            if character == " " and (not text or text[-1] == " "):
                continue
            text.append(character)
            starts.append(start)
            ends.append(end)
    while text and text[-1] == " ":
        text.pop()
    _unmask(text)
    return Prepared("".join(text), starts[: len(text)], ends[: len(text)])


def _pieces(source: str) -> Iterator[tuple[str, int, int]]:
    for match in _CLUSTER.finditer(source):
        yield _normalise(match.group()), match.start(), match.end()


def _normalise(cluster: str) -> str:
    """One base character with its marks → what stands for it; hidden characters vanish, white space is a space."""
    if len(cluster) > MAX_MARKS + 1 and cluster[0].isascii():
        cluster = cluster[0]
    normal = unicodedata.normalize("NFKC", cluster)
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
        elif kind == "So" or "\U0001f000" <= character <= "\U0001faff":
            kept.append(_emoji_name(character))
        else:
            kept.append(character)
    return "".join(kept)


def _emoji_name(character: str) -> str:
    # The encoder's vocabulary holds almost no emoji, so that their Unicode names speak for them.
    if "\U0001f3fb" <= character <= "\U0001f3ff" or "\U0001f1e6" <= character <= "\U0001f1ff":
        return ""  # skin tones and the halves of flags say nothing of use
    return f" {unicodedata.name(character, '').lower()} "


def _unmask(text: list[str]) -> None:
    """Replace look-alike letters in place: in words that mix them with Latin ones, or that stand among Latin words."""
    letters = [character for character in text if character.isalpha()]
    mostly_latin = sum(character.isascii() for character in letters) * 2 > len(letters)
    start = 0
    for end in [*(i for i, character in enumerate(text) if character == " "), len(text)]:
        word = [character for character in text[start:end] if character.isalpha()]
        foreign = [character for character in word if not character.isascii()]
        disguised = bool(foreign) and all(character in _LATIN_OF for character in foreign)
        if disguised and (mostly_latin or len(foreign) < len(word)):
            text[start:end] = [_LATIN_OF.get(character, character) for character in text[start:end]]
        start = end + 1
