"""Fitting the mapping onto Perspective's scale: a ridge head an attribute, a monotone map, and how well they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import norm, rankdata, spearmanr

from models import Scorer
from serving.perspective.scores import WORDS, Head, signal_of, words_of
from training.intervals import with_interval

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
PENALTIES = (0.3, 1.0, 3.0, 10.0, 100.0)
WORD_SHARE = 2.0  # how much the n-grams' part weighs beside the signal's, both of length one on average
FOLDS, INNER = 5, 4
RESAMPLES = 500
LEVELS = np.concatenate([np.linspace(0, 0.9, 31), np.linspace(0.9, 1, 21)[1:]])  # closer where cut-offs lie
MIN_ROWS, MOST_ROWS = 100, 4000  # comments; the time of a fit grows with the cube of their number


@dataclass(frozen=True)
class Comments:
    """What heads read of n comments: `signals` [n, dimensions + outputs] and `words` [n, WORDS].

    What is alike once prepared is one comment, so that no fold and no resample has seen what it is judged on. `of`
    [texts] is the comment of each text, -1 where there was nothing to read.
    """

    signals: Floats
    words: npt.NDArray[np.float32]
    of: Ints

    def mean(self, values: Floats) -> Floats:
        """What is known of texts, NaN where nothing is, as of their comments: the mean of what is known of each [n]."""
        known, n = np.isfinite(values) & (self.of >= 0), len(self.signals)
        total, count = np.bincount(self.of[known], values[known], n), np.bincount(self.of[known], minlength=n)
        found: Floats = np.divide(total, count, out=np.full(n, np.nan), where=count > 0)
        return found


@dataclass(frozen=True)
class Fitted:
    """A head, and the score [known] that it gave each comment that it was fitted on while it had not seen it."""

    head: Head
    held_out: Floats


def read_comments(scorer: Scorer, texts: Sequence[str]) -> Comments:
    """Read texts with a bundle."""
    signals, words = list[Floats](), list[npt.NDArray[np.float32]]()
    numbers: dict[str, int] = {}
    of = np.full(len(texts), -1, dtype=np.int64)
    for i, text in enumerate(track(texts, "Reading", console=Console(stderr=True), transient=True)):
        prepared = scorer.look(text).text
        if not prepared:
            continue
        of[i] = numbers.setdefault(prepared, len(numbers))
        if of[i] == len(signals):
            buckets, weights = words_of(prepared)
            row = np.zeros(WORDS, dtype=np.float32)
            row[buckets] = weights
            signals.append(signal_of(scorer.read(prepared)))
            words.append(row)
    return Comments(np.array(signals), np.array(words), of)


def fit(
    comments: Comments, scores: Mapping[str, Floats], start: Mapping[str, Head], seed: int = 7
) -> dict[str, Fitted]:
    """Fit a head for each attribute with at least MIN_ROWS known scores (others are NaN), not all alike, starting from
    those given.

    Figures come from nested cross-validation: penalty and map are chosen without the comments that they are judged on.
    """
    known = {name: np.flatnonzero(np.isfinite(values)) for name, values in scores.items()}
    return {
        name: _fit_one(_Part(comments, rows, start.get(name)), scores[name][rows], seed)
        for name, rows in known.items()
        if len(rows) >= MIN_ROWS and np.ptp(scores[name][rows]) > 0
    }


class _Part:
    """The comments that one attribute is known of, and ridge regression on them in its dual form."""

    def __init__(self, comments: Comments, rows: Ints, head: Head | None) -> None:
        self.signals, self.words = comments.signals[rows], comments.words[rows].astype(np.float64)
        self.mean, self.spread = self.signals.mean(axis=0), self.signals.std(axis=0) + 1e-6
        self.dense = (self.signals - self.mean) / self.spread / np.sqrt(self.signals.shape[1])
        self.kernel = self.dense @ self.dense.T + WORD_SHARE * self.words @ self.words.T
        self.head = head
        self.start = np.zeros(len(rows))
        if head is not None:
            self.start = self.signals @ np.array(head.signal) + self.words @ np.array(head.words) + head.bias

    def solve(self, rows: Ints, target: Floats, penalty: float) -> tuple[float, float, Floats]:
        """Intercept, slope on what a fitted head already says, and dual weights [rows] for the rest."""
        slope = 0.0
        if self.start[rows].std() > 0:
            slope = max(float(np.cov(self.start[rows], target)[0, 1] / self.start[rows].var(ddof=1)), 0.0)
        rest = target - slope * self.start[rows]
        system = self.kernel[np.ix_(rows, rows)] + penalty * np.eye(len(rows))
        return float(rest.mean()), slope, cho_solve(cho_factor(system), rest - rest.mean())

    def predict(self, rows: Ints, on: Ints, found: tuple[float, float, Floats]) -> Floats:
        """What a solution on `rows` says of the comments `on`."""
        intercept, slope, dual = found
        said: Floats = intercept + slope * self.start[on] + self.kernel[np.ix_(on, rows)] @ dual
        return said

    def weights(self, found: tuple[float, float, Floats]) -> dict[str, Any]:
        """A solution on all comments as a head's weights."""
        bias, slope, dual = found
        signal = self.dense.T @ dual / self.spread / np.sqrt(self.signals.shape[1])
        words = WORD_SHARE * self.words.T @ dual
        bias -= float(self.mean @ signal)
        if self.head is not None:
            signal, words = signal + slope * np.array(self.head.signal), words + slope * np.array(self.head.words)
            bias += slope * self.head.bias
        return {"signal": _short(signal), "words": _short(words), "bias": bias}


