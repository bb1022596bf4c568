"""Leaving sources or rows out: each fit learns from what it may, on the frozen encoder and by fine-tuning."""

from pathlib import Path

import numpy as np
import pytest

from models.errors import MissingData
from training import plots
from training.batches import Schedule
from training.corpus import AUTHORED, Corpus, Example
from training.encoder import base_folder
from training.labels import Labels
from training.learning_curve import SHARES, learning_curve
from training.leave_out import LeftOut, fine_tune_without, leave_one_source_out

pytestmark = pytest.mark.slow

ANIMALS = ("zebra", "walrus")
THINGS = ("field", "garden", "street", "river", "kitchen", "market", "forest", "valley")
# Which animal is the violation: the left-out source and our own corpus agree, the other public source says the reverse.
BAD = {AUTHORED: "zebra", "asked": "zebra", "other": "walrus"}
TIMES = {AUTHORED: 3, "asked": 1, "other": 1}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    rows = [
        (source, f"a {animal} in the {thing} {number}", float(animal == bad), "train")
        for source, bad in BAD.items()
        for animal in ANIMALS
        for thing in THINGS
        for number in range(TIMES[source])
    ]
    rows += [(AUTHORED, f"a {a} near the {t}", float(a == BAD[AUTHORED]), "calibrate") for a in ANIMALS for t in THINGS]
    rows += [(s, f"{a} by the {t}", float(a == BAD[s]), "test") for s in BAD for a in ANIMALS for t in THINGS]
    sources, texts, answers, splits = zip(*rows, strict=True)
    return Corpus(
        [Example(source, str(i), text, Labels()) for i, (source, text) in enumerate(zip(sources, texts, strict=True))],
        list(texts),
        ["violation", "spam"],
        np.array([[answer, np.nan] for answer in answers], np.float32),
        np.arange(len(texts)),
        np.array(splits),
    )


def check(row: LeftOut) -> None:
    assert (row.source, row.output, row.n, row.positives) == ("asked", "violation", 16, 8)
    assert row.inside["value"] == row.ours["value"] == 1  # our own corpus outnumbers the one that says the reverse
    assert row.naive["value"] == 0  # which is all that the naive fit has read


def test_on_the_frozen_encoder(corpus: Corpus) -> None:
    found = leave_one_source_out(corpus, base_folder(None), 7, 20)
    assert [row.source for row in found] == list(BAD)
    check(found[1])


def test_by_fine_tuning(corpus: Corpus) -> None:
    schedule = Schedule(epochs=4, draws={}, batch=16, windows=1, disguise=0, encoder_rate=2e-4)
    check(*fine_tune_without(corpus, base_folder(None), ["asked"], 7, 20, schedule))


def test_a_source_that_cannot_be_left_out(corpus: Corpus) -> None:
    with pytest.raises(MissingData, match="nowhere"):
        fine_tune_without(corpus, base_folder(None), ["nowhere"], 7, 20)


def test_more_rows_of_our_own_teach_more(corpus: Corpus, tmp_path: Path) -> None:
    curve = learning_curve(corpus, base_folder(None), 7)
    assert list(curve) == ["violation"]
    assert len(curve["violation"]) == len(SHARES)
    assert curve["violation"][0] <= curve["violation"][-1] == 1
    assert plots.learning_curve(SHARES, curve, tmp_path / "curve.png").stat().st_size > 1000
