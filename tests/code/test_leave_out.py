"""Leaving sources out: which rows test, and that nothing is fitted for a wrong name. The fits are in tests/parity."""

from typing import Any

import numpy as np
import pytest

from models.errors import MissingData
from training import leave_out
from training.corpus import AUTHORED, Corpus, Example
from training.labels import Labels
from training.leave_out import fine_tune_without, leave_one_source_out

SOURCES = (AUTHORED, "one", "two", "one-sided")
PARTS = {"train": 12, "calibrate": 8, "test": 20}


@pytest.fixture
def corpus() -> Corpus:
    """Each source answers its every second text with yes, but one of them says yes alone."""
    rows = [(source, split, i) for source in SOURCES for split, count in PARTS.items() for i in range(count)]
    return Corpus(
        [Example(source, f"{split}{i}", "", Labels()) for source, split, i in rows],
        [f"{source} {split} {i}" for source, split, i in rows],
        ["violation", "spam"],
        np.array([[1 if source == "one-sided" else i % 2, np.nan] for source, _, i in rows], np.float32),
        np.arange(len(rows)),
        np.array([split for _, split, _ in rows]),
    )


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nothing is fitted; the texts that were embedded, or scored by a model that was pretended to be fine-tuned."""
    found: list[str] = []

    class Pretended:
        def logits(self, texts: list[str]) -> np.ndarray:
            found.extend(texts)
            return np.random.default_rng(0).random((len(texts), 2)).astype(np.float32)

    def embedded(base: str, texts: list[str]) -> np.ndarray:
        found.extend(texts)
        return np.random.default_rng(0).random((len(texts), 3)).astype(np.float32)

    monkeypatch.setattr(leave_out, "_fine_tuned", lambda *_: Pretended())
    monkeypatch.setattr(leave_out, "embed", embedded)
    return found


def test_only_the_test_part_tests(corpus: Corpus, read: list[str]) -> None:
    found = leave_one_source_out(corpus, "", 7, 5)
    assert [(row.source, row.n, row.positives) for row in found] == [(name, 20, 10) for name in SOURCES[:3]]
    assert not [text for text in read if "calibrate" in text]
    for source in SOURCES[:3]:
        assert sum(text.startswith(f"{source} test ") for text in read) == PARTS["test"]


def test_at_most_so_many_texts_test_our_own_corpus_too(
    corpus: Corpus, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leave_out, "TESTED", 14)
    monkeypatch.setattr(leave_out, "PER_SOURCE", 5)
    assert {row.n for row in leave_one_source_out(corpus, "", 7, 5)} == {14}
    trained = {source: sum(text.startswith(f"{source} train") for text in read) for source in SOURCES}
    assert trained == {AUTHORED: 12, "one": 5, "two": 5, "one-sided": 5}  # our own teaches whole


def test_a_sample_does_not_depend_on_which_others_are_asked(
    corpus: Corpus, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leave_out, "TESTED", 10)
    samples = []
    for chosen in (["two"], ["one", "two"], ["two", AUTHORED]):
        read.clear()
        assert [row.source for row in fine_tune_without(corpus, "", chosen, 7, 5)] == chosen
        samples.append({text for text in read if text.startswith("two ")})
    assert samples[0] == samples[1] == samples[2]
    assert len(samples[0]) == 10
    read.clear()
    leave_one_source_out(corpus, "", 7, 5)
    assert {text for text in read if text.startswith("two test")} == samples[0]  # nor on how it is fitted


def test_every_name_is_checked_before_the_first_fit(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def fitted(*_: Any) -> None:
        raise AssertionError("a fit was begun")

    monkeypatch.setattr(leave_out, "_fine_tuned", fitted)
    with pytest.raises(MissingData, match=r"both ways: nowhere, one-sided$"):
        fine_tune_without(corpus, "", ["one", "nowhere", "two", "one-sided"], 7, 5)
