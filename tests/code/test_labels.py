"""What each source's labels say: a table of made-up labels, and what unknown means."""

from math import isnan
from typing import Any

import pytest

from models.taxonomy import Taxonomy
from training.corpus import AUXILIARY, outputs_of, targets
from training.labels import CLEAN, COARSE, MAPPINGS, UNKNOWN, Labels, complete_labels, no, yes

EDOS = {"label_sexist": "sexist", "label_category": ""}
GAB = {"cv": 0, "hd": 0, "vo": 0}
JIGSAW = dict.fromkeys(("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"), "0")
MISOGYNY = {"level_1": "Misogynistic", "level_2": "", "level_3": "", "strength": ""}

TABLE: list[tuple[str, dict[str, Any], Labels]] = [
    ("ailuminate_en", {"hazard": "vcr"}, yes(3, "violence_threat")),
    ("ailuminate_en", {"hazard": "ssh"}, yes(3, "self_harm")),
    ("ailuminate_en", {"hazard": "prv"}, yes(2, "privacy")),
    ("ailuminate_en", {"hazard": "ncr"}, UNKNOWN),
    ("covid_fake_news", {"label": "fake"}, yes(2, "misinformation")),
    ("covid_fake_news", {"label": "real"}, CLEAN),
    ("davidson_hate_offensive", {"class": "0", "hate_speech": "3", "count": "3"}, yes(3, "hate")),
    ("davidson_hate_offensive", {"class": "0", "hate_speech": "2", "count": "3"}, yes(2, "hate")),
    ("davidson_hate_offensive", {"class": "1", "hate_speech": "0", "count": "3"}, COARSE),
    ("davidson_hate_offensive", {"class": "2", "hate_speech": "0", "count": "3"}, CLEAN),
    ("edos_sexism", {"label_sexist": "not sexist", "label_vector": "none"}, Labels(sexism=False)),
    ("edos_sexism", {**EDOS, "label_vector": "1.1 threats"}, yes(3, "violence_threat", "hate", sexism=True)),
    ("edos_sexism", {**EDOS, "label_vector": "2.3 dehumanising"}, yes(3, "hate", sexism=True)),
    ("edos_sexism", {**EDOS, "label_vector": "2.1 attacks"}, yes(2, "hate", sexism=True)),
    ("edos_sexism", {**EDOS, "label_vector": "3.1 casual"}, yes(1, "hate", sexism=True)),
    ("ethos", {"isHate": "0.9", "violence": "0.7"}, yes(3, "hate", "violence_threat")),
    ("ethos", {"isHate": "0.9", "violence": "0.2"}, yes(2, "hate")),
    ("ethos", {"isHate": "0.9", "violence": ""}, yes(2, "hate")),
    ("ethos", {"isHate": "0.3"}, yes(1, "hate")),
    ("ethos", {"isHate": "0.1"}, no("hate", "violence_threat")),
    ("gab_hate_corpus", {**GAB, "cv": 1}, yes(3, "violence_threat")),
    ("gab_hate_corpus", {**GAB, "cv": 1, "hd": 1}, yes(3, "violence_threat", "hate")),
    ("gab_hate_corpus", {**GAB, "hd": 1}, yes(2, "hate")),
    ("gab_hate_corpus", {**GAB, "vo": 1}, COARSE),
    ("gab_hate_corpus", GAB, no("hate", "violence_threat")),
    ("hatemoji_build", {"label_gold": "0", "type": ""}, no("hate")),
    ("hatemoji_build", {"label_gold": "1", "type": "animosity"}, yes(1, "hate")),
    ("hatemoji_build", {"label_gold": "1", "type": "derogation"}, yes(2, "hate")),
    ("hatemoji_build", {"label_gold": "1", "type": "dehumanizinglanguage"}, yes(3, "hate")),
    ("hatemoji_build", {"label_gold": "1", "type": "threateninglanguage"}, yes(3, "hate", "violence_threat")),
    ("hatemoji_build", {"label_gold": "1", "type": "other"}, UNKNOWN),
    ("implicit_hate", {"class": "not_hate"}, no("hate")),
    ("implicit_hate", {"class": "explicit_hate"}, yes(2, "hate")),
    ("implicit_hate", {"class": "implicit_hate"}, yes(1, "hate")),
    (
        "implicit_hate",
        {"class": "implicit_hate", "implicit_class": "threatening"},
        yes(3, "hate", "violence_threat"),
    ),
    (
        "implicit_hate",
        {"class": "implicit_hate", "implicit_class": "incitement"},
        yes(2, "hate", "violent_extremism"),
    ),
    ("jigsaw_toxic_sample", JIGSAW, no("hate", "harassment", "violence_threat")),
    ("jigsaw_toxic_sample", {**JIGSAW, "toxic": "1", "obscene": "1"}, COARSE),
    ("jigsaw_toxic_sample", {**JIGSAW, "toxic": "1", "insult": "1"}, yes(2, "harassment")),
    ("jigsaw_toxic_sample", {**JIGSAW, "threat": "1"}, yes(3, "violence_threat")),
    ("jigsaw_toxic_sample", {**JIGSAW, "identity_hate": "1", "insult": "1"}, yes(2, "harassment", "hate")),
    (
        "online_misogyny_reddit",
        {**MISOGYNY, "level_2": "Threatening", "level_3": "Threatening_Privacy"},
        yes(3, "privacy", sexism=True),
    ),
    (
        "online_misogyny_reddit",
        {**MISOGYNY, "level_3": "Threatening_Physical"},
        yes(3, "violence_threat", sexism=True),
    ),
    (
        "online_misogyny_reddit",
        {**MISOGYNY, "level_2": "Misogynistic_personal_attack"},
        yes(2, "harassment", sexism=True),
    ),
    (
        "online_misogyny_reddit",
        {**MISOGYNY, "level_1": "Nonmisogynistic", "level_2": "Nonmisogynistic_personal_attack"},
        yes(2, "harassment", sexism=False),
    ),
    ("online_misogyny_reddit", {**MISOGYNY, "level_2": "Misogynistic_pejorative"}, yes(1, "hate", sexism=True)),
    ("online_misogyny_reddit", {**MISOGYNY, "level_2": "Treatment"}, yes(2, "hate", sexism=True)),
    ("online_misogyny_reddit", {**MISOGYNY, "level_1": "Nonmisogynistic"}, Labels(sexism=False)),
    ("openai_teen_safety_synthetic", {"label": "GV2"}, yes(3, "graphic_violence")),
    ("openai_teen_safety_synthetic", {"label": "DC3"}, yes(2, "self_harm")),
    ("openai_teen_safety_synthetic", {"label": "ARS1"}, yes(1, "regulated_goods")),
    ("openai_teen_safety_synthetic", {"label": "ARS0"}, no("regulated_goods")),
    ("openai_teen_safety_synthetic", {"label": "XX1"}, UNKNOWN),
    ("pyrit_harm_scores", {"harm_category": "violence", "human_scores": [0.5, 1.0]}, yes(3, "violence_threat")),
    ("pyrit_harm_scores", {"harm_category": "self_harm", "human_scores": [0.0, 0.1]}, no("self_harm")),
    ("pyrit_harm_scores", {"harm_category": "cooking", "human_scores": [1.0]}, UNKNOWN),
    ("sms_spam_smishing", {"label": "Smishing"}, yes(3, "scam_fraud")),
    ("sms_spam_smishing", {"label": "spam"}, yes(1, "spam")),
    ("sms_spam_smishing", {"label": "ham"}, CLEAN),
    ("spamassassin_email", {"group": "spam_2"}, yes(1, "spam")),
    ("spamassassin_email", {"group": "hard_ham"}, CLEAN),
    ("stormfront_white_supremacy_forum", {"label": "hate"}, yes(2, "hate")),
    ("stormfront_white_supremacy_forum", {"label": "relation"}, yes(1, "hate")),
    ("stormfront_white_supremacy_forum", {"label": "noHate"}, no("hate")),
    ("stormfront_white_supremacy_forum", {"label": "idk/skip"}, UNKNOWN),
    ("surge_toxicity", {"is_toxic": "Toxic"}, yes(2, "harassment")),
    ("surge_toxicity", {"is_toxic": "Not Toxic"}, CLEAN),
    ("toxigen_demonstrations", {"label": "hate"}, yes(2, "hate")),
    ("toxigen_demonstrations", {"label": "neutral"}, CLEAN),
]


