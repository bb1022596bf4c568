"""The corpus: near duplicates stay together, and nothing of a test part is ever trained on."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.clusters import near_duplicates
from training.corpus import AUTHORED, Corpus, Example, build, read_authored
from training.labels import CLEAN, Labels, yes

LONG = "the ferry to the island leaves from the small pier behind the fish market every morning at seven"
WORDS = ["apple", "bridge", "candle", "drum", "eagle", "forest", "garden", "hammer", "island", "jacket", "kettle"]


def example(number: int, text: str, source: str = "one", official: str | None = None) -> Example:
    return Example(source, f"{source}-{number}", text, CLEAN, official)


def distinct(count: int) -> list[str]:
    """Texts that share no three words in a row."""
    rng = np.random.default_rng(0)
    return [" ".join(f"{word}{i}" for word in rng.permutation(WORDS * 3)) for i in range(count)]


def test_copies_and_near_copies_cluster_with_the_first() -> None:
    texts = [LONG, "a quite different line about a garden", LONG.upper(), LONG + " sharp", LONG + "!"]
    assert near_duplicates(texts) == [0, 1, 0, 0, 0]


def test_short_texts_are_compared_as_they_stand() -> None:
    assert near_duplicates(["go away", "Go away!", "go", "away go", ""]) == [0, 0, 2, 3, 4]


@given(st.lists(st.sampled_from(["a b c d", "e f g h", "", "?!", LONG, LONG + " x"]), max_size=12))
def test_a_cluster_is_named_by_its_first_text(texts: list[str]) -> None:
    found = near_duplicates(texts)
    assert all(number <= i for i, number in enumerate(found))
    assert all(found[number] == number for number in found)


def test_clusters_stay_on_one_side() -> None:
    texts = distinct(300)
    rows = [example(i, text) for i, text in enumerate(texts)]
    rows += [example(i, text + " indeed", "two") for i, text in enumerate(texts)]
    corpus = build(rows, ["violation"])
    assert (corpus.clusters[:300] == corpus.clusters[300:]).all()
    assert (corpus.splits[:300] == corpus.splits[300:]).all()
    shares = {name: (corpus.splits == name).mean() for name in ("train", "calibrate", "test")}
    assert shares["train"] == pytest.approx(0.8, abs=0.06)
    assert shares["calibrate"] == pytest.approx(0.1, abs=0.05)
    assert shares["test"] == pytest.approx(0.1, abs=0.05)


def test_the_split_depends_on_the_text_alone() -> None:
    texts = distinct(50)
    once = build([example(i, text) for i, text in enumerate(texts)], ["violation"])
    back = build([example(i, text) for i, text in enumerate(reversed(texts))], ["violation"])
    assert once.splits.tolist() == back.splits.tolist()[::-1]


def test_the_makers_split_is_kept() -> None:
    parts = ["train", "dev", "test"] * 20
    rows = [example(i, text, official=part) for i, (text, part) in enumerate(zip(distinct(60), parts, strict=True))]
    assert build(rows, ["violation"]).splits.tolist() == ["train", "calibrate", "test"] * 20


def test_a_source_with_a_test_part_alone_lends_no_other_test_rows() -> None:
    parts = ["test" if i % 3 == 0 else "train" for i in range(150)]
    rows = [example(i, text, official=part) for i, (text, part) in enumerate(zip(distinct(150), parts, strict=True))]
    splits = build(rows, ["violation"]).splits
    assert {part for part, split in zip(parts, splits, strict=True) if split == "test"} == {"test"}
    assert (splits == "test").sum() == 50
    assert {"train", "calibrate"} <= set(splits.tolist())


def test_near_duplicates_of_an_official_test_text_are_dropped_everywhere() -> None:
    texts = distinct(40)
    rows = [example(i, text + " indeed", "two") for i, text in enumerate(texts)]
    rows += [example(i, text, "one", "test") for i, text in enumerate(texts)]
    splits = build(rows, ["violation"]).splits
    assert set(splits[:40].tolist()) == {"dropped"}
    assert set(splits[40:].tolist()) == {"test"}


def test_repeats_inside_a_source_and_empty_texts_are_dropped() -> None:
    rows = [example(0, LONG), example(1, LONG), example(2, LONG, "two"), example(3, "\u200b"), example(4, " ")]
    splits = build(rows, ["violation"]).splits.tolist()
    assert splits[0] == splits[2] != "dropped"
    assert splits[1] == splits[3] == splits[4] == "dropped"


def test_texts_are_prepared_and_targets_filled() -> None:
    rows = [Example("one", "1", "Ｈｅｌｌｏ  there", yes(2, "spam")), example(2, LONG)]
    corpus = build(rows, ["violation", "spam", "hate"])
    assert corpus.texts[0] == "Hello there"
    np.testing.assert_array_equal(corpus.targets, [[1, 1, np.nan], [0, 0, 0]])
    assert corpus.sources.tolist() == ["one", "one"]
    for name in ("train", "calibrate", "test", "dropped"):
        assert (corpus.splits[corpus.where(name)] == name).all()  # type: ignore[arg-type]


def test_our_own_rows_are_read_whole(tmp_path: Path) -> None:
    row = {"id": "authored-1", "text": "Buy now!", "categories": ["spam"], "severity": 1, "kind": "post", "near": []}
    benign = {**row, "id": "authored-2", "categories": [], "severity": 0, "near": ["spam"]}
    (tmp_path / "corpus.jsonl").write_text(f"{json.dumps(row)}\n{json.dumps(benign)}\n", "utf-8")
    first, second = read_authored(tmp_path / "corpus.jsonl")
    assert (first.source, first.labels) == (AUTHORED, Labels({"spam": True}, True, 1, complete=True))
    assert (second.labels, second.near) == (Labels({}, False, 0, complete=True), ("spam",))
    corpus: Corpus = build([first, second], ["violation", "spam", "hate"])
    assert corpus.targets.tolist() == [[1, 1, 0], [0, 0, 0]]
