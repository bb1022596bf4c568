"""How a bundle behaves: the shipped one, or that of FRONTLINE_BUNDLE. The suites are in `training/behaviour`."""

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from models.loading import load_bundle
from models.report import Report
from models.score import Score
from models.scorer import Scorer
from serving.settings import SHIPPED_BUNDLE
from training.behaviour import faithfulness as explained
from training.behaviour import measure as behaviour
from training.behaviour.results import Result

Judge = Callable[..., Score]
MISSED = (
    "flagged", "harmless", "outranks", "padding_before", "padding_after", "long_text", "identity_neutral", "negation",
    "top_span_beats_another", "top_span_in_the_passage",
)  # fmt: skip
THREAT = "I am going to kill you when you leave work."


@pytest.fixture(scope="session")
def scorer() -> Scorer:
    return Scorer(load_bundle(Path(os.environ.get("FRONTLINE_BUNDLE", SHIPPED_BUNDLE))))


@pytest.fixture(scope="session")
def measured(scorer: Scorer) -> dict[str, Result]:
    return behaviour.measure(scorer)


@pytest.fixture(scope="session")
def faithful(scorer: Scorer) -> dict[str, Result]:
    return explained.faithfulness(scorer)


def held_to(bars: Iterable[str]) -> list[Any]:
    """The suites; those that the shipped bundle misses have to fail for it, so that this list stays true."""
    missed = () if "FRONTLINE_BUNDLE" in os.environ else MISSED
    why = "the shipped bundle misses it; docs/model.md says by how much"
    return [pytest.param(s, marks=pytest.mark.xfail(reason=why, strict=True)) if s in missed else s for s in bars]


@pytest.mark.parametrize("suite", held_to(behaviour.BARS))
def test_suite(measured: dict[str, Result], suite: str) -> None:
    if not measured[suite].passed:
        pytest.fail(str(measured[suite]), pytrace=False)


@pytest.mark.parametrize("suite", held_to(explained.BARS))
def test_explanations_are_faithful(faithful: dict[str, Result], suite: str) -> None:
    if not faithful[suite].passed:
        pytest.fail(str(faithful[suite]), pytrace=False)


def test_enough_explanations_are_checked(faithful: dict[str, Result]) -> None:
    assert faithful["top_span_lowers"].n >= 100


@pytest.fixture
def judge(scorer: Scorer, make_report: Callable[..., Report], now: datetime) -> Judge:
    def run(text: str, **fields: object) -> Score:
        return scorer.score(make_report(text, **fields), received_at=now)

    return run


# What preparation undoes must leave no trace at all, and not only the flag.
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
    assert judge(disguise(THREAT)).violation == judge(THREAT).violation


@pytest.mark.parametrize(
    "text",
    [
        "Happy birthday, grandma! \U0001f382\U0001f389",
        "What a match, we played so well \U0001f600\U0001f44d",
        "Good night, sleep well \U0001f634\u2764\ufe0f",
    ],
    ids=["birthday", "match", "night"],
)
def test_emoji_alone_raise_no_flag(judge: Judge, text: str) -> None:
    assert [c.category for c in judge(text).categories if c.flagged] == []


def test_a_threat_is_more_severe_than_spam(judge: Judge) -> None:
    threat, spam = judge(THREAT).severity, judge("Follow me for great deals, link in my profile!").severity
    assert threat is not None and spam is not None
    assert threat.expected > spam.expected + 0.5


def test_a_threat_is_a_threat_before_it_is_spam(judge: Judge) -> None:
    found = {c.category: c.probability or 0.0 for c in judge(THREAT).categories}
    assert found["violence_threat"] > found["spam"]


def test_prior_violations_raise(judge: Judge) -> None:
    text = "Replica designer bags with fake papers, message me for prices."
    low, high = (judge(text, subject={"prior_violations": n}).violation.probability or 0 for n in (0, 8))
    assert low < high
