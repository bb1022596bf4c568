"""Hashed n-grams: stable everywhere, because bundles outlive processes."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ngrams import BUCKETS, MAX_IDS, hashed_ngrams


@given(st.text(st.characters(), max_size=200))
def test_ids_are_buckets_and_there_is_one_at_least(text: str) -> None:
    ids, cut = hashed_ngrams(text)
    assert len(ids) >= 1
    assert ids.dtype == "int64"
    assert ids.min() >= 0 and ids.max() < BUCKETS
    assert not cut


GOLDEN = [21163, 19468, 3591, 785, 15661, 24004]  # of "a b"


def test_golden_ids() -> None:
    # A change here breaks every bundle in service: give the featuriser a new version instead.
    assert hashed_ngrams("a b")[0].tolist() == GOLDEN


def test_another_process_hashes_alike() -> None:
    code = "from models.ngrams import hashed_ngrams; print(hashed_ngrams('Nobody likes your cakes')[0].tolist())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == str(hashed_ngrams("Nobody likes your cakes")[0].tolist())


def test_case_does_not_matter() -> None:
    assert hashed_ngrams("Go AWAY")[0].tolist() == hashed_ngrams("go away")[0].tolist()


@pytest.mark.parametrize(("one", "other"), [("go away", "away go"), ("stop", "stop!"), ("can't", "can t")])
def test_order_and_signs_matter(one: str, other: str) -> None:
    assert hashed_ngrams(one)[0].tolist() != hashed_ngrams(other)[0].tolist()


def test_similar_words_share_ids() -> None:
    one, other = (set(hashed_ngrams(word)[0].tolist()) for word in ("bullying", "bullyingg"))
    assert len(one & other) >= 5


def test_a_very_long_text_is_cut_and_says_so() -> None:
    ids, cut = hashed_ngrams("word " * 20_000)
    assert cut
    assert len(ids) == MAX_IDS
