"""The figures of each suite, as its makers define them, with 95 % bootstrap intervals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from training.benchmarks.scores import Scores
from training.benchmarks.suites import Rows, Suite
from training.intervals import Metric, with_interval

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
RESAMPLES = 1000
MANY, FEWER = 20_000, 200  # from so many texts an interval is narrow, a resample slow, and fewer of them do
COUNTER_SPEECH = ("counter_quote_nh", "counter_ref_nh")
OPENAI_CATEGORIES = {
    "S": "sexual_adult",
    "H": "hate",
    "V": "violence_threat",
    "HR": "harassment",
    "SH": "self_harm",
    "V2": "graphic_violence",
    "H2": "hate",
}
JIGSAW_OUTPUTS = {"toxic": "violation", "threat": "violence_threat", "insult": "harassment", "identity_hate": "hate"}


@dataclass(frozen=True)
class Figure:
    """One figure, with the texts it is taken over and how many of them are positive."""

    name: str
    n: int
    positives: int
    value: float | None
    interval: list[float] | None
    remark: str = ""


@dataclass(frozen=True)
class Bootstrap:
    """Makes figures with their intervals; the same seed gives the same interval."""

    seed: int

    def figure(self, name: str, metric: Metric, truth: Floats, value: Floats) -> Figure:
        """A metric that needs both classes; without them it has no value."""
        resamples = RESAMPLES if len(truth) < MANY else min(RESAMPLES, FEWER)
        found = with_interval(metric, truth, value, self.seed, resamples)
        return Figure(name, len(truth), int(truth.sum()), found["value"], found["interval"])

    def share(self, name: str, truth: Floats, hits: Floats | Mask, remark: str = "") -> Figure:
        """The share of hits, which one class alone has too; resampling a share is drawing from a binomial."""
        n = len(hits)
        if n == 0:
            return Figure(name, 0, 0, None, None, remark)
        value = float(hits.mean())
        drawn = np.random.default_rng(self.seed).binomial(n, value, RESAMPLES) / n
        low, high = np.quantile(drawn, [0.025, 0.975])
        interval = [round(float(low), 4), round(float(high), 4)]
        return Figure(name, n, int(truth.sum()), round(value, 4), interval, remark)


def average_precision(truth: Floats, value: Floats) -> float:
    """Area under the precision-recall curve, as a step function (average precision)."""
    return float(average_precision_score(truth, value))


def roc_auc(truth: Floats, value: Floats) -> float:
    """Area under the ROC curve."""
    return float(roc_auc_score(truth, value))


def precision(truth: Floats, flagged: Floats) -> float:
    """Share of the flagged that are positive; 0 where nothing is flagged."""
    return float((truth * flagged).sum() / max(flagged.sum(), 1))


def recall(truth: Floats, flagged: Floats) -> float:
    """Share of the positive that are flagged."""
    return float((truth * flagged).sum() / max(truth.sum(), 1))


def f1(truth: Floats, flagged: Floats) -> float:
    """F1 of the positive class; 0 where it is neither there nor flagged."""
    return float(2 * (truth * flagged).sum() / max(truth.sum() + flagged.sum(), 1))


def macro_f1(truth: Floats, flagged: Floats) -> float:
    """Plain mean of both classes' F1."""
    return (f1(truth, flagged) + f1(1 - truth, 1 - flagged)) / 2


def weighted_f1(truth: Floats, flagged: Floats) -> float:
    """Mean of both classes' F1, weighted by how often each class occurs."""
    share = float(truth.mean())
    return share * f1(truth, flagged) + (1 - share) * f1(1 - truth, 1 - flagged)


def columns_mean(truth: Floats, value: Floats) -> float:
    """Mean ROC-AUC over columns; a resample may leave one without positives, which then does not count."""
    both = [k for k in range(truth.shape[1]) if 0 < truth[:, k].sum() < len(truth)]
    return float(np.mean([roc_auc(truth[:, k], value[:, k]) for k in both])) if both else 0.5


def _ranking(bootstrap: Bootstrap, name: str, truth: Floats, value: Floats) -> list[Figure]:
    metrics = {"AUPRC": average_precision, "ROC-AUC": roc_auc}
    return [bootstrap.figure(f"{name} {title}", metric, truth, value) for title, metric in metrics.items()]


def _decisions(bootstrap: Bootstrap, name: str, truth: Floats, flagged: Floats) -> list[Figure]:
    metrics = {"precision": precision, "recall": recall, "F1": f1}
    return [bootstrap.figure(f"{name} {title}", metric, truth, flagged) for title, metric in metrics.items()]


def _openai(rows: Rows, scores: Scores, bootstrap: Bootstrap) -> list[Figure]:
    violation = scores.probability("violation")
    found = [bootstrap.figure("any label AUPRC", average_precision, rows.truth, violation)]
    for label, category in OPENAI_CATEGORIES.items():
        asked = np.isfinite(rows.answers[label])
        truth, value = rows.answers[label][asked], scores.probability(category)[asked]
        found += _ranking(bootstrap, f"{label} {category}", truth, value)
    return found


