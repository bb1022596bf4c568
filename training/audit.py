"""`frontline audit`: how far recent scores and inputs are from the bundle's reference, as effect sizes on one page."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sqlalchemy import ColumnElement, Connection, Integer, Select, cast, func, select

from models.bundle import Bundle
from models.errors import MissingData
from models.policy import SPECIALIST
from models.prepare import prepare
from models.runtime import read_text
from serving.store import Store
from serving.store.tables import cases, contents, reports, scores
from training.calibrate import probabilities
from training.fit import LENGTHS
from training.intervals import with_interval

Floats = npt.NDArray[np.float32]
MIN_SCORES = 30
BINS = 20  # of a probability, as in the reference
MAX_TEXTS = 1000  # texts that the model reads again
RESAMPLES = 200
LARGE, SOME = 0.25, 0.1  # Jensen-Shannon distance from which a change is called large, or some


@dataclass(frozen=True)
class Shift:
    """How one distribution moved: its shares before and now, and their distance (0 same, 1 disjoint)."""

    name: str
    reference: list[float]
    window: list[float]
    distance: float

    @property
    def words(self) -> str:
        """The size of the change in words."""
        return "large" if self.distance >= LARGE else "some" if self.distance >= SOME else "little"


@dataclass(frozen=True)
class Sample:
    """Some of the window's texts, read as the reference was: prepared, and without metadata.

    `lengths` [n] in characters, `embeddings` [n, dimensions], and `violation`, the probabilities of those of the texts
    on which the service did not abstain.
    """

    lengths: list[int]
    embeddings: Floats
    violation: Floats


@dataclass(frozen=True)
class Audit:
    """One window against the reference."""

    bundle: str
    since: datetime
    until: datetime
    n: int
    texts: int  # of the window that were read again
    other_bundles: int
    abstained: float
    shifts: list[Shift]
    languages: dict[str, int]
    separable: float | None  # ROC-AUC of telling window texts from reference texts; 0.5 is "cannot be told apart"
    separable_interval: list[float] | None

    @property
    def headline(self) -> str:
        """One sentence on what changed."""
        moved = [shift.name for shift in self.shifts if shift.distance >= LARGE]
        return f"large shift in {', '.join(moved)}." if moved else "no large shift."


def audit(store: Store, bundle: Bundle, days: int, now: datetime) -> Audit:
    """Compare the scores of the last `days` days. Raises MissingData with fewer than MIN_SCORES of them."""
    since = now - timedelta(days=days)
    with store.read() as connection:
        window = _Window(connection, bundle.digest, since)
        if window.n < MIN_SCORES:
            raise MissingData(
                f"{window.n} scores of the bundle in force in the last {days} days; an audit needs {MIN_SCORES}: "
                "wait, or widen --days"
            )
        sample = read_sample(bundle, window.texts())
        histograms, embeddings = bundle.reference()
        shifts = score_shifts(histograms, window.scores(), sample)
        languages, other = window.languages(), window.of_other_bundles()
    separable, interval = domain_classifier(embeddings, sample.embeddings)
    return Audit(
        bundle=bundle.digest,
        since=since,
        until=now,
        n=window.n,
        texts=len(sample.lengths),
        other_bundles=other,
        abstained=window.abstained / window.n,
        shifts=shifts,
        languages=languages,
        separable=separable,
        separable_interval=interval,
    )


class _Window:
    """The scores since a moment, without specialist cases: how many `n` a bundle made, and on how many it `abstained`.

    A window may hold more than memory does, so the rest is read as it is asked for.
    """

    def __init__(self, connection: Connection, digest: str, since: datetime) -> None:
        self._connection = connection
        self._from = (
            scores.join(reports, reports.c.report_id == scores.c.report_id)
            .join(cases, cases.c.id == reports.c.case_id)
            .join(contents, (contents.c.case_id == cases.c.id) & (contents.c.version == reports.c.content_version))
        )
        self._recent = (scores.c.created_at >= since) & (cases.c.lane != SPECIALIST)
        self._mine = scores.c.bundle == digest
        abstained = func.coalesce(func.sum(cast(scores.c.abstained, Integer)), 0)
        self.n, self.abstained = connection.execute(self._select(func.count(), abstained)).one()

    def of_other_bundles(self) -> int:
        """How many scores other bundles made."""
        query = select(func.count()).select_from(self._from).where(self._recent, ~self._mine)
        return self._connection.execute(query).scalar_one()

    def scores(self) -> Iterable[dict[str, Any]]:
        """All scores."""
        return self._stream(scores.c.score)

    def languages(self) -> dict[str, int]:
        """How many reports state each language, the most frequent first."""
        # Counted here: PostgreSQL would have to unescape whole reports, and refuses those with U+0000.
        stated = ((content or {}).get("language") or "not stated" for content in self._stream(reports.c.content))
        return dict(Counter(stated).most_common())

    def texts(self) -> list[tuple[str, bool]]:
        """At most MAX_TEXTS of the texts, each with whether the service abstained on it."""
        query = self._select(contents.c.text, scores.c.abstained).where(contents.c.text.is_not(None))
        # Ids of scores are hashes: the first of them are a random sample.
        rows = self._connection.execute(query.order_by(scores.c.score_id).limit(MAX_TEXTS))
        return [(row.text, row.abstained) for row in rows]

    def _stream(self, column: ColumnElement[Any]) -> Iterable[Any]:
        return self._connection.execute(self._select(column), execution_options={"yield_per": 1000}).scalars()

    def _select(self, *columns: ColumnElement[Any]) -> Select[Any]:
        return select(*columns).select_from(self._from).where(self._recent, self._mine)


def read_sample(bundle: Bundle, found: Iterable[tuple[str, bool]]) -> Sample:
    """Read some of the window's texts; `found` holds each with whether the service abstained on it.

    The stored P(violation) will not do: it has the metadata in it, which the reference has not.
    """
    prepared = [(prepare(text, bundle.manifest.prepare).text, abstained) for text, abstained in found]
    kept = [(text, abstained) for text, abstained in prepared if text]
    model, heads = bundle.text_model, bundle.heads
    signals = [read_text(model, heads, text) for text, _ in kept]
    raw = [signal.logits[0] for signal, (_, abstained) in zip(signals, kept, strict=True) if not abstained]
    return Sample(
        [len(text) for text, _ in kept],
        np.array([signal.embedding for signal in signals], np.float32),
        probabilities(bundle.manifest.calibration["violation"], np.array(raw, np.float32)),
    )


def score_shifts(histograms: dict[str, Any], found: Iterable[dict[str, Any]], sample: Sample) -> list[Shift]:
    """Shifts of the text's P(violation), of each category's probability, and of the lengths; largest first."""
    windows = {name: np.zeros(BINS, np.int64) for name in histograms["probabilities"]}
    windows["violation"] += np.histogram(sample.violation, bins=BINS, range=(0, 1))[0]
    for category in (category for score in found for category in score["categories"]):
        if category["probability"] is not None and category["category"] in windows:
            windows[category["category"]][min(int(category["probability"] * BINS), BINS - 1)] += 1
    shifts = [
        _shift(name, histograms["probabilities"][name], window) for name, window in windows.items() if window.any()
    ]
    if sample.lengths:
        lengths = np.histogram(sample.lengths, bins=LENGTHS)[0]
        shifts.append(_shift("text length", histograms["lengths"], lengths))
    return sorted(shifts, key=lambda shift: -shift.distance)


def _shift(name: str, reference: Sequence[int], window: npt.NDArray[np.int64]) -> Shift:
    p, q = np.array(reference, float) / sum(reference), window / window.sum()
    return Shift(name, p.tolist(), q.tolist(), round(jensen_shannon(p, q), 3))


def jensen_shannon(p: npt.NDArray[np.float64], q: npt.NDArray[np.float64]) -> float:
    """Jensen-Shannon distance (Endres and Schindelin 2003), base 2, so that it lies in [0, 1]."""
    middle = (p + q) / 2

    def divergence(a: npt.NDArray[np.float64]) -> float:
        held = a > 0
        return float((a[held] * np.log2(a[held] / middle[held])).sum())

    return float(np.sqrt(max((divergence(p) + divergence(q)) / 2, 0.0)))


def domain_classifier(reference: Floats, window: Floats) -> tuple[float | None, list[float] | None]:
    """Cross-validated ROC-AUC, with its 95 % interval, of a linear classifier of two samples of embeddings.

    Both are [n, dimensions]; with fewer than MIN_SCORES in the window there is no figure.
    """
    if len(window) < MIN_SCORES:
        return None, None
    inputs = np.concatenate([reference, window])
    labels = np.repeat([0, 1], [len(reference), len(window)]).astype(np.float32)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scale = inputs.std(axis=0) + 1e-6
    model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=500)
    found = cross_val_predict(model, inputs / scale, labels, cv=folds, method="decision_function")
    figure = with_interval(roc_auc_score, labels, found, 0, RESAMPLES)
    return figure["value"], figure["interval"]


def render(found: Audit) -> str:
    """The audit as one self-contained HTML page, without script and without report text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("audit.html").render(audit=found)
