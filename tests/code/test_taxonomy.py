"""The policy taxonomy: what ships, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.errors import InvalidTaxonomy
from models.taxonomy import Severity, Taxonomy

FILE = Path(__file__).parents[2] / "datasets" / "taxonomy.yaml"
CATEGORIES = {
    "hate", "harassment", "violence_threat", "violent_extremism", "graphic_violence", "self_harm", "sexual_adult",
    "sexual_minors", "spam", "scam_fraud", "misinformation", "privacy", "intellectual_property", "regulated_goods",
}  # fmt: skip


def test_the_fourteen_categories(taxonomy: Taxonomy) -> None:
    assert set(taxonomy.keys) == CATEGORIES
    assert len(taxonomy.keys) == 14


def test_sexual_minors_is_never_learned_and_goes_to_specialists(taxonomy: Taxonomy) -> None:
    category = taxonomy["sexual_minors"]
    assert (category.learned, category.base_severity) == (False, Severity.CRITICAL)
    assert taxonomy.learned == [key for key in taxonomy.keys if key != "sexual_minors"]


def test_no_rules_are_shipped(taxonomy: Taxonomy) -> None:
    assert [category.rules for category in taxonomy.categories] == [[]] * 14


def test_every_category_is_explained_and_mapped(taxonomy: Taxonomy) -> None:
    for category in taxonomy.categories:
        assert category.title and category.definition and category.included and category.excluded
        assert set(category.schemes) == {"dsa", "openai", "ailuminate"}
        assert [taxonomy.of_reason(reason) for reason in category.reasons] == [category] * len(category.reasons)


def test_an_unknown_reason_names_nothing(taxonomy: Taxonomy) -> None:
    assert taxonomy.of_reason("zorbleflax") is None
    assert taxonomy.of_reason(None) is None


@pytest.mark.parametrize("reason", ["hate_speech", "Hate-Speech", "hate speech", "HATESPEECH", " hate_speech "])
def test_a_reason_counts_however_it_is_written(taxonomy: Taxonomy, reason: str) -> None:
    assert taxonomy.of_reason(reason) == taxonomy["hate"]


def test_a_hidden_category_is_not_listed(tmp_path: Path) -> None:
    raw = yaml.safe_load(FILE.read_text("utf-8"))
    raw["categories"][3]["hidden"] = True
    (tmp_path / "taxonomy.yaml").write_text(yaml.safe_dump(raw), "utf-8")
    found = Taxonomy.read(tmp_path / "taxonomy.yaml")
    assert raw["categories"][3]["key"] not in found.keys
    assert len(found.keys) == 13


def _repeat(raw: dict[str, Any]) -> None:
    raw["categories"].append(raw["categories"][1])


def _share_reason(raw: dict[str, Any]) -> None:
    raw["categories"][2]["reasons"].append(raw["categories"][1]["reasons"][0])


def _misspell(raw: dict[str, Any]) -> None:
    raw["categories"][1]["basse_severity"] = 3


def _no_severity(raw: dict[str, Any]) -> None:
    del raw["categories"][1]["base_severity"]


def _bad_key(raw: dict[str, Any]) -> None:
    raw["categories"][1]["key"] = "Not A Key"


def _share_reason_otherwise_written(raw: dict[str, Any]) -> None:
    raw["categories"][0]["reasons"].append(raw["categories"][1]["reasons"][0].upper().replace("_", " "))


def _hidden_rule(raw: dict[str, Any]) -> None:
    raw["categories"][0]["rules"].append("\u200b ")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_share_reason_otherwise_written, "appears more than once"),
        (_hidden_rule, "could be found in a text"),
        (_repeat, "appears more than once"),
        (_share_reason, "appears more than once"),
        (_misspell, "basse_severity"),
        (_no_severity, "base_severity"),
        (_bad_key, "key"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], None], named: str) -> None:
    raw = yaml.safe_load(FILE.read_text("utf-8"))
    change(raw)
    (tmp_path / "taxonomy.yaml").write_text(yaml.safe_dump(raw), "utf-8")
    with pytest.raises(InvalidTaxonomy, match=named):
        Taxonomy.read(tmp_path / "taxonomy.yaml")


@pytest.mark.parametrize("content", ["", "[1, 2]", "a: [", "version: 1"])
def test_what_is_no_taxonomy_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "taxonomy.yaml").write_text(content, "utf-8")
    with pytest.raises(InvalidTaxonomy, match="not a usable taxonomy"):
        Taxonomy.read(tmp_path / "taxonomy.yaml")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTaxonomy, match="No such file"):
        Taxonomy.read(tmp_path / "taxonomy.yaml")
