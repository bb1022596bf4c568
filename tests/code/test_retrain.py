"""Learning from decisions: what is read, what is held out, and what comes of it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from sqlalchemy import insert

from models.bundle import Bundle
from models.errors import MissingData
from models.loading import load_bundle
from models.taxonomy import Taxonomy
from serving import champion as champions
from serving.store import Store, migrate
from serving.store.tables import cases, contents, decisions
from training import retrain as module
from training import tracking
from training.comparison import PASSED, Comparison, compare, conclusion
from training.corpus import AUTHORED, AUXILIARY, DECISIONS, Corpus, Example
from training.decisions import read_decisions
from training.fit import Recipe
from training.labels import CLEAN, yes
from training.retrain import _corpus, _listing, retrain
from training.train import DATASETS, Options

Decide = Callable[..., None]
NOUNS = ["kettle", "ladder", "mirror", "needle", "orange", "pillow", "quilt", "rocket", "saddle", "teapot"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    store = Store(f"sqlite:///{tmp_path / 'frontline.db'}")
    migrate(store)
    yield store
    store.close()


@pytest.fixture
def decide(store: Store, now: datetime) -> Decide:
    """Put a decided case with this number and text into the store."""

    def make(number: int, text: str | None, categories: list[str], *, lane: str = "low", **fields: Any) -> None:
        at, case_id = now + timedelta(minutes=number), f"c{number}"
        case = {
            "id": case_id,
            "status": "decided",
            "lane": lane,
            "priority": 1.0,
            "priority_detail": {},
            "due_at": at,
            "content_version": 1,
            "reopened": 0,
            "fence": 0,
            "blind": True,
            "created_at": at,
            "updated_at": at,
        }
        content = {"case_id": case_id, "version": 1, "text": text, "context": [], "attachments": [], "created_at": at}
        decision = {
            "decision_id": f"d{number}",
            "body_hash": "0",
            "case_id": case_id,
            "content_version": 1,
            "claim_id": "x",
            "outcome": "violation" if categories else "no_violation",
            "categories": categories,
            "severity": 2 if categories else 0,
            "reviewer": "ann",
            "role": "reviewer",
            "blind": True,
            "bulk": False,
            "policy_version": "1",
            "created_at": at,
            **fields,
        }
        with store.write() as connection:
            connection.execute(insert(cases).values(**case))
            connection.execute(insert(contents).values(**content))
            connection.execute(insert(decisions).values(**decision))

    return make


def many(decide: Decide, count: int = 60) -> None:
    """Every second text offers replica watches; none is like another."""
    rng = np.random.default_rng(0)
    for i in range(count):
        words = " ".join(f"{noun}{i}" for noun in rng.permutation(NOUNS))
        if i % 2:
            decide(i, f"Replica watches with real box and papers, message me about {words}", ["intellectual_property"])
        else:
            decide(i, f"Does anybody remember where we left {words} after the picnic?", [])


def test_what_is_read(store: Store, decide: Decide, taxonomy: Taxonomy) -> None:
    decide(1, "Buy these made-up pills now", ["regulated_goods"])
    decide(2, "A quiet walk by the sea", [])
    decide(3, "Nobody may learn from this one", ["harassment"], lane="specialist")
    decide(4, "Nor from that one", ["sexual_minors"])
    decide(5, "Undecided", [], outcome="cannot_decide")
    decide(6, "Escalated", [], outcome="escalate")
    decide(7, None, ["spam"])
    decide(8, "Taken back", ["spam"])
    found = read_decisions(store, taxonomy.learned)
    assert [decided.example.id for decided in found] == ["d1", "d2", "d8"]
    assert found[0].example.labels.categories == {"regulated_goods": True}
    assert (found[0].example.labels.severity, found[0].example.source) == (2, DECISIONS)
    assert found[1].example.labels == CLEAN
    seq = len(found) + 5
    with store.write() as connection:
        row = {"decision_id": "d9", "case_id": "c8", "supersedes": seq, "categories": [], "outcome": "no_violation"}
        rest = {"body_hash": "0", "content_version": 1, "claim_id": "x", "severity": 0, "reviewer": "bob", "role": "qa"}
        last = {"blind": True, "bulk": False, "policy_version": "1", "created_at": found[-1].at}
        connection.execute(insert(decisions).values(**row, **rest, **last))
    again = read_decisions(store, taxonomy.learned)
    assert [decided.example.id for decided in again] == ["d1", "d2", "d9"]
    assert again[-1].example.labels == CLEAN


def test_imported_decisions_are_read_by_when_they_were_made(
    store: Store, decide: Decide, taxonomy: Taxonomy, now: datetime
) -> None:
    decide(1, "Buy these made-up pills now", ["regulated_goods"])
    decide(
        2, "An old made-up bargain", ["spam"], role="import", reviewer="import", created_at=now - timedelta(days=900)
    )
    assert [decided.example.id for decided in read_decisions(store, taxonomy.learned)] == ["d2", "d1"]


def test_the_newest_fifth_is_never_trained_on(store: Store, decide: Decide, loaded: Bundle, tmp_path: Path) -> None:
    many(decide)
    decide(60, "\u200b\u200b", [])  # nothing is left of it
    copied = json.loads((DATASETS / "authored" / "corpus.jsonl").read_text("utf-8").splitlines()[0])
    decide(61, copied["text"], copied["categories"])
    decided = read_decisions(store, loaded.taxonomy.learned)
    corpus, _ = _corpus(Options(out=tmp_path / "out", runs=tmp_path), decided, [], loaded, frozen=True)
    mine = corpus.sources == DECISIONS
    number = np.array([int(example.id[1:]) if example.source == DECISIONS else -1 for example in corpus.examples])
    parts = {part: set(number[mine & (corpus.splits == part)].tolist()) for part in ("train", "calibrate", "test")}
    assert parts["test"] >= set(range(51, 60)) | {61}
    assert max(parts["train"]) < min(parts["calibrate"]) and max(parts["calibrate"]) < min(parts["test"])
    assert len(parts["train"]) == pytest.approx(0.6 * 61, abs=2)
    assert corpus.splits[number == 60].tolist() == ["dropped"]
    original = next(i for i, example in enumerate(corpus.examples) if example.id == copied["id"])
    assert corpus.splits[original] == "dropped"  # the decision's side wins
    trained = {int(c) for c in corpus.clusters[corpus.where("train")]}
    assert not trained & {int(c) for c in corpus.clusters[corpus.where("test")]}


def test_what_the_champion_may_have_learnt_is_not_held_out_and_copies_count_once(
    store: Store, decide: Decide, loaded: Bundle, tmp_path: Path, now: datetime
) -> None:
    many(decide)
    for number in range(60, 70):
        decide(number, "The same made-up bargain for everybody", ["spam"])
    decided = read_decisions(store, loaded.taxonomy.learned)
    options = Options(out=tmp_path / "out", runs=tmp_path)

    def parts(champion: Bundle) -> dict[str, list[str]]:
        corpus, _ = _corpus(options, decided, [], champion, frozen=True)
        same = [i for i, example in enumerate(corpus.examples) if example.text == decided[-1].example.text]
        assert [corpus.splits[i] for i in same[:-1]] == ["dropped"] * 9
        mine = corpus.sources == DECISIONS
        return {part: [corpus.examples[i].id for i in np.flatnonzero(mine & (corpus.splits == part))]
                for part in ("train", "calibrate", "test")}  # fmt: skip

    fresh = parts(loaded)
    assert fresh["test"][-1] == decided[-1].example.id
    made = next(one.at for one in decided if one.example.id == "d64").isoformat()
    manifest = loaded.manifest.model_copy(
        update={"created": made, "training_data": [*loaded.manifest.training_data, {"name": DECISIONS}]}
    )
    later = parts(replace(loaded, manifest=manifest))
    assert later["test"] == [] and later["calibrate"] == fresh["calibrate"]
    assert set(later["train"]) == set(fresh["train"]) | set(fresh["test"])


def test_public_training_texts_are_left_out_only_where_the_encoder_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, loaded: Bundle
) -> None:
    words = np.random.default_rng(0).permutation(NOUNS * 3)
    rows = [Example(source, str(i), " ".join(f"{word}{source}{i}" for word in words), CLEAN)
            for source in (AUTHORED, "public") for i in range(60)]  # fmt: skip
    used = [{"name": AUTHORED, "sha256": "new"}, {"name": "public", "sha256": "here"}]
    monkeypatch.setattr(module, "read_examples", lambda _: (list(rows), list(used)))
    options = Options(out=tmp_path / "out", runs=tmp_path)
    before = [{"name": "public", "rows": 9000, "sha256": "there"}, {"name": "elsewhere", "rows": 5, "sha256": "there"}]
    told = {}
    for frozen in (True, False):
        corpus, listing = _corpus(options, [], [], loaded, frozen=frozen)
        train = corpus.sources[corpus.where("train")].tolist()
        assert (train.count("public") == 0) is frozen
        assert {"calibrate", "test"} <= set(corpus.splits[corpus.sources == "public"].tolist())
        told[frozen] = {row["name"]: row["rows"] for row in _listing(before, listing, corpus)}
        assert told[frozen][AUTHORED] == train.count(AUTHORED) > 0
        assert told[frozen]["elsewhere"] == 5  # it is in the champion, and so in what starts from it
    assert (told[True]["public"], told[False]["public"]) == (9000, train.count("public"))
    assert [row["rows"] for row in before] == [9000, 5]


def test_a_reviewer_says_no_to_every_category_that_is_not_named(
    store: Store, decide: Decide, loaded: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "read_examples", lambda _: ([], []))
    decide(1, "Nobody can stand you, made-up person", ["harassment"])
    decide(2, "An old made-up insult from elsewhere", ["harassment"], role="import")
    options = Options(out=tmp_path / "out", runs=tmp_path)
    corpus, _ = _corpus(options, read_decisions(store, loaded.taxonomy.learned), [], loaded, frozen=True)
    own, imported = (dict(zip(corpus.outputs, row, strict=True)) for row in corpus.targets)
    assert (own["violation"], own["harassment"], own["hate"], own["spam"]) == (1, 1, 0, 0)
    assert np.isnan(own[AUXILIARY])
    assert imported["harassment"] == 1 and np.isnan(imported["hate"])


def test_figures_are_compared_at_the_prevalence_of_violations(loaded: Bundle) -> None:
    texts = [
        f"Replica watches number {i}, message me" if i % 2 else f"Bread number {i} came out well" for i in range(8)
    ]
    corpus = Corpus(
        [Example(DECISIONS, str(i), text, yes(1, "spam") if i % 2 else CLEAN) for i, text in enumerate(texts)],
        texts,
        ["violation"],
        np.array([[i % 2] for i in range(8)], np.float32),
        np.arange(8),
        np.array(["test"] * 8),
    )
    (found,) = compare(loaded, loaded, corpus, 7)
    assert (found.part, found.champion["prevalence"], found.challenger["prevalence"]) == (
        "newest decisions",
        0.03,
        0.03,
    )
    assert found.verdict == "too few"


def test_a_challenger_is_registered_and_promoted(
    store: Store,
    decide: Decide,
    loaded: Bundle,
    mlflow_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many(decide)
    monkeypatch.setattr(module, "Recipe", partial(Recipe, resamples=5))  # the intervals alone depend on it
    with tracking.run("train", {}) as logged:
        first = logged.bundle(loaded, alias=tracking.CHALLENGER)
    digest = champions.install(loaded.path, mlflow_home)
    champions.set_champion(mlflow_home, digest)
    tracking.promoted(digest)
    options = Options(out=tmp_path / "challenger", runs=mlflow_home / "runs")
    challenger, comparisons = retrain(options, store, loaded, None)

    assert challenger.digest != loaded.digest
    assert challenger.manifest.max_distance > 0
    assert {row["name"] for row in challenger.manifest.training_data} == {"authored", DECISIONS}
    assert [part.part for part in comparisons] == ["authored", "newest decisions"]
    newest = comparisons[1]
    assert newest.champion["n"] == newest.challenger["n"] == 12
    assert newest.challenger["brier"]["value"] <= newest.champion["brier"]["value"]
    client = mlflow.MlflowClient()
    aliases = {alias: str(number) for alias, number in client.get_registered_model(tracking.MODEL).aliases.items()}
    second = aliases[tracking.CHALLENGER]
    assert aliases[tracking.CHAMPION] == first != second
    version = client.get_model_version(tracking.MODEL, second)
    assert version.tags["bundle"] == challenger.digest
    run = client.get_run(version.run_id)
    said = "6 of the 12 texts of newest decisions are violations, and it takes 50: at most 220 more"
    assert conclusion(comparisons).startswith(f"too few texts to say: {said}")
    assert run.data.tags[tracking.GATES] == conclusion(comparisons)
    assert run.data.params["decisions"] == "60"
    assert "gate.newest_decisions.challenger.brier.value" in run.data.metrics

    folder, told = tracking.challenger(tmp_path / "download")
    assert told == conclusion(comparisons)
    digest = champions.install(folder, mlflow_home)
    champions.set_champion(mlflow_home, digest)
    tracking.promoted(digest)
    assert digest == challenger.digest
    pointed = champions.champion_path(mlflow_home)
    assert pointed is not None and load_bundle(pointed).digest == challenger.digest
    aliases = {alias: str(number) for alias, number in client.get_registered_model(tracking.MODEL).aliases.items()}
    assert (aliases[tracking.CHAMPION], aliases[tracking.PREVIOUS]) == (second, first)


def test_too_few_decisions(store: Store, decide: Decide, loaded: Bundle, tmp_path: Path) -> None:
    many(decide, 19)
    with pytest.raises(MissingData, match="19 usable decisions in the store; retraining needs at least 20"):
        retrain(Options(out=tmp_path / "out", runs=tmp_path), store, loaded, None)


def test_an_existing_folder_is_refused_before_any_work(store: Store, loaded: Bundle, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="name another folder"):
        retrain(Options(out=tmp_path, runs=tmp_path), store, loaded, None)


@pytest.mark.parametrize(
    ("precision", "brier", "passed"),
    [(0.0, 0.0, True), (-0.019, 0.019, True), (-0.03, 0.0, False), (0.0, 0.03, False), (0.2, -0.1, True)],
)
def test_the_gate(precision: float, brier: float, passed: bool) -> None:
    found = part("newest decisions", 50, 51, precision, brier)
    assert found.verdict == ("passed" if passed else "failed")
    assert conclusion([found]) == (PASSED if passed else "failed: worse than the champion on newest decisions")


@pytest.mark.parametrize(
    ("positives", "n", "said"),
    [
        (49, 400, "49 of the 400 texts of newest decisions are violations, and it takes 50: at most 5 more decided"),
        (0, 12, "0 of the 12 texts of newest decisions are violations, and it takes 50: at most 250 more decided"),
        (12, 12, "12 of the 12 texts of newest decisions are violations, and it takes 50: at most 190 more decided"),
        (60, 60, "all 60 texts of newest decisions are violations, and it takes some that are none"),
    ],
)
def test_too_few_texts_say_nothing(positives: int, n: int, said: str) -> None:
    found = part("newest decisions", positives, n, 0.2, -0.1)
    assert found.verdict == "too few"
    fine = part("authored", 50, 100, 0.0, 0.0)
    assert conclusion([fine, found]).startswith(f"too few texts to say: {said}")
    assert conclusion([fine]) == "too few texts to say: nothing was decided since the champion learnt from decisions"
    assert conclusion([part("authored", 50, 100, -0.3, 0.0), found]).startswith("failed: worse")


def test_more_decisions_do_not_mend_another_part() -> None:
    said = conclusion([part("newest decisions", 50, 99, 0.0, 0.0), part("public tests", 3, 9, 0.0, 0.0)])
    assert said == "too few texts to say: 3 of the 9 texts of public tests are violations, and it takes 50"


def part(name: str, positives: int, n: int, precision: float, brier: float) -> Comparison:
    """A comparison in which the challenger gains so much."""
    one = n == positives or not positives
    counts = {"n": n, "positives": positives}
    old = {"average_precision": {"value": None if one else 0.5}, "brier": {"value": None if one else 0.2}}
    new = {
        "average_precision": {"value": None if one else 0.5 + precision},
        "brier": {"value": None if one else 0.2 + brier},
    }
    return Comparison(name, counts | old, counts | new)


def test_without_a_registry_nothing_is_promoted_in_it(mlflow_home: Path, tmp_path: Path) -> None:
    tracking.promoted("sha256:" + "0" * 64)
    with pytest.raises(MissingData, match="no challenger"):
        tracking.challenger(tmp_path)
