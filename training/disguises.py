"""Disguised spelling for training: what people do to a text so that a filter misses it, at random."""

import random
import re
from collections.abc import Callable, Sequence

_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7"}


def disguised(text: str, rng: random.Random) -> str:
    """The text with one random change that leaves its meaning."""
    return rng.choice(CHANGES)(text, rng)


def leet(text: str, rng: random.Random, share: float = 0.5) -> str:
    """Digits for some letters."""
    return "".join(rng.choice(_LEET[c]) if c in _LEET and rng.random() < share else c for c in text)


def capitals(text: str, rng: random.Random) -> str:
    """All capitals, all small, or mixed."""
    mixed = "".join(rng.choice((c.upper(), c.lower())) for c in text)
    return rng.choice((text.upper(), text.lower(), mixed))


def drawn_out(text: str, rng: random.Random) -> str:
    """Some letters repeated."""
    return "".join(c * rng.randint(2, 5) if c.isalpha() and rng.random() < 0.06 else c for c in text)


def spaced_out(text: str, rng: random.Random) -> str:
    """Some words with their letters set apart."""
    mark = rng.choice(" .-*_")
    return re.sub(r"[A-Za-z]{3,}", lambda m: mark.join(m.group()) if rng.random() < 0.15 else m.group(), text)


def typos(text: str, rng: random.Random) -> str:
    """Letters dropped, doubled or swapped."""
    out = list(text)
    for i in range(len(out) - 1):
        if out[i].isalpha() and rng.random() < 0.04:
            change = rng.randrange(3)
            if change == 0:
                out[i] = ""
            elif change == 1:
                out[i] *= 2
            else:
                out[i], out[i + 1] = out[i + 1], out[i]
    return "".join(out)


def starred(text: str, rng: random.Random) -> str:
    """A vowel of some words hidden behind a sign."""
    sign = rng.choice("*#_.")
    return re.sub(
        r"\b([A-Za-z]+)[aeiou]([A-Za-z]+)\b",
        lambda m: f"{m.group(1)}{sign}{m.group(2)}" if rng.random() < 0.15 else m.group(),
        text,
    )


def unpunctuated(text: str, rng: random.Random) -> str:
    """Without marks, in small letters."""
    return re.sub(r"[^\w\s']", "", text).lower() or text


def padded(text: str, harmless: Sequence[str], rng: random.Random) -> str:
    """The text with a harmless one before or after it, or both: what is around a text must not hide it."""
    before, after = rng.choice(harmless), rng.choice(harmless)
    return rng.choice((f"{before} {text}", f"{text} {after}", f"{before} {text} {after}"))


CHANGES: tuple[Callable[[str, random.Random], str], ...] = (
    leet, capitals, drawn_out, spaced_out, typos, starred, unpunctuated,
)  # fmt: skip
