"""The texts of a run: invented reports from the authored corpus, of lengths as platforms see them."""

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

CORPUS = Path(__file__).parents[1] / "datasets" / "authored" / "corpus.jsonl"
MEDIAN, P95 = 35, 150  # tokens
SIGMA = math.log(P95 / MEDIAN) / 1.645  # of a lognormal distribution with this median and 95th percentile


def draw(tokenizer: Path, number: int, seed: int = 7) -> list[str]:
    """`number` different texts whose lengths in tokens follow the lognormal distribution."""
    rows = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]
    lengths = _lengths(tokenizer, rows)
    order = np.argsort(lengths, kind="stable")
    free, chosen = list(order), []
    for wanted in np.random.default_rng(seed).lognormal(math.log(MEDIAN), SIGMA, number):
        place = int(np.searchsorted(lengths[free], wanted))
        chosen.append(rows[free.pop(min(place, len(free) - 1))])
    return chosen


def lengths(tokenizer: Path, texts: list[str]) -> dict[str, float]:
    """Median and 95th percentile of the lengths in tokens."""
    found = _lengths(tokenizer, texts)
    return {"median": float(np.median(found)), "p95": float(np.quantile(found, 0.95))}


def _lengths(tokenizer: Path, texts: list[str]) -> npt.NDArray[np.float64]:
    encoder = Tokenizer.from_file(str(tokenizer))
    encoder.no_truncation()  # its file asks for both, as a transformer is trained
    encoder.no_padding()
    return np.array([len(found.ids) for found in encoder.encode_batch(texts)], dtype=float)
