"""The authored corpus: enough of everything, nothing twice, nothing real, and a README that counts right."""

import json
import re
from collections import Counter
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import pytest

from models.prepare import prepare
from models.taxonomy import Taxonomy
from training.clusters import near_duplicates

FOLDER = Path(__file__).parents[2] / "datasets" / "authored"
KINDS = {
    "post", "comment", "message", "profile", "listing", "caption", "email", "prompt", "review", "story", "dialogue",
    "news", "lyrics",
}  # fmt: skip
THIN = {
    "privacy", "intellectual_property", "regulated_goods", "scam_fraud", "graphic_violence", "sexual_adult",
    "self_harm",
}  # fmt: skip
Row = dict[str, Any]


def lines(name: str) -> list[Row]:
    return [json.loads(line) for line in (FOLDER / name).read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return lines("corpus.jsonl")


@pytest.fixture(scope="module")
def disagreements() -> list[Row]:
    return lines("disagreements.jsonl")


def test_there_is_enough(rows: list[Row], taxonomy: Taxonomy) -> None:
    assert len(rows) >= 8000
    assert sum(100 <= len(row["text"].split()) <= 600 for row in rows) >= len(rows) / 4
    violating = Counter(category for row in rows for category in row["categories"])
    near = Counter(category for row in rows for category in row["near"])
    for category in taxonomy.learned:
        assert violating[category] >= (120 if category in THIN else 60), category
        assert near[category] >= violating[category], category


def test_schema(rows: list[Row], taxonomy: Taxonomy) -> None:
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert list(row) == ["id", "text", "categories", "severity", "kind", "near"], row["id"]
        assert re.fullmatch(r"authored-\d{5}", row["id"])
        assert row["text"].strip() and len(row["text"]) <= 4000, row["id"]
        assert set(row["categories"]) | set(row["near"]) <= set(taxonomy.learned), row["id"]
        assert len(set(row["categories"])) == len(row["categories"]), row["id"]
        assert row["severity"] in range(5) and (row["severity"] == 0) == (not row["categories"]), row["id"]
        assert row["kind"] in KINDS, row["id"]
        assert not (row["near"] and row["categories"]), row["id"]


def test_nothing_about_sexual_content_with_minors(rows: list[Row], disagreements: list[Row]) -> None:
    assert not [row["id"] for row in rows if "sexual_minors" in row["categories"] + row["near"]]
    named = [opinion["categories"] for row in disagreements for opinion in (row["first"], row["second"])]
    assert not [categories for categories in named if "sexual_minors" in categories]


def test_no_near_duplicates(rows: list[Row]) -> None:
    clusters = near_duplicates([prepare(row["text"]).text for row in rows])
    copies = [
        (rows[first]["id"], row["id"]) for i, (first, row) in enumerate(zip(clusters, rows, strict=True)) if first != i
    ]
    assert copies == []


HOST = re.compile(r"(?:https?://|www\.|@)?\b((?:[a-z0-9-]+\.)+[a-z]{2,})\b", re.I)
REAL = {
    "com",
    "net",
    "org",
    "io",
    "co",
    "uk",
    "de",
    "us",
    "info",
    "biz",
    "ru",
    "cn",
    "gg",
    "me",
    "ly",
    "tv",
    "app",
    "shop",
    "xyz",
}


def test_addresses_are_made_up(rows: list[Row]) -> None:
    found = []
    for row in rows:
        for match in HOST.finditer(row["text"]):
            *_, second, top = match.group(1).lower().split(".")
            if top in REAL and second != "example":
                found.append((row["id"], match.group(1)))
    assert found == []


def test_no_phone_number_could_be_somebodys(rows: list[Row]) -> None:
    numbers = [
        (row["id"], match.group())
        for row in rows
        for match in re.finditer(r"(?<![\w.])\+?\d[\d ()-]{7,}\d(?![\w.])", row["text"])
        if len(re.sub(r"\D", "", match.group())) >= 9
    ]
    # 555-01xx and 01632 960xxx, 07700 900xxx, 020 7946 0xxx are kept free for fiction.
    fictional = re.compile(r"555-?\s?01\d\d|01632\s?960|07700\s?900|020\s?7946\s?0|^0+$")
    assert [number for number in numbers if not fictional.search(number[1])] == []


def test_disagreements_name_rows_and_the_corpus_holds_the_opinion_that_stands(
    rows: list[Row], disagreements: list[Row]
) -> None:
    by_id = {row["id"]: row for row in rows}
    for row in disagreements:
        assert sorted(row) == ["first", "id", "reason", "second", "stands"]
        assert row["first"] != row["second"], row["id"]
        kept = by_id[row["id"]]
        assert {"categories": kept["categories"], "severity": kept["severity"]} == row[row["stands"]], row["id"]


def count(rows: list[Row], disagreements: list[Row], taxonomy: Taxonomy) -> str:
    """The table of counts in the README."""
    violating = [row for row in rows if row["categories"]]
    benign = [row for row in rows if not row["categories"]]
    alike = [row for row in benign if row["near"]]
    one = [row for row in violating if len(row["categories"]) == 1]
    apart = [row for row in disagreements if set(row["first"]["categories"]) != set(row["second"]["categories"])]
    table: list[tuple[str, int, int | None]] = [
        ("**rows**", len(rows), None),
        ("violating / benign", len(violating), len(benign)),
        ("benign: look-alikes / plain", len(alike), len(benign) - len(alike)),
        ("violating: one category / several", len(one), len(violating) - len(one)),
        ("disagreements: all / on the categories", len(disagreements), len(apart)),
    ]
    lengths = {row["id"]: len(row["text"].split()) for row in rows}

    def middle(part: list[Row]) -> int:
        return round(median(lengths[row["id"]] for row in part))

    held = Counter(category for row in rows for category in row["categories"])
    near = Counter(category for row in rows for category in row["near"])
    parts: list[tuple[str, list[tuple[str, int, int | None]]]] = [
        (
            "**category**: violating / look-alike",
            [(key, held[key], near[key]) for key in sorted(taxonomy.learned, key=lambda key: (-held[key], key))],
        ),
        ("**severity**: rows", [(str(k), sum(row["severity"] == k for row in rows), None) for k in range(5)]),
        (
            "**kind**: violating / benign",
            [
                (kind, sum(row["kind"] == kind for row in violating), sum(row["kind"] == kind for row in benign))
                for kind, _ in sorted(
                    Counter(row["kind"] for row in rows).items(), key=lambda pair: (-pair[1], pair[0])
                )
            ],
        ),
        (
            "**length in words**: all",
            [
                ("median / 95th percentile", middle(rows), round(quantiles(lengths.values(), n=20)[18])),
                ("longest", max(lengths.values()), None),
                (
                    "rows of 100 to 600 words / over 200",
                    sum(100 <= n <= 600 for n in lengths.values()),
                    sum(n > 200 for n in lengths.values()),
                ),
                ("median: violating / benign", middle(violating), middle(benign)),
            ],
        ),
    ]
    out = ["| what | count | count |", "|---|---:|---:|"]
    out += [_line(*entry) for entry in table]
    for title, entries in parts:
        out += [f"| {title} |  |  |", *(_line(*entry) for entry in entries)]
    return "\n".join(out)


def _line(name: str, first: int, second: int | None) -> str:
    return f"| {name} | {first:,} | {'' if second is None else f'{second:,}'} |"


def test_the_readme_counts_right(rows: list[Row], disagreements: list[Row], taxonomy: Taxonomy) -> None:
    written = re.search(r"<!-- counts -->\n(.*)\n<!-- /counts -->", (FOLDER / "README.md").read_text("utf-8"), re.S)
    assert written is not None
    assert written.group(1) == count(rows, disagreements, taxonomy)
