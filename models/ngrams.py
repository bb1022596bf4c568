"""The featuriser "hashed-ngrams.v1": a text as ids of its words, word pairs and inner character groups."""

import re
import zlib

import numpy as np
import numpy.typing as npt

VERSION = "hashed-ngrams.v1"
BUCKETS = 1 << 15
MAX_IDS = 20_000  # per text; beyond it the text is cut, with a warning
_WORD = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
Ids = npt.NDArray[np.int64]


def hashed_ngrams(text: str) -> tuple[Ids, bool]:
    """Return bucket ids (int64, [n], n ≥ 1) of a prepared text, and whether it was cut.

    CRC-32 is stable across machines, versions and processes, which Python's own hash is not.
    """
    words = _WORD.findall(text.lower())
    grams: list[str] = []
    for previous, word in zip(["", *words], words, strict=False):
        grams += _grams(previous, word)
        if len(grams) > MAX_IDS:
            break
    ids = [zlib.crc32(gram.encode("utf-8", "surrogatepass")) % BUCKETS for gram in grams[:MAX_IDS]] or [0]
    return np.array(ids, dtype=np.int64), len(grams) > MAX_IDS


def _grams(previous: str, word: str) -> list[str]:
    """The n-grams that a word brings: itself, the pair with the word before it, its character groups."""
    padded = f"<{word}>"
    inner = [f"c {padded[i : i + size]}" for size in (3, 4) for i in range(len(padded) - size + 1)]
    return [f"w {word}", f"p {previous} {word}", *inner]


def gram_places(text: str) -> Ids:
    """Where each id of `hashed_ngrams` stands: the first characters of its two words in `text`, [n, 2].

    A pair's are those of both its words; any other n-gram speaks of one word, twice the same.
    """
    # Lower case can be longer than the text that it comes from: back from each of its characters to that text.
    origin = [i for i, character in enumerate(text) for _ in character.lower()]
    places: list[tuple[int, int]] = []
    previous, before = "", None
    for match in _WORD.finditer(text.lower()):
        here, count = origin[match.start()], len(_grams(previous, match.group()))
        places += [(here, here), (here if before is None else before, here), *[(here, here)] * (count - 2)]
        if len(places) > MAX_IDS:
            break
        previous, before = match.group(), here
    return np.array(places[:MAX_IDS], dtype=np.int64).reshape(-1, 2)
