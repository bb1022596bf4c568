"""Near-duplicate clusters, so that a text and its copies never stand on both sides of a split."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from datasketch import MinHash, MinHashLSH
from rich.progress import track
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

PERMUTATIONS = 64
SIMILARITY = 0.7  # Jaccard similarity of word-triple sets from which two texts are copies
BANDS = (16, 4)  # of the permutations: a pair at 0.7 is looked at with probability 1 - (1 - 0.7⁴)¹⁶ = 0.99
_WORD = re.compile(r"\w+")


def shingles(text: str) -> set[bytes]:
    """Word triples of a text (of a short one, its words as they stand)."""
    words = _WORD.findall(text.lower())
    return {" ".join(words[i : i + 3]).encode() for i in range(max(len(words) - 2, 1))}


def near_duplicates(texts: Sequence[str], *, progress: bool = False) -> list[int]:
    """Cluster number of each text: the index of the first text of its cluster.

    Texts whose word triples overlap by SIMILARITY (Jaccard) or more stand together, and so do all that are linked by
    such pairs. MinHash (Broder 1997) finds the pairs to compare; of two that are just alike enough it misses 1 %.
    """
    lsh = MinHashLSH(num_perm=PERMUTATIONS, params=BANDS)
    triples: dict[int, frozenset[bytes]] = {}
    known: dict[frozenset[bytes], int] = {}
    links: list[tuple[int, int]] = []
    numbered: Iterable[tuple[int, str]] = enumerate(texts)
    if progress:
        numbered = track(numbered, "near duplicates", total=len(texts))
    for i, text in numbered:
        grams = frozenset(shingles(text))
        if grams in known:
            links.append((i, known[grams]))
            continue
        sketch = MinHash(PERMUTATIONS, seed=1)
        sketch.update_batch(sorted(grams))
        links += [(i, j) for j in lsh.query(sketch) if len(grams & triples[j]) >= SIMILARITY * len(grams | triples[j])]
        lsh.insert(i, sketch)
        triples[i] = grams
        known[grams] = i
    pairs = np.array(links, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(texts), len(texts)))
    _, labels = connected_components(graph, directed=False)
    _, first = np.unique(labels, return_index=True)
    found: list[int] = first[labels].tolist()
    return found
