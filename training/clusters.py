"""Near-duplicate clusters, so that a text and its copies never stand on both sides of a split."""

import re
from collections.abc import Iterable, Sequence

from datasketch import MinHash, MinHashLSH
from rich.progress import track

PERMUTATIONS = 64
SIMILARITY = 0.7  # estimated Jaccard similarity of word-triple sets from which two texts are copies
_WORD = re.compile(r"\w+")


def shingles(text: str) -> set[bytes]:
    """Word triples of a text (of a short one, its words as they stand)."""
    words = _WORD.findall(text.lower())
    return {" ".join(words[i : i + 3]).encode() for i in range(max(len(words) - 2, 1))}


def near_duplicates(texts: Sequence[str], *, progress: bool = False) -> list[int]:
    """Cluster number of each text: that of its first near duplicate (MinHash, Broder 1997), or its own index."""
    lsh = MinHashLSH(threshold=SIMILARITY, num_perm=PERMUTATIONS)
    cluster: list[int] = []
    known: dict[frozenset[bytes], int] = {}
    numbered: Iterable[tuple[int, str]] = enumerate(texts)
    if progress:
        numbered = track(numbered, "near duplicates", total=len(texts))
    for i, text in numbered:
        grams = frozenset(shingles(text))
        first = known.get(grams)
        if first is None:
            sketch = MinHash(PERMUTATIONS, seed=1)
            sketch.update_batch(sorted(grams))
            matches = lsh.query(sketch)
            first = min((cluster[match] for match in matches), default=i)
            lsh.insert(i, sketch)
            known[grams] = first
        cluster.append(first)
    return cluster