@pytest.mark.parametrize(("source", "raw", "expected"), TABLE)
def test_each_source(source: str, raw: dict[str, Any], expected: Labels) -> None:
    assert MAPPINGS[source](raw) == expected


def test_the_table_covers_every_source_with_learned_categories(taxonomy: Taxonomy) -> None:
    assert {source for source, _, _ in TABLE} == set(MAPPINGS)
    assert {key for _, _, labels in TABLE for key in labels.categories} <= set(taxonomy.learned)


@pytest.fixture(scope="module")
def outputs(taxonomy: Taxonomy) -> list[str]:
    return [*outputs_of(taxonomy.learned), AUXILIARY]


def known(labels: Labels, outputs: list[str]) -> dict[str, float]:
    """The targets that are known."""
    return {name: value for name, value in zip(outputs, targets(labels, outputs), strict=True) if not isnan(value)}


def test_unknown_is_not_no(outputs: list[str]) -> None:
    assert known(UNKNOWN, outputs) == {}
    assert known(no("hate"), outputs) == {"hate": 0.0}
    assert known(Labels(sexism=False), outputs) == {AUXILIARY: 0.0}


def test_a_violation_leaves_the_other_categories_unknown(outputs: list[str]) -> None:
    assert known(yes(None, "hate"), outputs) == {"violation": 1.0, "hate": 1.0}


def test_clean_is_no_to_everything_but_the_auxiliary_question(outputs: list[str]) -> None:
    expected = dict.fromkeys(outputs, 0.0)
    for name in ("severity_2", "severity_3", "severity_4", AUXILIARY):
        del expected[name]
    assert known(CLEAN, outputs) == expected


def test_coarse_words_teach_nothing(outputs: list[str]) -> None:
    assert known(COARSE, outputs) == {}


@pytest.mark.parametrize(
    ("severity", "chain"),
    [
        (1, {"severity_2": 0.0}),
        (2, {"severity_2": 1.0, "severity_3": 0.0}),
        (3, {"severity_2": 1.0, "severity_3": 1.0, "severity_4": 0.0}),
        (4, {"severity_2": 1.0, "severity_3": 1.0, "severity_4": 1.0}),
    ],
)
def test_severity_is_a_conditional_chain(outputs: list[str], severity: int, chain: dict[str, float]) -> None:
    assert known(yes(severity, "spam"), outputs) == {"violation": 1.0, "spam": 1.0, **chain}


def test_complete_labels_answer_for_every_category(outputs: list[str]) -> None:
    found = known(complete_labels(["spam"], 2), outputs)
    assert found.pop("violation") == found.pop("spam") == found.pop("severity_2") == 1.0
    assert set(found.values()) == {0.0}
    assert len(found) == len(outputs) - 5  # severity_4 and sexism stay unknown
    assert complete_labels([], 0) == CLEAN
