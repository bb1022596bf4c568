"""What an epoch of fine-tuning sees: the draw, the disguises and the batches."""

import random
from dataclasses import replace

import numpy as np
import pytest
from tokenizers import Tokenizer

from models.prepare import prepare
from models.runtime import WINDOW
from training.batches import Schedule, Windows, balanced, epoch_batches, pack, pad
from training.corpus import AUTHORED, Corpus, Example, training_targets
from training.disguises import CHANGES, disguised, leet
from training.encoder import base_folder
from training.labels import Labels

LONG = "we walked along the river and fed the ducks " * 60
SCHEDULE = Schedule(per_source=3, draws={"b": 1}, own_repeats=2, batch=4, windows=2, disguise=0.0)


@pytest.fixture(scope="module")
def cut() -> Windows:
    return Windows(Tokenizer.from_file(f"{base_folder(None)}/tokenizer.json"), 2)


def corpus(sources: list[str], targets: list[list[float]] | None = None) -> Corpus:
    n = len(sources)
    return Corpus(
        [Example(source, str(i), f"text number {i}", Labels()) for i, source in enumerate(sources)],
        [f"text number {i}" for i in range(n)],
        ["violation", "spam"],
        np.array(targets or [[0, 0]] * n, np.float32),
        np.arange(n),
        np.array(["train"] * n),
    )


MIXED = corpus([AUTHORED] * 5 + ["a"] * 9 + ["b"] * 4)


def test_the_draw_caps_public_sources_and_repeats_our_own() -> None:
    drawn = balanced(MIXED, SCHEDULE, np.random.default_rng(0))
    found = {source: int((MIXED.sources[drawn] == source).sum()) for source in (AUTHORED, "a", "b")}
    assert found == {AUTHORED: 10, "a": 3, "b": 1}


def test_an_epoch_is_a_function_of_its_seed(cut: Windows) -> None:
    first, again, other = (epoch_batches(MIXED, SCHEDULE, cut, 7, epoch) for epoch in (0, 0, 1))
    assert first == again
    assert first != other
    assert sum(len(batch.rows) for batch in first) == 14


def test_windows_are_those_of_the_served_model_up_to_the_cap(cut: Windows) -> None:
    short, long = cut(["a short text", LONG])
    assert len(short) == 1
    assert len(long) == 2
    assert {len(window) for window in long} == {WINDOW}
    assert short[0][0] == long[1][0] == 101 and short[0][-1] == long[1][-1] == 102


def test_batches_hold_so_many_windows_and_keep_a_text_together() -> None:
    items = [(i, [[1] * 3] * n) for i, n in enumerate([1, 1, 3, 6, 1])]
    batches = list(pack(items, 4))
    assert [batch.rows for batch in batches] == [[0, 1], [2], [3], [4]]
    assert batches[2].owner == [0] * 6
    ids, mask, owner = batches[0].padded()
    assert ids.shape == mask.shape == (2, 3)
    assert owner.tolist() == [0, 1]


def test_padding_is_masked() -> None:
    ids, mask = pad([[5, 6, 7], [8]])
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_disguise_leaves_something_to_read_and_is_repeatable(change: object) -> None:
    assert callable(change)
    for text in ("You are so slow, give me back my bread!", "ok", "\U0001f600", "1234"):
        found = [change(text, random.Random(seed)) for seed in range(20)]
        assert found == [change(text, random.Random(seed)) for seed in range(20)]
        assert all(found)


def test_some_disguise_changes_a_text() -> None:
    assert len({disguised("Please give me back my bread today", random.Random(seed)) for seed in range(40)}) > 20


def test_padding_puts_a_harmless_text_of_our_own_around_a_text(cut: Windows) -> None:
    mine = corpus([AUTHORED] * 4)
    said = [(False, ()), (True, ()), (False, ("spam",)), (False, ())]
    rows = [replace(e, labels=Labels(violation=v), near=n) for e, (v, n) in zip(mine.examples, said, strict=True)]
    mine = replace(mine, examples=rows, texts=["river", "threat", "lottery", "x" * 300])
    found = epoch_batches(mine, replace(SCHEDULE, padding=1.0, own_repeats=1, batch=1), cut, 7, 0)
    words = {batch.rows[0]: batch.ids[0] for batch in found}
    river, lottery = (cut([word])[0][0][1] for word in ("river", "lottery"))
    assert all(river in ids for ids in words.values())
    assert [row for row, ids in words.items() if lottery in ids] == [2]


def test_without_a_harmless_text_none_is_padded(cut: Windows) -> None:
    plain, padded = (epoch_batches(MIXED, replace(SCHEDULE, padding=p), cut, 7, 0) for p in (0.0, 1.0))
    assert plain == padded


def test_preparation_undoes_digits_for_letters() -> None:
    text = "please give me back the bread tonight"
    assert prepare(leet(text, random.Random(3), share=1.0).replace("!", "1").replace("@", "4")).text == text


def test_a_source_that_proves_violations_alone_does_not_teach_what_one_is() -> None:
    found = training_targets(corpus(["a", "a", "b", "b"], [[1, 1], [1, np.nan], [1, 0], [0, np.nan]]))
    assert np.isnan(found[:2, 0]).all()
    assert found[2:, 0].tolist() == [1, 0]
    assert found[0, 1] == 1
