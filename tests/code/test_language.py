"""Other languages than English are told by their text, and hard English is not taken for one of them."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from models.bundle import Bundle
from models.language import MAX_READ, is_foreign, primary_language
from models.prepare import prepare
from models.report import Report
from models.score import Score
from models.scorer import Scorer
from training.sources import read_sources

SOURCES = {source.name: source for source in read_sources(Path(__file__).parents[2] / "datasets" / "sources.toml")}
FOREIGN = {
    "es": ["Mi vecina deja la bicicleta en el portal todos los días", "jajaja que buena foto, me encanta tu perro"],
    "fr": ["Le train est encore en retard, j'en ai marre", "quelqu'un a vu mes clés dans la cuisine ??"],
    "de": ["Wer hat schon wieder meinen Joghurt gegessen?", "kannst du mir morgen beim umzug helfen bitte"],
    "pt": ["Alguém viu o meu guarda-chuva azul?", "kkkk esse gato é igualzinho ao meu"],
    "it": ["Domani andiamo al mare se non piove", "chi ha preso le mie chiavi dal tavolo??"],
    "nl": ["Wie heeft mijn sleutels van de tafel gepakt?", "morgen gaan we met de trein naar zee"],
    "pl": ["Kto zabrał moje klucze ze stołu?", "jutro jedziemy pociągiem nad morze"],
    "tr": ["Masadaki anahtarlarımı kim aldı?", "yarin trenle denize gidiyoruz"],
    "id": ["Siapa yang ambil kunci saya dari meja?", "besok kita naik kereta ke pantai ya"],
    "sw": ["Nani amechukua funguo zangu mezani?", "kesho tutaenda pwani kwa treni"],
    "tl": ["Sino ang kumuha ng susi ko sa mesa?", "bukas pupunta tayo sa dagat sakay ng tren"],
    "hi in Latin letters": ["meri chaabi mez se kisne uthayi", "kal hum train se samundar jaa rahe hai"],
    "hi": ["मेरी चाबी मेज से किसने उठाई", "कल हम ट्रेन से जा रहे हैं"],
    "ar": ["من أخذ مفاتيحي من على الطاولة؟", "غدا نذهب الى البحر بالقطار"],
    "ru": ["Кто взял мои ключи со стола?", "завтра едем на поезде к морю"],
    "zh": ["谁把我桌上的钥匙拿走了？", "明天我们坐火车去海边"],
    "with English words": [
        "bro el server está caído otra vez, qué rabia",
        "das Update ist echt nice aber der Chat ist tot",
    ],
    "with handles, tags and emoji": [
        "@best_friend_ever wo bist du denn schon wieder? #monday #tired 😂😂😂",
        "mira esto https://example.com/the-best-offers-of-the-week que barato está 😍😍😍😍",
    ],
    "in capitals": ["WER HAT SCHON WIEDER MEINEN JOGHURT GEGESSEN", "DÓNDE ESTÁ MI PAQUETE, QUIERO MI DINERO"],
}
ENGLISH = [
    "ngl this cake is bussin fr fr no cap bruh",
    "wtf is dis, da server b down again lol smh",
    "u aint slick lil bro we all seen it",
    "y0ur 4cc0unt h4s b33n l0ck3d, p4y n0w",
    "s t o p  t e x t i n g  m e",
    "soooooo tiiiired of thiiiis",
    "G I V E M E M Y B I K E BACK",
    "gіvе mе mу bіkе bаck, yоu clоwn",  # with Cyrillic letters
    "g\u200bive m\u200be m\u200by bi\u200bke ba\u200bck",
    "𝓰𝓲𝓿𝓮 𝓶𝓮 𝓶𝔂 𝓫𝓲𝓴𝓮 𝓫𝓪𝓬𝓴",
    "GIVE IT BACK NOW ya loonies",
    "Priya, Björn, Łukasz and José moved house in Guadalajara",
    "Giuseppe and Nguyễn want bibimbap or tacos al pastor tonight",
    "inshallah we win the match tomorrow brother",
    "Bitte stop sending me memes at 3am haha",
    "gonnae no dae that, yer daein ma heid in",
    "abeg make una help me, dem don block my account",
    "the queue damn long leh, cannot tahan",
    "plz dont b mad im sry bout last nite",
    "😂😂😂😂 bruhhhh 💀💀",
    "#MondayMotivation #grindset #nodaysoff",
    "@el_jefe @la_reina_del_sur @der_kleine_prinz lmao",
    "WTS AK redline ft 0.15 b/o 12 keys",
]
MISSED = ["wtf iz dis, da server b down agen lol smh", "koi maths ke homework mein madad karega kya?"]
Run = Callable[..., Score]


def foreign(text: str) -> bool:
    return is_foreign(text, prepare(text))


@pytest.fixture(scope="module")
def score(loaded: Bundle, make_report: Callable[..., Report], now: datetime) -> Run:
    """Score a text with a stated language."""
    scorer = Scorer(loaded)

    def run(text: str, language: str | None) -> Score:
        return scorer.score(make_report(text, content={"language": language}), received_at=now)

    return run


@pytest.mark.parametrize("language", FOREIGN)
def test_other_languages_are_foreign(language: str) -> None:
    assert [text for text in FOREIGN[language] if not foreign(text)] == []


@pytest.mark.parametrize("text", ENGLISH)
def test_hard_english_is_english(text: str) -> None:
    assert not foreign(text)


def test_what_is_known_to_fail_still_does() -> None:
    assert [foreign(text) for text in MISSED] == [True, False]  # slang in odd spelling; Hindi with English words


@pytest.mark.parametrize("text", ["", "😂😂", "12:30", "lol", "ciao bella", "Gràcies", "hola amigo", "¯\\_(-)_/¯"])
def test_little_text_is_believed_english(text: str) -> None:
    assert not foreign(text)


@pytest.mark.parametrize("text", ["да", "你好", "مرحبا", "привет bro", "ok 👍 здравствуйте"])
def test_letters_of_another_script_are_foreign_however_few(text: str) -> None:
    assert foreign(text)


def test_emoji_and_addresses_have_no_say() -> None:
    assert foreign(FOREIGN["it"][0] + " 😂" * 60)
    assert foreign(FOREIGN["it"][0] + " @the_people_of_the_town" * 12)
    assert not foreign("look at this 😂 https://beispiel.de/angebote-der-woche-und-noch-viel-mehr-davon #gutenmorgen")


def test_a_long_text_is_read_at_both_ends() -> None:
    german, english = " ".join(FOREIGN["de"] * 40), "We had a quiet walk by the sea. " * 40
    assert min(len(german), len(english)) > MAX_READ
    assert foreign(german)
    assert not foreign(english)
    assert not foreign(english + german[:100])


def test_every_preparation_serves() -> None:
    for text in (*ENGLISH[:4], *FOREIGN["fr"]):
        assert is_foreign(text, prepare(text, "prepare.v1")) == foreign(text)


def test_threads_agree() -> None:
    texts = [*ENGLISH, *(text for rows in FOREIGN.values() for text in rows)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(foreign, texts * 3)) == [foreign(text) for text in texts] * 3


@pytest.mark.parametrize("stated", [None, "en", "en-GB", "fr"])
def test_the_scorer_abstains_whatever_was_stated(score: Run, stated: str | None) -> None:
    found = score(FOREIGN["fr"][0], stated)
    assert found.abstained
    assert found.warnings == ["language_unsupported", "metadata_only"]
    assert found.violation.probability is None


@pytest.mark.parametrize(("stated", "read"), [(None, True), ("en", True), ("de", False)])
def test_english_text_is_read_unless_another_language_was_stated(score: Run, stated: str | None, read: bool) -> None:
    assert ("language_unsupported" not in score("Thanks for the recipe, the bread was lovely", stated).warnings) == read


@pytest.mark.parametrize(
    ("tag", "language"),
    [("en-GB", "en"), ("PT_br", "pt"), ("eng", "en"), ("deu", "deu"), ("und", None), ("Zxx-Latn", None), (None, None)],
)
def test_a_tag_names_a_language_or_none(tag: str | None, language: str | None) -> None:
    assert primary_language(tag) == language


@pytest.mark.parametrize("stated", ["und", "mul", "zxx", "eng"])
def test_where_no_language_is_stated_the_text_tells(score: Run, stated: str) -> None:
    assert "language_unsupported" in score(FOREIGN["fr"][0], stated).warnings
    assert "language_unsupported" not in score("Thanks for the recipe, the bread was lovely", stated).warnings


def share(name: str) -> float:
    """The share of a public source's texts of 20 characters and more that are taken for foreign."""
    folder = os.environ.get("FRONTLINE_DATA")
    if not folder:
        pytest.skip("FRONTLINE_DATA names no folder with the public sources")
    texts = [text for row in SOURCES[name].read(Path(folder)) if len(text := row["text"]) >= 20]
    some = texts[:: max(1, len(texts) // 1000)]
    return sum(map(foreign, some)) / len(some)


def test_german_tweets_are_foreign() -> None:
    assert share("germeval2018_german") >= 0.97


@pytest.mark.parametrize("name", ["sms_spam_smishing", "davidson_hate_offensive", "hatemoji_build", "edos_sexism"])
def test_english_of_every_day_is_english(name: str) -> None:
    assert share(name) <= 0.015
