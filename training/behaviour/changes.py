"""Changes that leave a text's meaning, for the tests alone: fixed, and apart from those that training draws."""

import re
from collections.abc import Callable

_CYRILLIC = str.maketrans("aceiopxyABCEHKMOPTX", "асеіорхуАВСЕНКМОРТХ")
_LEET = str.maketrans("aeiostAEIOST", "431057431057")  # every such letter; training changes some
_LETTERS = re.compile(r"\b[A-Za-z]+\b")
_VOWEL = re.compile(r"[aeiouAEIOU]")
_AROUND = (  # harmless words: before, after
    ("Good evening from the allotments, the kettle is on.", "The beans are up, and the gate is painted at last."),
    ("Back from the dentist, nothing to mend.", "The library opens on Saturdays again, worth a visit."),
    ("The tram was on time today, for once.", "If anybody finds a green umbrella, it is my aunt's."),
    ("Three loaves in the oven and the radio on.", "Next week we row to the island if the wind allows."),
)
_PARAGRAPH = (
    "We set out at seven, when the mist was still on the meadow, and walked along the old canal as far as the lock. "
    "The keeper showed us how the paddles work and told us about the winter in which the boats froze in. "
    "At noon we had soup under the plane trees, and somebody had brought an accordion. "
    "The path then climbs through a beech wood to a chapel with a painted ceiling, which is open until five. "
    "On the way down we counted eleven kinds of fern, and my cousin drew each of them in her notebook. "
    "The train home was nearly empty, so that we could spread the map over two tables and plan the next walk. "
)


def spread_out(text: str, number: int) -> str:
    """White space of several kinds between the words."""
    return "  " + " \n\t ".join(text.split()) + " "


def zero_width(text: str, number: int) -> str:
    """A zero-width space between all letters."""
    return re.sub(r"(?<=\w)(?=\w)", "\u200b", text)


def homoglyphs(text: str, number: int) -> str:
    """Cyrillic letters that look like the Latin ones."""
    return text.translate(_CYRILLIC)


def upper_case(text: str, number: int) -> str:
    """Capitals."""
    return text.upper()


def letters_apart(text: str, number: int) -> str:
    """The letters of the two longest words set apart."""
    return _in_longest(text, " .-"[number % 3].join)


def repeated_letters(text: str, number: int) -> str:
    """The first vowel of the two longest words, four times."""
    return _in_longest(text, lambda word: _VOWEL.sub(lambda vowel: vowel.group() * 4, word, count=1))


def _in_longest(text: str, change: Callable[[str], str]) -> str:
    longest = sorted(set(_LETTERS.findall(text)), key=lambda word: (-len(word), word))[:2]
    return _LETTERS.sub(lambda match: change(match.group()) if match.group() in longest else match.group(), text)


def leetspeak(text: str, number: int) -> str:
    """Digits for all letters that have one."""
    return text.translate(_LEET)


def padding_before(text: str, number: int) -> str:
    """A harmless sentence first."""
    return f"{_AROUND[number % len(_AROUND)][0]} {text}"


def padding_after(text: str, number: int) -> str:
    """A harmless sentence last."""
    return f"{text} {_AROUND[number % len(_AROUND)][1]}"


def long_text(text: str, number: int) -> str:
    """In the middle of some 250 harmless words, which several windows read."""
    return f"{_PARAGRAPH}{text} {_PARAGRAPH}"


# By suite; the second argument, the case's number, picks among variants.
CHANGES: dict[str, Callable[[str, int], str]] = {
    "upper_case": upper_case,
    "zero_width": zero_width,
    "homoglyphs": homoglyphs,
    "white_space": spread_out,
    "letters_apart": letters_apart,
    "repeated_letters": repeated_letters,
    "leetspeak": leetspeak,
    "padding_before": padding_before,
    "padding_after": padding_after,
    "long_text": long_text,
}
