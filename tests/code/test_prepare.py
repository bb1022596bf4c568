"""Text preparation: disguises undone, honest text left alone, offsets that point into the source."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.prepare import Version, prepare
from models.report import MAX_TEXT

# Everything that Python can hold in a string, lone surrogates included, and dense in what preparation touches.
TRICKY = st.sampled_from(
    "aAeо аеСх\u200b\u200d\u00ad\u0301\u0336\u0489\ufe0f\U0001f600\U0001f3fd\U0001f1e9ａ𝐛 \t\n\u2028\ud800´ﬁ½"
)
TEXT = st.text(st.characters() | TRICKY) | st.text(TRICKY) | st.text(st.characters(categories=["Cs", "Cf", "Mn", "So"]))


@given(TEXT)
@example("e\u200b\u0301")  # hidden character between a letter and its mark
@example("aо о")  # unmasking one word makes the text mostly Latin
@example("ос x\U0001f600")
def test_without_spelling_its_own_output_stays(text: str) -> None:
    once = prepare(text, "prepare.v1").text
    assert prepare(once, "prepare.v1").text == once


@given(TEXT)
def test_the_map_stays_inside_the_source_and_never_goes_back(text: str) -> None:
    found = prepare(text)
    assert len(found.text) == len(found.starts) == len(found.ends)
    assert list(found.starts) == sorted(found.starts)
    assert list(found.ends) == sorted(found.ends)
    assert all(0 <= start < end <= len(text) for start, end in zip(found.starts, found.ends, strict=True))


@given(TEXT, st.data())
def test_source_spans_lie_in_the_source(text: str, data: st.DataObject) -> None:
    found = prepare(text)
    if found.text:
        start = data.draw(st.integers(0, len(found.text) - 1))
        end = data.draw(st.integers(start + 1, len(found.text)))
        first, last = found.source_span(start, end)
        assert 0 <= first < last <= len(text)


@given(TEXT)
def test_nothing_hidden_is_left(text: str) -> None:
    found = prepare(text).text
    assert not {unicodedata.category(c) for c in found} & {"Cc", "Cf", "Cs", "Co", "Cn", "So"}
    assert found == " ".join(found.split())


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_plain_text_is_itself(text: str) -> None:
    assert prepare(text, "prepare.v1").text == text


LEET = st.text(st.sampled_from("aeikl013457@$! .-'xX/"))


@given(LEET)
def test_plain_spelling_keeps_its_place(text: str) -> None:
    found = prepare(text)
    assert len(found.text) == len(found.starts) == len(found.ends)


@pytest.mark.parametrize("text", ["a4a b4b 4c", "k 1 l l", "a.b.c aaab"])
def test_most_spellings_are_undone_at_once(text: str) -> None:
    once = prepare(text).text
    assert prepare(once).text == once


def test_undoing_one_spelling_can_bring_out_another() -> None:
    assert prepare("l0000l").text == "looool"
    assert prepare("looool").text == "lool"


@pytest.mark.parametrize("version", ["prepare.v1", "prepare.v2"])
@pytest.mark.parametrize("character", ["\U0001f51e", "\ufdfa"])  # 29 and 18 characters each
def test_a_text_that_grows_too_long_is_cut(character: str, version: Version) -> None:
    found = prepare(character * MAX_TEXT, version)
    assert MAX_TEXT - 1 <= len(found.text) <= MAX_TEXT  # no space is left at the end
    assert found.cut
    assert len(found.text) == len(found.starts) == len(found.ends)
    assert found.ends[-1] < MAX_TEXT
    assert prepare(character * 9, version).text == found.text[: len(prepare(character * 9, version).text)]


@pytest.mark.parametrize("text", ["яб" * MAX_TEXT, "я" * (MAX_TEXT - 3) + "½"], ids=["long as sent", "just fits"])
def test_a_text_that_does_not_grow_is_whole(text: str) -> None:
    found = prepare(text)
    assert found.text == unicodedata.normalize("NFKC", text)
    assert not found.cut


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("I will c00k y0u d1nn3r", "I will cook you dinner"),
        ("1 w1ll w41t 70n1gh7", "i will wait tonight"),  # two such words give the others away
        ("p@y me n0w", "pay me now"),
        ("d a n c e with me", "dance with me"),
        ("d.a.n.c.e", "dance"),
        ("daaaance sooooo slowly", "dance soo slowly"),
        ("meet at 5pm, 1st floor, 10km in 3h", "meet at 5pm, 1st floor, 10km in 3h"),
        ("covid19, mp3, b2b, $5 off, A1", "covid19, mp3, b2b, $5 off, A1"),
        ("bob@example.com www.h0st.example/p4th #t4g @us3r", "bob@example.com www.h0st.example/p4th #t4g @us3r"),
        ("www, World War III, wow!!!", "www, World War III, wow!!!"),
        ("I'm a b", "I'm a b"),
    ],
)
def test_spelling(source: str, expected: str) -> None:
    assert prepare(source).text == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("you\u200b are\u200d so\u2060 kind\ufeff", "you are so kind"),
        ("y\u00ado\u200bu", "you"),
        ("\u202ereversed\u202c order", "reversed order"),
        ("you are an іdіоt", "you are an idiot"),  # Cyrillic і and о
        ("уоu аrе slоw", "you are slow"),
        ("ＧＯ  ＡＷＡＹ", "GO AWAY"),
        ("𝓰𝓸 𝕒𝕨𝕒𝕪", "go away"),
        ("ﬁne", "fine"),
        ("g̷̶o̷̶ ̶a̶w̷̵̶a̸y̶", "go away"),
        ("h\u0335\u0301\u0308e\u0301\u0300\u0336l\u0334\u0301\u0336lo", "hello"),
        ("crème brûlée", "crème brûlée"),
        ("cre\u0300me", "crème"),
        ("Tiếng Việt", "Tiếng Việt"),
        ("I am \U0001f600", "I am grinning face"),
        ("go\U0001f600go", "go grinning face go"),
        ("\U0001f44d\U0001f3fd", "thumbs up sign"),
        ("I \u2764\ufe0f it", "I heavy black heart it"),
        ("\U0001f1e9\U0001f1ea", ""),
        (" \t a \n\n\u00a0 b \u2003", "a b"),
        ("", ""),
        ("\u200b\u200b", ""),
        ("\ud83d", ""),
    ],
)
def test_examples(source: str, expected: str) -> None:
    assert prepare(source).text == expected


@pytest.mark.parametrize("letter", ["а", "é", "ب", "𝟙"])  # the first is Cyrillic
def test_a_pile_of_marks_is_cut_before_it_is_sorted(letter: str) -> None:
    pile = "\u0301" * 50_000 + "\u0323" * 50_000  # of two classes: sorting them takes the square of their number
    found = prepare(f"so {letter}{pile} it is")
    assert found.text.startswith("so ") and found.text.endswith(" it is")
    assert len(found.text) < 50


@pytest.mark.parametrize(
    "text", ["Привет, как дела у вас сегодня?", "Сосед орет", "Καλημέρα κόσμε", "Москва и Лондон", "שלום", "你好"]
)
def test_other_scripts_are_left_alone(text: str) -> None:
    assert prepare(text).text == unicodedata.normalize("NFKC", text)


def test_spans_skip_hidden_characters() -> None:
    source = "so \u200bst\u200bup\u200bid"
    found = prepare(source)
    assert found.text == "so stupid"
    start, end = found.source_span(3, 9)
    assert source[start:end] == "st\u200bup\u200bid"


def test_an_emoji_name_points_to_its_emoji() -> None:
    source = "hi \U0001f600!"
    found = prepare(source)
    start = found.text.index("grinning")
    assert found.source_span(start, start + len("grinning face")) == (3, 4)