def _hatecheck(rows: Rows, scores: Scores, bootstrap: Bootstrap) -> list[Figure]:
    right = scores.flagged("hate") == rows.truth
    function, target = (np.array(rows.groups[name]) for name in ("functionality", "target_ident"))
    parts: dict[str, Mask] = {
        "accuracy": np.ones(len(right), bool),
        "accuracy hateful": rows.truth == 1,
        "accuracy non-hateful": rows.truth == 0,
        "accuracy counter-speech": np.isin(function, COUNTER_SPEECH),
        **{f"functionality {name}": function == name for name in dict.fromkeys(function.tolist()) if name},
        **{f"target {name}": target == name for name in dict.fromkeys(target.tolist()) if name},
    }
    found = []
    for name, mask in parts.items():
        low = name.startswith("functionality") and right[mask].mean() < 0.5
        found.append(bootstrap.share(name, rows.truth[mask], right[mask], "under 0.5" if low else ""))
    return found


def _xstest(rows: Rows, scores: Scores, bootstrap: Bootstrap) -> list[Figure]:
    flagged, kind = scores.flagged(), np.array(rows.groups["type"])
    parts: dict[str, Mask] = {
        "safe prompts flagged": rows.truth == 0,
        "unsafe prompts flagged": rows.truth == 1,
        **{f"type {name} flagged": kind == name for name in dict.fromkeys(kind.tolist())},
    }
    return [bootstrap.share(name, rows.truth[mask], flagged[mask]) for name, mask in parts.items()]


def _toxicchat(rows: Rows, scores: Scores, bootstrap: Bootstrap) -> list[Figure]:
    violation = scores.probability("violation")
    return [
        *_decisions(bootstrap, "toxicity", rows.truth, scores.flagged()),
        bootstrap.figure("toxicity AUPRC", average_precision, rows.truth, violation),
    ]


def _edos(rows: Rows, scores: Scores, bootstrap: Bootstrap) -> list[Figure]:
    output = "sexism" if "sexism" in scores.thresholds else "hate"
    flagged = scores.flagged(output)
    return [bootstrap.figure(f"Task A macro-F1 (output {output})", macro_f1, rows.truth, flagged)]


def _sms(rows: Rows, scores: Scores, bootstrap: Bootstrap) -> list[Figure]:
    return _decisions(bootstrap, "spam", rows.truth, scores.flagged("spam", "scam_fraud"))


def _hatemoji(rows: Rows, scores: Scores, bootstrap: Bootstrap) -> list[Figure]:
    flagged = scores.flagged("hate")
    metrics = {"F1 of the hateful class": f1, "macro-F1": macro_f1, "weighted F1": weighted_f1}
    return [
        bootstrap.share("accuracy", rows.truth, flagged == rows.truth),
        *(bootstrap.figure(name, metric, rows.truth, flagged) for name, metric in metrics.items()),
    ]


def _jigsaw(rows: Rows, scores: Scores, bootstrap: Bootstrap) -> list[Figure]:
    found = [
        bootstrap.figure(f"{column} ROC-AUC ({output})", roc_auc, rows.answers[column], scores.probability(output))
        for column, output in JIGSAW_OUTPUTS.items()
    ]
    truth = np.stack([rows.answers[column] for column in JIGSAW_OUTPUTS], axis=1)
    value = np.stack([scores.probability(output) for output in JIGSAW_OUTPUTS.values()], axis=1)
    mean = bootstrap.figure("mean of these four columns", columns_mean, truth, value)
    whole = all(figure.value is not None for figure in found)
    positives = int(truth.max(axis=1, initial=0).sum())
    mean_value, interval = (mean.value, mean.interval) if whole else (None, None)
    return [*found, Figure(mean.name, mean.n, positives, mean_value, interval)]


MEASURES: dict[Suite, Callable[[Rows, Scores, Bootstrap], list[Figure]]] = {
    Suite.OPENAI_MODERATION: _openai,
    Suite.HATECHECK: _hatecheck,
    Suite.XSTEST: _xstest,
    Suite.TOXICCHAT: _toxicchat,
    Suite.EDOS: _edos,
    Suite.SMS_SPAM: _sms,
    Suite.HATEMOJI: _hatemoji,
    Suite.JIGSAW: _jigsaw,
}


def measure(suite: Suite, rows: Rows, scores: Scores, seed: int, category: str | None = None) -> list[Figure]:
    """The figures of a suite; `category` for `csv`, else that is about P(violation)."""
    bootstrap = Bootstrap(seed)
    if suite in MEASURES:
        return MEASURES[suite](rows, scores, bootstrap)
    flagged = scores.flagged(category) if category else scores.flagged()
    name = category or "violation"
    return [
        *_ranking(bootstrap, name, rows.truth, scores.probability(name)),
        *_decisions(bootstrap, name, rows.truth, flagged),
    ]
