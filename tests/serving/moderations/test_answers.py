"""What the moderations protocol answers: categories, scores, and what has no counterpart."""

import re
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from models import Score, Scorer, load_bundle, parse_report
from models.taxonomy import Taxonomy
from serving.moderations.answer import result
from serving.moderations.categories import CATEGORIES, JOINT
from serving.moderations.request import MODELS
from serving.queue.intake import count_reports
from serving.runtime import Runtime
from tests.serving.moderations.calls import IMAGE, moderate, only, text


def test_an_answer_has_every_part(intake: TestClient, runtime: Runtime) -> None:
    answer = moderate(intake, "We will ambush you", model="omni-moderation-latest")
    assert re.fullmatch("modr-[0-9a-f]{32}", answer["id"])
    assert answer["model"] == "keywords-1"
    (found,) = answer["results"]
    for part in ("categories", "category_scores", "category_applied_input_types"):
        assert tuple(found[part]) == CATEGORIES
    assert found["flagged"] is True
    assert found["categories"]["violence"] is True
    assert found["category_scores"]["violence"] > 0.9
    assert found["category_applied_input_types"]["violence"] == ["text"]
    assert found["categories"]["hate"] is False
    assert count_reports(runtime.store) == 0


def test_scores_are_those_of_the_score_call(intake: TestClient) -> None:
    words = "This useless parcel"
    found = only(intake, words)
    ours = intake.post("/v1/score", json={"report_id": "r", "content": {"text": words}}).json()
    by_key = {category["category"]: category["probability"] for category in ours["categories"]}
    scores = found["category_scores"]
    assert scores["harassment"] == by_key["harassment"]
    assert scores["illicit"] == max(by_key["scam_fraud"], by_key["regulated_goods"])
    assert scores["harassment/threatening"] == min(by_key["harassment"], by_key["violence_threat"])
    assert scores["self-harm/intent"] == by_key["self_harm"]
    assert found["categories"]["illicit"] is True
    assert found["categories"]["harassment/threatening"] is False
    assert found["frontline"]["violation"] == ours["violation"]
    assert [category["category"] for category in found["frontline"]["categories"]] == [
        category["category"]
        for category in ours["categories"]
        if category["category"] in ("spam", "privacy", "misinformation", "intellectual_property")
    ]


def test_both_at_once(intake: TestClient) -> None:
    assert only(intake, "An ambush, you useless lot")["categories"]["harassment/threatening"] is True


def test_what_has_no_counterpart_does_not_flag(intake: TestClient) -> None:
    found = only(intake, "A discount")
    assert found["flagged"] is False
    assert found["frontline"]["categories"][0]["category"] == "spam"
    assert found["frontline"]["categories"][0]["flagged"] is True


def test_what_nothing_speaks_of_says_so(intake: TestClient) -> None:
    found = only(intake, "We will ambush you")
    for name in ("sexual/minors", "self-harm/instructions"):
        assert found["category_applied_input_types"][name] == []
        assert (found["categories"][name], found["category_scores"][name]) == (False, 0)


def test_where_the_model_abstains_nothing_applies(intake: TestClient) -> None:
    words = ["", "   ", "Der Zug nach München fährt heute leider nicht, sagt der Schaffner."]
    for found in moderate(intake, words)["results"]:
        assert found["frontline"]["abstained"] is True
        assert found["flagged"] is False
        assert set(found["category_scores"].values()) == {0}
        assert all(kinds == [] for kinds in found["category_applied_input_types"].values())


def test_rule_words_are_certain(keyword_bundle: Path, now: Any) -> None:
    taxonomy = Taxonomy.read(keyword_bundle / "taxonomy.yaml")
    report, _ = parse_report({"report_id": "r", "content": {"text": "hello"}})
    score = Scorer(load_bundle(keyword_bundle)).score(report, received_at=now)
    ruled = [
        category.model_copy(update={"flagged": True, "source": "rule"})
        if category.category == "sexual_minors"
        else category
        for category in score.categories
    ]
    found = result(Score(**{**score.model_dump(), "categories": ruled}), taxonomy, image=False)
    assert found["flagged"] is True
    assert found["categories"]["sexual/minors"] is True
    assert found["category_scores"]["sexual/minors"] == 1
    assert found["category_applied_input_types"]["sexual/minors"] == ["text"]


def test_a_category_of_the_operators_own_goes_before_what_follows_from_two(
    keyword_bundle: Path, intake: TestClient
) -> None:
    taxonomy = Taxonomy.read(keyword_bundle / "taxonomy.yaml")
    own = [
        category.model_copy(update={"schemes": {"openai": "harassment/threatening"}})
        if category.key == "privacy"
        else category
        for category in taxonomy.categories
    ]
    words = {"report_id": "r", "content": {"text": "An ambush, you useless lot"}}
    score = Score.model_validate(intake.post("/v1/score", json=words).json())
    found = result(score, taxonomy.model_copy(update={"categories": own}), image=False)
    privacy = next(category for category in score.categories if category.category == "privacy")
    assert found["category_scores"]["harassment/threatening"] == privacy.probability


def test_the_taxonomy_names_their_categories(taxonomy: Taxonomy) -> None:
    named = {category.schemes["openai"] for category in taxonomy.categories} - {None}
    assert named | set(JOINT) | {"self-harm/instructions"} == set(CATEGORIES)
    assert not named & set(JOINT)


def test_the_documented_table_is_the_one_in_force(taxonomy: Taxonomy) -> None:
    page = (Path(__file__).parents[3] / "docs" / "openai.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([a-z/-]+)` \| (.+) \|$", page, re.MULTILINE))
    assert tuple(rows) == CATEGORIES
    for theirs, said in rows.items():
        ours = [category.key for category in taxonomy.categories if category.schemes["openai"] == theirs]
        assert re.findall(r"`([\w-]+)`", said) == (ours or list(JOINT.get(theirs, ()))), theirs


def test_one_result_for_each_text(intake: TestClient) -> None:
    answer = moderate(intake, ["hello", "We will ambush you", ""])
    assert [found["flagged"] for found in answer["results"]] == [False, True, False]


def test_parts_are_one_message(intake: TestClient) -> None:
    found = only(intake, [text("An ambush"), text("you useless lot")])
    assert found["categories"]["harassment/threatening"] is True
    together = only(intake, "An ambush\nyou useless lot")
    assert found == together


def test_an_image_beside_text_is_left_out(intake: TestClient) -> None:
    found = only(intake, [text("We will ambush you"), IMAGE])
    assert found["category_applied_input_types"]["violence"] == ["text"]
    assert "image_not_read" in found["frontline"]["warnings"]
    assert found["category_scores"] == only(intake, "We will ambush you")["category_scores"]


def test_models_of_the_protocol_are_taken(intake: TestClient) -> None:
    for model in (None, *MODELS):
        assert moderate(intake, "hello", model=model, user="somebody")["results"]
