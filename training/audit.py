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
from models.scorer import Scorer
from serving.store import Store
from serving.store.tables import cases, contents, reports, scores
from training.fit import LENGTHS

Floats = npt.NDArray[np.float32]
MIN_SCORES = 30
MAX_TEXTS = 1000  # texts embedded for the domain classifier
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
class Audit:
    """One window against the reference."""

    bundle: str
    since: datetime
    until: datetime
    n: int
    other_bundles: int
    abstained: float
    shifts: list[Shift]
    languages: dict[str, int]
    separable: float | None  # ROC-AUC of telling window texts from reference texts; 0.5 is "cannot be told apart"
    separable_interval: tuple[float, float] | None

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
    texts = [row.text for row in mine if row.text]
    separable, interval = domain_classifier(bundle, embeddings, texts)
    languages: dict[str, int] = {}
    for row in mine:
        language = row.body["content"].get("language") or "not stated"
        languages[language] = languages.get(language, 0) + 1
    return Audit(
        bundle=bundle.digest,
        since=since,
        until=now,
        n=len(mine),
        other_bundles=len(rows) - len(mine),
        abstained=float(np.mean([row.abstained for row in mine])),
        shifts=score_shifts(histograms, [row.score for row in mine], texts),
        languages=dict(sorted(languages.items(), key=lambda item: -item[1])),
        separable=separable,
        separable_interval=interval,
    )


def score_shifts(histograms: dict[str, Any], found: Sequence[dict[str, Any]], texts: Sequence[str]) -> list[Shift]:
    """Shifts of the violation probability, of each category's, and of the texts' lengths; largest first."""
    values: dict[str, list[float]] = {"violation": [s["violation"]["probability"] for s in found]}
    for score in found:
        for category in score["categories"]:
            values.setdefault(category["category"], []).append(category["probability"])
    shifts = []
    for name, probabilities in values.items():
        known = [p for p in probabilities if p is not None]
        if name in histograms["probabilities"] and known:
            window = np.histogram(known, bins=20, range=(0, 1))[0]
            shifts.append(_shift(name, histograms["probabilities"][name], window))
    if texts:
        lengths = np.histogram([len(text) for text in texts], bins=LENGTHS)[0]
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


def domain_classifier(
    bundle: Bundle, reference: Floats, texts: Sequence[str]
) -> tuple[float | None, tuple[float, float] | None]:
    """Cross-validated ROC-AUC, with its 95 % interval, of a linear classifier of reference and window embeddings."""
    if len(texts) < MIN_SCORES:
        return None, None
    rng = np.random.default_rng(0)
    scorer = Scorer(bundle)
    chosen = [texts[i] for i in rng.permutation(len(texts))[:MAX_TEXTS]]
    window = np.array([scorer.signal(text).embedding for text in chosen])
    inputs = np.concatenate([reference, window])
    labels = np.array([0] * len(reference) + [1] * len(window))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scale = inputs.std(axis=0) + 1e-6
    model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=500)
    found = cross_val_predict(model, inputs / scale, labels, cv=folds, method="decision_function")
    resampled = []
    for _ in range(200):
        rows = rng.integers(0, len(labels), len(labels))
        if labels[rows].min() < labels[rows].max():
            resampled.append(roc_auc_score(labels[rows], found[rows]))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return round(float(roc_auc_score(labels, found)), 3), (round(float(low), 3), round(float(high), 3))


def render(found: Audit) -> str:
    """The audit as one self-contained HTML page, without script and without report text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("audit.html").render(audit=found)
