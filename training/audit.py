"""`frontline audit`: how far recent scores and inputs are from the bundle's reference, as effect sizes on one page."""

from collections.abc import Sequence
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
from sqlalchemy import select

from models.bundle import Bundle
from models.errors import MissingData
from models.prepare import prepare
from models.runtime import read_text
from serving.store import Store
from serving.store.tables import cases, contents, reports, scores
from training.calibrate import probabilities
from training.fit import LENGTHS
from training.intervals import with_interval

Floats = npt.NDArray[np.float32]
MIN_SCORES = 30
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
    query = (
        select(scores.c.score, scores.c.bundle, scores.c.abstained, reports.c.body, contents.c.text)
        .join(reports, reports.c.report_id == scores.c.report_id)
        .join(contents, (contents.c.case_id == reports.c.case_id) & (contents.c.version == reports.c.content_version))
        .join(cases, cases.c.id == reports.c.case_id)
        .where(scores.c.created_at >= since, cases.c.lane != "specialist")
    )
    with store.read() as connection:
        rows = connection.execute(query).all()
    mine = [row for row in rows if row.bundle == bundle.digest]
    if len(mine) < MIN_SCORES:
        raise MissingData(
            f"{len(mine)} scores of the bundle in force in the last {days} days; an audit needs {MIN_SCORES}: "
            "wait, or widen --days"
        )
    histograms, embeddings = bundle.reference()
    sample = read_sample(bundle, [(row.text, row.abstained) for row in mine if row.text])
    separable, interval = domain_classifier(embeddings, sample.embeddings)
    languages: dict[str, int] = {}
    for row in mine:
        language = row.body["content"].get("language") or "not stated"
        languages[language] = languages.get(language, 0) + 1
    return Audit(
        bundle=bundle.digest,
        since=since,
        until=now,
        n=len(mine),
        texts=len(sample.lengths),
        other_bundles=len(rows) - len(mine),
        abstained=float(np.mean([row.abstained for row in mine])),
        shifts=score_shifts(histograms, [row.score for row in mine], sample),
        languages=dict(sorted(languages.items(), key=lambda item: -item[1])),
        separable=separable,
        separable_interval=interval,
    )


def read_sample(bundle: Bundle, found: Sequence[tuple[str, bool]]) -> Sample:
    """Read at most MAX_TEXTS of the window's texts; `found` holds each with whether the service abstained on it.

    The stored P(violation) will not do: it has the metadata in it, which the reference has not.
    """
    chosen = [found[i] for i in np.random.default_rng(0).permutation(len(found))[:MAX_TEXTS]]
    prepared = [(prepare(text, bundle.manifest.prepare).text, abstained) for text, abstained in chosen]
    kept = [(text, abstained) for text, abstained in prepared if text]
    model, heads = bundle.text_model, bundle.heads
    signals = [read_text(model, heads, text) for text, _ in kept]
    raw = [signal.logits[0] for signal, (_, abstained) in zip(signals, kept, strict=True) if not abstained]
    return Sample(
        [len(text) for text, _ in kept],
        np.array([signal.embedding for signal in signals], np.float32),
        probabilities(bundle.manifest.calibration["violation"], np.array(raw, np.float32)),
    )


def score_shifts(histograms: dict[str, Any], found: Sequence[dict[str, Any]], sample: Sample) -> list[Shift]:
    """Shifts of the text's P(violation), of each category's probability, and of the lengths; largest first."""
    values: dict[str, list[float]] = {"violation": sample.violation.tolist()}
    for category in (category for score in found for category in score["categories"]):
        if category["probability"] is not None:
            values.setdefault(category["category"], []).append(category["probability"])
    shifts = []
    for name, known in values.items():
        if name in histograms["probabilities"] and known:
            window = np.histogram(known, bins=20, range=(0, 1))[0]
            shifts.append(_shift(name, histograms["probabilities"][name], window))
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
