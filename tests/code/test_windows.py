"""Windows over long texts: every token is seen, up to a stated limit."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from models.bundle import Bundle
from models.runtime import MAX_WINDOWS, OVERLAP, WINDOW, windows
from serving.settings import SHIPPED_BUNDLE

SIZE = WINDOW - 2  # without the two special tokens


@given(st.integers(0, 5000))
def test_windows_cover_the_text_in_order(length: int) -> None:
    found, cut = windows(length)
    assert 1 <= len(found) <= MAX_WINDOWS
    assert found[0][0] == 0
    assert all(end - start <= SIZE for start, end in found)
    for (_, end), (start, _) in pairwise(found):
        assert end - start == OVERLAP
    assert cut == (found[-1][1] < length)


@given(st.integers(1, 5000))
def test_no_window_holds_only_what_the_one_before_it_held(length: int) -> None:
    found, _ = windows(length)
    assert all(end > before for (_, before), (_, end) in pairwise(found))


def test_by_hand() -> None:
    assert windows(0) == ([(0, 0)], False)
    assert windows(126) == ([(0, 126)], False)
    assert windows(127) == ([(0, 126), (110, 127)], False)
    assert windows(MAX_WINDOWS * 110 + OVERLAP)[1] is False
    assert windows(MAX_WINDOWS * 110 + OVERLAP + 1)[1] is True


def test_what_somebody_writes_is_no_special_token() -> None:
    embeddings, _ = Bundle.read(SHIPPED_BUNDLE).text_model.embed("[SEP] " * 100)
    assert len(embeddings) > 1  # a hundred special tokens would fit into one window