def _fit_one(part: _Part, scores: Floats, seed: int) -> Fitted:
    held_out = np.zeros(len(scores))
    everything = np.arange(len(scores))
    for rows, test in _folds(everything, FOLDS, seed):
        penalty, inner = _chosen(part, rows, scores, seed)
        raw, score = link(inner, scores[rows])
        said = part.predict(rows, test, part.solve(rows, normal(scores[rows]), penalty))
        held_out[test] = np.interp(said, raw, score)
    penalty, outer = _chosen(part, everything, scores, seed)
    raw, score = link(outer, scores)
    truth, unseen = scores.astype(np.float32), held_out.astype(np.float32)
    fields = part.weights(part.solve(everything, normal(scores), penalty)) | {
        "raw": raw.tolist(),
        "score": score.round(5).tolist(),
        "rows": len(scores),
        "spearman": with_interval(correlation, truth, unseen, seed, RESAMPLES),
        "error": with_interval(_error, truth, unseen, seed, RESAMPLES),
    }
    return Fitted(Head.model_validate(fields), held_out)


def _chosen(part: _Part, rows: Ints, scores: Floats, seed: int) -> tuple[float, Floats]:
    """The penalty that ranks best in cross-validation among `rows`, and what it said of each while unseen."""
    found = {penalty: np.zeros(len(rows)) for penalty in PENALTIES}
    for train, test in _folds(np.arange(len(rows)), INNER, seed + 1):
        target = normal(scores[rows[train]])
        for penalty, said in found.items():
            solution = part.solve(rows[train], target, penalty)
            said[test] = part.predict(rows[train], rows[test], solution)
    best = max(found, key=lambda penalty: correlation(scores[rows], found[penalty]))
    return best, found[best]


def _folds(rows: Ints, count: int, seed: int) -> list[tuple[Any, Any]]:
    order = np.random.default_rng(seed).permutation(rows)
    return [(np.sort(np.setdiff1d(rows, test)), np.sort(test)) for test in np.array_split(order, count)]


def normal(scores: Floats) -> Floats:
    """Scores by rank on a normal scale: where they crowd near 0, a ridge on them as they are would see nothing."""
    values: Floats = norm.ppf((rankdata(scores) - 0.5) / len(scores))
    return values


def link(raw: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Points of the map that gives what was `said` the distribution of the scores: equal shares above each cut-off.

    Equipercentile linking (Kolen and Brennan 2014), straight between the points. Equal scores share their middle rank,
    so that the map rises strictly wherever both sides do.
    """
    values, counts = np.unique(scores, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / len(scores)
    points = np.quantile(raw, LEVELS)
    rising = np.concatenate([[True], np.diff(points) > 1e-9])
    return points[rising], np.interp(LEVELS, middle, values)[rising]


def _short(weights: Floats) -> list[float]:
    return [float(f"{weight:.4g}") for weight in weights]


def correlation(truth: Any, value: Any) -> float:
    """Spearman's rank correlation; 0 where one side does not vary."""
    found = spearmanr(truth, value).statistic if np.ptp(truth) > 0 and np.ptp(value) > 0 else 0.0
    return float(found)


def _error(truth: Any, value: Any) -> float:
    return float(np.abs(truth - value).mean())
