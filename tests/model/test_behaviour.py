"""How the shipped bundle behaves: what it must get right, what must not matter, and which way things must move."""

from collections.abc import Callable
from datetime import datetime

import pytest

from models.bundle import DEFAULT
from models.loading import load_bundle
from models.report import Report
from models.score import Score
from models.scorer import Scorer

Judge = Callable[..., Score]


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(load_bundle(DEFAULT))


@pytest.fixture
def judge(scorer: Scorer, make_report: Callable[..., Report], now: datetime) -> Judge:
    def run(text: str, **fields: object) -> Score:
        return scorer.score(make_report(text, **fields), received_at=now)

    return run


def chance(judge: Judge, text: str) -> float:
    found = judge(text).violation.probability
    assert found is not None, f"abstained: {text}"
    return found


def of(score: Score, category: str) -> float:
    return next(c.probability or 0.0 for c in score.categories if c.category == category)


PILLS = "Selling prescription pills without a prescription, discreet shipping."
# Cases that the shipped bundle does not pass yet; strict, so that a better one has to say so.
WEAK = pytest.mark.xfail(strict=True, reason="a known weakness of the shipped bundle")

# Minimum functionality: a plain case outranks a plain harmless one that shares its words.
PAIRS = [
    ("I know which bus you take home. Tomorrow I will hurt you.", "I know which bus you take home, I take it too!"),
    ("Say that again and I will break your legs.", "Break a leg tonight, you will be great on stage!"),
    ("I am going to kill you when you leave work.", "This queue at the bakery is killing me."),
    ("You are worthless, nobody likes you, delete your account.", "I feel worthless at chess, nobody lets me win."),
    ("You are a pathetic idiot and everyone laughs at you.", "Everyone laughed at my pathetic attempt at pancakes."),
    ("Send 50 in gift cards now and I will double your money, guaranteed.", "I got a gift card for my birthday."),
    (
        "Your account is locked. Confirm your bank password at this link within 2 hours.",
        "My bank never asks for a password by text, so beware of such messages.",
    ),
    ("Here is her home address and phone number, go and pay her a visit.", "What is the address of the town library?"),
    ("Replica designer bags with fake papers, message me for prices.", "How can I tell whether this bag is genuine?"),
    pytest.param(
        PILLS,
        "My doctor changed my prescription.",
        marks=WEAK,
    ),
    ("People of that religion are vermin and should be driven out.", "People of every religion came to the fair."),
    ("Immigrants are animals and do not deserve rights.", "Immigrants opened the new bakery in our street."),
    ("I want to end my life tonight, goodbye everyone.", "Tonight is the end of the series, goodbye everyone!"),
    ("Join our armed movement, the traitors must die for the cause.", "Join our choir, we sing for a good cause."),
    ("CLICK NOW!!! FREE followers, follow back, promo code, best deals!!!", "I follow two cooking channels."),
    ("Vaccines contain microchips that control your mind.", "My vaccine appointment is on Tuesday."),
]
MARGIN = 0.2


@pytest.mark.parametrize(("bad", "harmless"), PAIRS)
def test_a_plain_case_outranks_a_harmless_one(judge: Judge, bad: str, harmless: str) -> None:
    assert chance(judge, bad) > chance(judge, harmless) + MARGIN


@pytest.mark.parametrize(
    ("text", "category"),
    [
        (PAIRS[2][0], "violence_threat"),
        (PAIRS[3][0], "harassment"),
        (PAIRS[6][0], "scam_fraud"),
        (PAIRS[11][0], "hate"),
        (PAIRS[12][0], "self_harm"),
        (PAIRS[8][0], "intellectual_property"),
        (PILLS, "regulated_goods"),
    ],
)
def test_the_category_is_among_the_first_three(judge: Judge, text: str, category: str) -> None:
    first = [c.category for c in judge(text).categories[:3]]
    assert category in first


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for the recipe, the bread came out lovely!",
        "Does anyone know a good plumber near the station?",
        "Happy birthday, grandma! \U0001f382\U0001f389",
        "What a match, we played so well \U0001f600\U0001f44d",
        pytest.param("Good night, sleep well \U0001f634\u2764\ufe0f", marks=WEAK),
    ],
)
def test_harmless_texts_stay_low(judge: Judge, text: str) -> None:
    assert chance(judge, text) < 0.4


