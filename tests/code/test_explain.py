"""Explanations: exact for n-grams, bounded and word by word where words are taken out."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bundle import Bundle
from models.explain import MAX_RUNS, Output, contributions, occlusion, spans
from models.ngrams import MAX_IDS, gram_places, hashed_ngrams
from models.prepare import prepare
from models.runtime import WINDOW, Encoder, Heads, NgramModel, read_text
from serving.settings import SHIPPED_BUNDLE

TEXTS = [
    "Nobody likes your cakes, go away.",
    "I WILL find you and I will hurt you!!!",
    "one",
    "can't  won't -- don't: stop, stop, stop",
    "İstanbul'da iyi bir gün, ΟΔΟΣ ΣΟΦΟΣ",
    "We walked along the river and had a cup of tea. " * 40,
]
Texts = st.text(st.characters(), max_size=200)


@pytest.fixture(scope="module")
def parts(loaded: Bundle) -> tuple[NgramModel, Heads]:
    model = loaded.text_model
    assert isinstance(model, NgramModel)
    return model, loaded.heads


@given(Texts)
def test_every_id_of_a_text_has_a_place_in_it(text: str) -> None:
    text = prepare(text).text
    places = gram_places(text)
    if text.strip():
        assert len(places) == len(hashed_ngrams(text)[0])
        assert places.min() >= 0 and places.max() < len(text)
        assert not any(text[i].isspace() for i in set(places.ravel().tolist()))


def test_places_of_a_pair_are_those_of_its_words() -> None:
    assert gram_places("go on")[:2].tolist() == [[0, 0], [0, 0]]  # "go", and the pair that begins the text
    assert [0, 3] in gram_places("go on").tolist()
    assert len(gram_places("word " * 20_000)) == MAX_IDS


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_contributions_and_the_bias_make_up_the_outputs(parts: tuple[NgramModel, Heads], text: str) -> None:
    text = prepare(text).text
    found = contributions(text, *parts)
    assert found is not None
    words, added = found
    assert [text[start:end] for start, end in words] == text.split()
    expected = read_text(*parts, text).logits
    assert np.abs(added.sum(axis=0) + parts[1].layer()[1] - expected)[1:].max() < 1e-4


@given(Texts)
def test_contributions_are_exact_for_any_text(parts: tuple[NgramModel, Heads], text: str) -> None:
    text = prepare(text).text
    if text.strip():
        found = contributions(text, *parts)
        assert found is not None
        expected = read_text(*parts, text).logits
        assert np.abs(found[1].sum(axis=0) + parts[1].layer()[1] - expected)[1:].max() < 1e-4


def counting(weigh: Callable[[str], float]) -> tuple[Callable[[str], np.ndarray], list[str]]:
    """A model of one output that remembers what it was asked."""
    asked: list[str] = []

    def run(text: str) -> np.ndarray:
        asked.append(text)
        return np.array([weigh(text)])

    return run, asked


@pytest.mark.parametrize("length", [1, 2, 22, 23, 24, 60, 126, 132])
@pytest.mark.parametrize("where", [0.0, 0.4, 1.0])
def test_the_one_word_that_counts_is_found_alone(length: int, where: float) -> None:
    words = ["calm"] * length
    words[round(where * (length - 1))] = "bad"
    run, asked = counting(lambda text: 2.0 * text.split().count("bad"))
    text = " ".join(words)
    places, weights = occlusion(text, run)
    assert len(asked) <= MAX_RUNS
    best = places[int(weights[:, 0].argmax())]
    assert text[best[0] : best[1]] == "bad"
    assert [text[start:end] for (start, end), weight in zip(places, weights, strict=True) if weight > 0] == ["bad"]


def test_several_groups_are_refined_while_runs_are_left() -> None:
    words = ["calm"] * 40
    words[3], words[30] = "bad", "worse"
    run, asked = counting(lambda text: text.split().count("bad") + 2.0 * text.split().count("worse"))
    text = " ".join(words)
    places, weights = occlusion(text, run)
    assert len(asked) <= MAX_RUNS
    found = {text[start:end]: float(weight[0]) for (start, end), weight in zip(places, weights, strict=True)}
    assert (found["worse"], found["bad"]) == (2, 1)


@pytest.mark.parametrize("length", [120, 128])
@pytest.mark.parametrize("where", [(3, 60, 115), (15, 16, 119), (40, 47, 81)])
def test_three_words_that_count_are_found_alone_wherever_they_are(length: int, where: tuple[int, ...]) -> None:
    words = ["calm"] * length
    weights_of = {"bad": 1.0, "worse": 1.5, "worst": 2.0}
    for i, word in zip(where, weights_of, strict=True):
        words[i] = word
    run, asked = counting(lambda text: sum(weight for word, weight in weights_of.items() if word in text.split()))
    text = " ".join(words)
    places, weights = occlusion(text, run)
    assert len(asked) <= MAX_RUNS
    found = {text[start:end]: weight for (start, end), weight in zip(places, weights[:, 0].tolist(), strict=True)}
    assert {word: weight for word, weight in found.items() if weight > 0} == weights_of
    again = occlusion(text, run)
    assert again[0] == places and (again[1] == weights).all()


def test_words_that_count_only_together_stay_together() -> None:
    words = ["calm"] * 60
    words[33] = words[35] = "bad"  # either is enough
    run, _ = counting(lambda text: float("bad" in text.split()))
    text = " ".join(words)
    places, weights = occlusion(text, run)
    start, end = places[int(weights[:, 0].argmax())]
    assert text[start:end].split().count("bad") == 2


@pytest.mark.parametrize("length", [500, 5000])
def test_a_text_of_any_length_keeps_to_the_runs(length: int) -> None:
    words = ["calm"] * length
    words[length // 3] = "bad"
    run, asked = counting(lambda text: 2.0 * text.split().count("bad"))
    text = " ".join(words)
    places, weights = occlusion(text, run)
    assert len(asked) <= MAX_RUNS
    start, end = places[int(weights[:, 0].argmax())]
    assert "bad" in text[start:end].split()
    assert len(text[start:end].split()) <= length / 100


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The shipped encoder."""
    model = Bundle.read(SHIPPED_BUNDLE).text_model
    assert isinstance(model, Encoder)
    return model


