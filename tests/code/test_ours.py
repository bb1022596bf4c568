"""Our own texts, authored and decided, are used whole wherever a public source is capped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training import train
from training.batches import Schedule, balanced
from training.corpus import AUTHORED, DECISIONS, Corpus, Example
from training.fit import Text, _capped
from training.heads import HeadWeights
from training.labels import Labels

SOURCES = [DECISIONS] * 300 + ["public"] * 300 + [AUTHORED] * 300
OURS = {AUTHORED: 300, DECISIONS: 300}


def corpus(split: str) -> Corpus:
    n = len(SOURCES)
    return Corpus(
        [Example(source, str(i), f"text number {i}", Labels()) for i, source in enumerate(SOURCES)],
        [f"text number {i}" for i in range(n)],
        ["violation"],
        np.zeros((n, 1), np.float32),
        np.arange(n),
        np.array([split] * n),
    )


def count(rows: Any) -> dict[str, int]:
    names, counts = np.unique(np.array(SOURCES)[rows], return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def test_in_an_epoch() -> None:
    schedule = Schedule(per_source=20, draws={}, own_repeats=2)
    drawn = balanced(corpus("train"), schedule, np.random.default_rng(0))
    assert count(drawn) == {AUTHORED: 600, DECISIONS: 600, "public": 20}


def test_in_the_calibration() -> None:
    held = _capped(corpus("calibrate"), np.arange(len(SOURCES)), 40, np.random.default_rng(0))
    assert count(held) == {**OURS, "public": 40}
    assert (np.diff(held) > 0).all()


def test_where_the_heads_settle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[str] = []

    def embed_all(model: object, texts: list[str], what: str) -> list[Any]:
        seen.extend(texts)
        return [np.ones((1, 4), np.float32)] * len(texts)

    monkeypatch.setattr(train, "embed_all", embed_all)
    monkeypatch.setattr(Text, "open", lambda self: None)
    heads = HeadWeights(np.zeros((4, 1), np.float32), np.zeros(1, np.float32))
    train.settle_heads(corpus("train"), Text("encoder", tmp_path), heads, 7)
    assert count([int(text.split()[-1]) for text in seen]) == {**OURS, "public": train.SETTLED}