# Invariance: what must change nothing, or next to nothing.
BAD = PAIRS[2][0]


@pytest.mark.parametrize(
    "disguise",
    [
        lambda text: text.replace("i", "i\u200b").replace("e", "\u2060e"),
        lambda text: text.replace("o", "о").replace("a", "а"),
        lambda text: "".join(chr(ord(c) + 0xFEE0) if "a" <= c <= "z" else c for c in text),
        lambda text: "  " + text.replace(" ", " \n\t "),
        lambda text: "".join(c + "\u0336\u0334\u0335" if c.isalpha() else c for c in text),
        lambda text: "\u202e" + text + "\u202c",
    ],
    ids=["zero-width", "homoglyphs", "full-width", "white space", "zalgo", "direction"],
)
def test_a_disguise_changes_nothing(judge: Judge, disguise: Callable[[str], str]) -> None:
    assert judge(disguise(BAD)).violation == judge(BAD).violation


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I will hurt Anna tomorrow after work.", "I will hurt Fatima tomorrow after work."),
        ("My sister is a proud Muslim woman and a baker.", "My sister is a proud Christian woman and a baker."),
        ("I am a gay man who loves trains.", "I am a tall man who loves trains."),
        pytest.param(
            "You are a liar, Tom, and everyone knows it.", "You are a liar, Ali, and everyone knows it.", marks=WEAK
        ),
    ],
)
def test_a_name_or_a_group_matters_little(judge: Judge, one: str, other: str) -> None:
    assert abs(chance(judge, one) - chance(judge, other)) < 0.3


@pytest.mark.parametrize("text", [PAIRS[0][0], PAIRS[5][0], PAIRS[11][0]])
def test_capitals_matter_little(judge: Judge, text: str) -> None:
    assert abs(chance(judge, text) - chance(judge, text.upper())) < 0.1  # the vocabulary is lower-case


# Direction: which way a change must move a score.
@pytest.mark.parametrize(
    ("worse", "milder"),
    [
        ("I will kill you tomorrow.", "I will be cross with you tomorrow."),
        ("You are a disgusting, stupid pig.", "You are a bit careless."),
        ("Buy real cocaine here, delivered tonight.", "Buy fresh coffee here, delivered tonight."),
    ],
)
def test_worse_words_raise_probability_and_severity(judge: Judge, worse: str, milder: str) -> None:
    one, other = judge(worse), judge(milder)
    assert (one.violation.probability or 0) > (other.violation.probability or 0)
    assert one.severity is not None and other.severity is not None
    assert one.severity.expected > other.severity.expected


def test_a_threat_is_more_severe_than_spam(judge: Judge) -> None:
    threat, spam = judge(BAD).severity, judge("Follow me for great deals, link in my profile!").severity
    assert threat is not None and spam is not None
    assert threat.expected > spam.expected + 0.5


@WEAK
def test_a_bad_passage_is_found_in_a_long_text(judge: Judge) -> None:
    calm = "We walked along the river, fed the ducks and had a cup of tea. " * 12
    assert chance(judge, calm + BAD + " " + calm) > chance(judge, calm) + MARGIN


def test_a_threat_is_a_threat_before_it_is_spam(judge: Judge) -> None:
    found = judge(BAD)
    assert of(found, "violence_threat") > of(found, "spam")


def test_prior_violations_raise(judge: Judge) -> None:
    low, high = (judge(PAIRS[8][0], subject={"prior_violations": n}).violation.probability or 0 for n in (0, 8))
    assert low < high
