"""The featuriser "hashed-ngrams.v1": a text as ids of its words, word pairs and inner character groups."""

import re
import zlib

import numpy as np
import numpy.typing as npt

VERSION = "hashed-ngrams.v1"
BUCKETS = 1 << 15
MAX_IDS = 20_000  # per text; beyond it the text is cut, with a warning
_WORD = re.compile(r"\w+(?:'\w+)*|[^\w\s]")


def hashed_ngrams(text: str) -> tuple[npt.NDArray[np.int64], bool]:
    """Return bucket ids (int64, [n], n ≥ 1) of a prepared text, and whether it was cut.

    CRC-32 is stable across machines, versions and processes, which Python's own hash is not.
    """
    words = _WORD.findall(text.lower())
    grams: list[str] = []
    for previous, word in zip(["", *words], words, strict=False):
        grams += (f"w {word}", f"p {previous} {word}")
        padded = f"<{word}>"
        grams += (f"c {padded[i : i + size]}" for size in (3, 4) for i in range(len(padded) - size + 1))
        if len(grams) > MAX_IDS:
            break
    ids = [zlib.crc32(gram.encode("utf-8", "surrogatepass")) % BUCKETS for gram in grams[:MAX_IDS]] or [0]
    return np.array(ids, dtype=np.int64), len(grams) > MAX_IDS
