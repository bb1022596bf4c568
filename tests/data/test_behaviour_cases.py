"""The behavioural cases: enough of everything, nothing twice, nothing that a bundle was trained on, nothing real."""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from models.prepare import prepare
from models.taxonomy import Taxonomy
from training.behaviour import cases
from training.behaviour.changes import _AROUND, CHANGES
from training.behaviour.faithfulness import BARS as EXPLAINED
from training.behaviour.measure import BARS
from training.clusters import SIMILARITY, shingles

AUTHORED = Path(__file__).parents[2] / "datasets" / "authored" / "corpus.jsonl"
README = (cases.FOLDER / "README.md").read_text("utf-8")


def written() -> dict[str, str]:
    """All texts written out in full, by id."""
    texts = {f"{pair.id}-violating": pair.violating for pair in cases.pairs()}
    texts |= {f"{pair.id}-harmless": pair.harmless for pair in cases.pairs()}
    texts |= {f"{case.id}-higher": case.higher for case in cases.directions()}
    texts |= {f"{case.id}-lower": case.lower for case in cases.directions()}
    return texts


def filled() -> dict[str, str]:
    """One text of each frame."""
    named = {frame["id"]: frame["text"].format(name="Anna") for frame in cases.frames()["with_name"]}
    return named | {case.id: case.text for case in [*cases.attacks(), *cases.neutral()] if case.about == "Muslim"}


def test_there_is_enough_of_every_category(taxonomy: Taxonomy) -> None:
    assert len(written()) >= 450
    learned = set(taxonomy.learned)
    for count, least in (
        (Counter(pair.category for pair in cases.pairs()), 18),
        (Counter(case.category for case in cases.directions() if case.kind == "worse_words"), 4),
        (Counter(case.category for case in cases.directions() if case.kind != "worse_words"), 4),
        (Counter(frame["category"] for frame in cases.frames()["with_name"]), 2),
    ):
        assert set(count) == learned
        assert min(count.values()) >= least
    assert Counter(case.kind for case in cases.directions()).keys() <= BARS.keys()
    assert len(cases.frames()["identities"]) >= 15
    assert len(cases.neutral()) >= 300


def test_ids_are_unique() -> None:
    ids = [case.id for case in [*cases.pairs(), *cases.directions(), *cases.attacks(), *cases.neutral()]]
    ids += [frame["id"] for frame in cases.frames()["with_name"]]
    assert [name for name, count in Counter(ids).items() if count > 1] == []


def test_no_text_stands_twice_or_in_the_authored_corpus() -> None:
    rows = [json.loads(line) for line in AUTHORED.read_text("utf-8").splitlines()]
    mine = {name: shingles(prepare(text).text) for name, text in (written() | filled()).items()}
    holders: dict[bytes, set[str]] = defaultdict(set)
    for name, grams in mine.items():
        for gram in grams:
            holders[gram].add(name)
    known = [(row["id"], shingles(prepare(row["text"]).text)) for row in rows]
    copies = []
    for other, grams in [*known, *mine.items()]:
        shared = Counter(name for gram in grams for name in holders.get(gram, ()))
        copies += [
            (name, other)
            for name, count in shared.items()
            # A plain sentence and its negation or quotation, which share an id, may share most of their words.
            if count >= SIMILARITY * len(grams | mine[name]) and name.rsplit("-", 1)[0] != other.rsplit("-", 1)[0]
        ]
    assert copies == []


def test_training_pads_with_other_sentences() -> None:
    authored = AUTHORED.read_text("utf-8")
    assert not [sentence for pair in _AROUND for sentence in pair if sentence in authored]


def test_nothing_is_real() -> None:
    texts = written() | filled()
    for name, text in texts.items():
        assert not re.search(r"https?://|www\.|@\w", text), name
        hosts = re.findall(r"\b[a-z0-9-]+\.[a-z]{2,}\b", text)
        assert [host for host in hosts if not host.endswith(".example")] == [], name
        numbers = [n for n in re.findall(r"\d[\d -]{6,}\d", text) if not n.startswith("555-01")]
        assert numbers == [], name


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_always_the_same_and_changes_something(change: str) -> None:
    for i, pair in enumerate(cases.pairs()):
        changed = CHANGES[change](pair.violating, i)
        assert changed == CHANGES[change](pair.violating, i)
        assert changed != pair.violating, pair.id


def test_the_readme_names_every_suite_and_counts_right() -> None:
    table = README[README.index("| suite |") : README.index("Changes of spelling")]
    assert set(re.findall(r"`(\w+)`", table)) == {*BARS, *EXPLAINED}
    frames = cases.frames()
    named, names, identities = len(frames["with_name"]), len(frames["names"]), len(frames["identities"])
    assert f"{len(cases.pairs())} pairs" in README
    assert f"{len(cases.directions())} pairs" in README
    assert f"{named * names} + {len(cases.attacks())} + {len(cases.neutral())}" in README
    assert f"({names} names)" in README and f"({identities} identities)" in README
