"""Disguised spelling: look-alike letters, digits for letters, spaced-out words and drawn-out letters, undone in place.

Each function works on the characters of a text that has single spaces, and keeps how each stands for its source.
"""

import re
from collections.abc import Callable, Iterator, Sequence

# Letters that look like a Latin letter, by that letter. NFKC already folds full-width and mathematical letters.
_LOOKALIKES = {
    "a": "аαɑ", "b": "Ьƅ", "c": "сϲᴄ", "d": "ԁ", "e": "еεҽ", "g": "ɡ", "h": "һ", "i": "іιı", "j": "ј", "k": "кκ",
    "l": "ӏǀ", "m": "м", "n": "ηп", "o": "оοσ", "p": "рρ", "q": "ԛ", "s": "ѕꜱ", "t": "тτ", "u": "υս", "v": "νѵ",
    "w": "ԝω", "x": "хχ", "y": "уγ", "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "H": "НΗ", "I": "ІΙӀ", "J": "Ј",
    "K": "КΚ", "M": "МΜ", "N": "Ν", "O": "ОΟ", "P": "РΡ", "S": "Ѕ", "T": "ТΤ", "X": "ХΧ", "Y": "УΥ", "Z": "Ζ",
}  # fmt: skip
_LATIN_OF = {look: latin for latin, looks in _LOOKALIKES.items() for look in looks}

_LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"}
_CORE = r"[A-Za-z013457@$!]"
_LEET_WORD = re.compile(rf"(?<![\w@#/.:&=?+-])(?!@){_CORE}+(?:'[A-Za-z]+)?(?![\w@#/:&=+-]|\.\w)")
_INSIDE = re.compile(r"[A-Za-z][013457@$!]+[A-Za-z]")
_MEASURE = re.compile(r"\d+(?:st|nd|rd|th|am|pm|k|m|km|kg|g|cm|mm|s|h|d|x|p|gb|mb|hz|yo|v|w|c|f)?", re.I)
_SPACED = re.compile(r"(?<![\w'])[A-Za-z](?:([ .*_-])[A-Za-z](?:\1[A-Za-z013457@$])*)(?![\w'])")
MIN_SPACED = 3  # letters of a spaced-out word
_DRAWN = re.compile(r"(?<=[A-Za-z])([A-Za-z])\1{2,}|([A-Za-z])\2{2,}(?=[A-Za-z])")  # never a whole word: www, III
_NEVER_DOUBLE = frozenset("ahijkquvwxy")


def latin_letters(text: list[str]) -> None:
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


def plain_spelling(text: str) -> tuple[str, Sequence[int]]:
    """Join spaced-out words, shorten drawn-out letters and turn digits back into letters.

    Returns the new text and, for each of its characters, its index in `text`. Each spelling is undone once, in this
    order: what turning digits back brings out (l0000l → looool) stays.
    """
    kept: Sequence[int] = range(len(text))
    for step in (_spaced, _drawn):
        dropped = set(step(text))
        if dropped:
            keep = [i for i in range(len(text)) if i not in dropped]
            text, kept = "".join(text[i] for i in keep), [kept[i] for i in keep]
    if _INSIDE.search(text):  # or no word gives itself away
        text = _LEET_WORD.sub(_leet_reader(text), text)
    return text, kept


def _spaced(text: str) -> Iterator[int]:
    """Indices of what stands between the letters of words such as "k i l l"."""
    for match in _SPACED.finditer(text):
        if match.end() - match.start() >= 2 * MIN_SPACED - 1:
            yield from range(match.start() + 1, match.end(), 2)


def _drawn(text: str) -> Iterator[int]:
    """Indices of the letters too many in words such as "haaaate"; English doubles some letters, and others never."""
    for match in _DRAWN.finditer(text):
        most = 1 if match.group()[0].lower() in _NEVER_DOUBLE else 2
        yield from range(match.start() + most, match.end())


def _leet_reader(text: str) -> Callable[[re.Match[str]], str]:
    """How to read one word: letters on both sides of a digit give it away, and two such words all the others."""
    words = _LEET_WORD.findall(text)
    heavy = len({word for word in words if _INSIDE.search(word)}) >= 2

    def read(match: re.Match[str]) -> str:
        word = match.group()
        core = word.rstrip("!")
        mixed = any(c.isalpha() for c in core) and not _MEASURE.fullmatch(core)
        if _INSIDE.search(core) or (heavy and (mixed or core == "1")):
            return "".join(_LEET.get(c, c) for c in core) + word[len(core) :]
        return word

    return read