def test_passages_cover_a_text_and_are_read_in_one_run(encoder: Encoder) -> None:
    text = prepare("The extraordinarily long-winded gatekeeper unlocked seventeen padlocks. " * 40).text
    windows = len(encoder.embed(text)[0])
    passages = [encoder.passage(text, i) for i in range(windows)]
    assert windows > 3
    assert passages[0][0] == 0 and passages[-1][1] == len(text)
    for (start, end), (after, _) in pairwise(passages):
        assert start < after < end
    for start, end in passages:
        assert len(encoder.embed(text[start:end])[0]) == 1
        assert not text[start].isspace() and not text[end - 1].isspace()


def test_a_word_longer_than_a_window_is_a_passage(encoder: Encoder) -> None:
    text = "ab-" * WINDOW  # signs are tokens of their own
    start, end = encoder.passage(text, 1)
    assert 0 < start < end <= len(text)


def test_the_encoder_runs_at_most_so_often(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = "We walked along the river, fed the ducks and had a cup of tea. " * 20
    prepared = prepare(calm + "Tomorrow I will hurt you badly. " + calm)
    bundle = Bundle.read(SHIPPED_BUNDLE)
    heads, runs = bundle.heads, []
    column = bundle.manifest.outputs.index("violence_threat")
    signal = read_text(encoder, heads, prepared.text)
    embed = encoder.embed

    def counted(text: str) -> tuple[np.ndarray, bool]:
        rows, cut = embed(text)
        runs.extend(rows)
        return rows, cut

    monkeypatch.setattr(encoder, "embed", counted)
    found = spans(prepared, signal, [Output("violence_threat", column, 1.0)], encoder, heads)
    assert len(runs) <= MAX_RUNS
    assert found
    start = prepared.text.index("Tomorrow")
    assert start <= found[0].start and found[0].end <= start + len("Tomorrow I will hurt you badly.")
    assert spans(prepared, signal, [Output("violence_threat", column, 1.0)], encoder, heads) == found
