"""The audit: distances that mean something, a page without report text, and specialist cases left out."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sqlalchemy import insert

from benchmarks import postgres
from models.bundle import Bundle
from models.errors import MissingData
from models.report import Report, parse_report
from models.scorer import Scorer
from serving.store import Store, migrate
from serving.store.tables import cases, contents, reports, scores
from training.audit import (
    Audit,
    Sample,
    Shift,
    audit,
    domain_classifier,
    jensen_shannon,
    read_sample,
    render,
    score_shifts,
)

ODD = "<b>zorbleflax</b>"
HISTOGRAM = arrays(np.float64, 8, elements=st.floats(0, 100)).filter(lambda a: a.sum() > 1).map(lambda a: a / a.sum())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'frontline.db'}"
        if request.param == "postgresql":
            url = stack.enter_context(postgres.database(request.getfixturevalue("server")))
        store = Store(url)
        migrate(store)
        yield store
        store.close()


@pytest.fixture
def scored(store: Store, loaded: Bundle, now: datetime) -> Callable[..., None]:
    """Store a scored report."""
    scorer = Scorer(loaded)

    def make(
        number: int,
        text: str,
        *,
        lane: str = "low",
        days: float = 1,
        bundle: str = "",
        language: str = "en",
        **metadata: Any,
    ) -> None:
        at, case_id = now - timedelta(days=days), f"c{number}"
        body: dict[str, Any] = {"report_id": f"r{number}", "content": {"text": text, "language": language}, **metadata}
        score = scorer.score(parse_report(body)[0], received_at=at).model_dump(mode="json")
        times = {"created_at": at, "updated_at": at, "due_at": at}
        kept = {"status": "open", "priority": 1.0, "priority_detail": {}, "content_version": 1, "blind": False}
        with store.write() as connection:
            connection.execute(insert(cases).values(id=case_id, lane=lane, reopened=0, fence=0, **kept, **times))
            content = {"text": text, "context": [], "attachments": [], "created_at": at}
            connection.execute(insert(contents).values(case_id=case_id, version=1, **content))
            report: dict[str, Any] = {
                "content_version": 1,
                "body_hash": "0",
                "received_at": at,
                "score_id": f"s{number}",
            }
            connection.execute(
                insert(reports).values(
                    report_id=f"r{number}", case_id=case_id, body=body, content=body.pop("content"), **report
                )
            )
            fields = {"bundle": bundle or loaded.digest, "abstained": score["abstained"], "created_at": at}
            connection.execute(
                insert(scores).values(score_id=f"s{number}", report_id=f"r{number}", score=score, **fields)
            )

    return make


@given(HISTOGRAM, HISTOGRAM)
def test_a_distance_between_none_and_one_that_looks_both_ways(p: np.ndarray, q: np.ndarray) -> None:
    assert jensen_shannon(p, p) == pytest.approx(0, abs=1e-6)
    assert 0 <= jensen_shannon(p, q) <= 1 + 1e-9
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p), abs=1e-9)


def test_disjoint_is_one() -> None:
    assert jensen_shannon(np.array([0.5, 0.5, 0, 0]), np.array([0, 0, 0.3, 0.7])) == pytest.approx(1)


@pytest.mark.parametrize(("distance", "words"), [(0.0, "little"), (0.1, "some"), (0.24, "some"), (0.25, "large")])
def test_words(distance: float, words: str) -> None:
    assert Shift("violation", [1.0], [1.0], distance).words == words


def _scores(probability: float, count: int) -> list[dict[str, Any]]:
    categories = [{"category": "spam", "probability": probability}, {"category": "sexual_minors", "probability": None}]
    return [{"violation": {"probability": 0.5}, "categories": categories}] * count  # the stored one has metadata in it


def _sample(probability: float, length: int, count: int) -> Sample:
    return Sample([length] * count, np.zeros((count, 2), np.float32), np.full(count, probability, np.float32))


def test_the_same_sample_has_not_shifted_and_another_has() -> None:
    low = [40] + [0] * 19
    histograms = {"probabilities": {"violation": low, "spam": low}, "lengths": [40, 0, 0, 0, 0, 0, 0, 0]}
    same = score_shifts(histograms, _scores(0.01, 30), _sample(0.01, 5, 30))
    assert {(shift.name, shift.distance) for shift in same} == {("violation", 0), ("spam", 0), ("text length", 0)}
    moved = score_shifts(histograms, _scores(0.99, 30), _sample(0.99, 500, 30))
    assert {shift.distance for shift in moved} == {1.0}


def test_abstained_scores_count_in_no_histogram() -> None:
    histograms = {"probabilities": {"violation": [1] * 20}, "lengths": [1] * 8}
    none = [{"violation": {"probability": None}, "categories": []}]
    assert score_shifts(histograms, none, _sample(0, 0, 0)) == []


def test_a_window_is_compared_and_specialist_cases_are_not(
    store: Store, scored: Callable[..., None], loaded: Bundle, now: datetime
) -> None:
    for i in range(40):
        scored(i, f"{ODD} is what number {i} said about the weather")
    scored(100, "Only specialists may see this", lane="specialist")
    scored(101, "Too old to count", days=30)
    scored(102, "Scored by another", bundle="sha256:other")
    scored(103, "Ein Satz", language="de")
    scored(104, "\0", language="de")
    found = audit(store, loaded, 7, now)
    assert (found.n, found.other_bundles) == (42, 1)
    assert found.languages == {"en": 40, "de": 2}
    assert found.abstained >= 1 / 42
    assert found.separable is not None and found.separable > 0.9  # one sentence again and again
    assert found.separable_interval is not None
    page = render(found)
    assert "zorbleflax" not in page and "weather" not in page
    assert "<script" not in page and "http" not in page
    assert "42 scores from 2026-11-15" in page
    assert "1 more scores came from other bundles" in page


BAD = {
    "subject": {"account_age_days": 1, "prior_violations": 9},
    "reporter": {"reports_filed": 90, "reports_upheld": 88, "is_target": True},
    "exposure": {"distinct_reporters": 50},
    "reason": "threat",
}


def test_metadata_alone_shifts_nothing(
    store: Store, scored: Callable[..., None], loaded: Bundle, now: datetime, make_report: Callable[..., Report]
) -> None:
    texts = [line.text for line in loaded.manifest.golden] * 5
    for i, text in enumerate(texts):
        scored(i, text, **BAD)
    found = audit(store, loaded, 7, now)
    assert found.texts == len(texts) == 40
    assert found.abstained < 0.5

    def shares(*, metadata: bool) -> list[float]:
        scorer = Scorer(loaded, metadata=metadata)
        said = [scorer.score(make_report(text, **BAD), received_at=now).violation.probability for text in texts]
        counts = np.histogram([p for p in said if p is not None], bins=20, range=(0, 1))[0]
        return list(counts / counts.sum())

    shift = next(shift for shift in found.shifts if shift.name == "violation")
    assert shift.window == shares(metadata=False)
    assert shift.window != shares(metadata=True)


def test_what_a_sample_holds(loaded: Bundle) -> None:
    hidden = "\u200b".join("a quiet walk")
    found = read_sample(loaded, [(hidden, False), ("\u200b", True), ("a made-up bargain", True)])
    assert sorted(found.lengths) == [12, 17]  # of prepared text; of one nothing is left
    assert found.embeddings.shape == (2, loaded.reference()[1].shape[1])
    assert found.violation.shape == (1,)  # the service abstained on the other
    nothing = read_sample(loaded, [])
    assert (nothing.lengths, len(nothing.embeddings), len(nothing.violation)) == ([], 0, 0)


def test_an_audit_needs_scores(store: Store, scored: Callable[..., None], loaded: Bundle, now: datetime) -> None:
    for i in range(29):
        scored(i, "a text")
    with pytest.raises(MissingData, match=r"29 scores .* an audit needs 30: wait, or widen --days"):
        audit(store, loaded, 7, now)


def test_the_reference_cannot_be_told_from_itself(loaded: Bundle) -> None:
    _, embeddings = loaded.reference()
    value, interval = domain_classifier(embeddings[::2], embeddings[1::2])
    assert value is not None and interval is not None
    assert interval[0] <= value <= interval[1]
    assert value == pytest.approx(0.5, abs=0.12)
    assert domain_classifier(embeddings, embeddings[:29]) == (None, None)  # too few to say


def test_the_page_escapes(now: datetime) -> None:
    found = Audit(
        bundle="sha256:0",
        since=now - timedelta(days=7),
        until=now,
        n=30,
        texts=30,
        other_bundles=0,
        abstained=0.1,
        shifts=[Shift("<i>spam", [0.5, 0.5], [1.0, 0.0], 0.3)],
        languages={"<script>": 30},
        separable=None,
        separable_interval=None,
    )
    page = render(found)
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "<i>spam" not in page
    assert found.headline == "large shift in <i>spam."
    assert "Too few texts to say" in page
