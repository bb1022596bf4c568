"""The featuriser "metadata.v1" and the shift that report metadata gives to the text's log-odds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.calibration import logit
from models.report import Report
from models.runtime import Floats, open_session
from models.score import Reason
from models.taxonomy import Taxonomy

VERSION = "metadata.v1"


@dataclass(frozen=True, slots=True)
class Feature:
    """One metadata feature: its value (None where the report does not say), and how to say it to a reviewer."""

    code: str
    value: Callable[[Report, Taxonomy], float | None]
    text: Callable[[Report], str]


def _log(value: float | None) -> float | None:
    return None if value is None else math.log1p(value)


def upheld_share(filed: int | None, upheld: int | None) -> float | None:
    """Posterior mean of a reporter's share of upheld reports under a Beta(2, 2) prior: few reports prove little."""
    if filed is None or upheld is None:
        return None
    return (min(upheld, filed) + 2) / (filed + 4)


def _reason_severity(report: Report, taxonomy: Taxonomy) -> float | None:
    category = taxonomy.of_reason(report.reason)
    return None if category is None else float(category.base_severity)


FEATURES = (
    Feature(
        "subject_account_age",
        lambda r, _: _log(r.subject.account_age_days),
        lambda r: f"account is {r.subject.account_age_days:g} days old",
    ),
    Feature(
        "prior_violations",
        lambda r, _: _log(r.subject.prior_violations),
        lambda r: f"{r.subject.prior_violations} earlier violations",
    ),
    Feature("followers", lambda r, _: _log(r.subject.followers), lambda r: f"{r.subject.followers} followers"),
    Feature(
        "reporter_account_age",
        lambda r, _: _log(r.reporter.account_age_days),
        lambda r: f"reporter's account is {r.reporter.account_age_days:g} days old",
    ),
    Feature(
        "reporter_reliability",
        lambda r, _: upheld_share(r.reporter.reports_filed, r.reporter.reports_upheld),
        lambda r: f"{r.reporter.reports_upheld} of the reporter's {r.reporter.reports_filed} reports were upheld",
    ),
    Feature(
        "reporter_is_target",
        lambda r, _: None if r.reporter.is_target is None else float(r.reporter.is_target),
        lambda r: "the reporter is the target" if r.reporter.is_target else "the reporter is a bystander",
    ),
    Feature(
        "distinct_reporters",
        lambda r, _: _log(r.exposure.distinct_reporters),
        lambda r: f"{r.exposure.distinct_reporters} people reported it",
    ),
    Feature("reason", _reason_severity, lambda r: f"reported as {r.reason}"),
)


def featurise(report: Report, taxonomy: Taxonomy) -> Floats:
    """Features as float32 [len(FEATURES)], NaN where the report does not say."""
    values = (feature.value(report, taxonomy) for feature in FEATURES)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float32)


class MetadataModel:
    """P(violation | text log-odds, metadata); what counts is how far it differs from P(violation | text log-odds)."""

    def __init__(self, graph: Path, cap: float) -> None:
        self._session = open_session(graph)
        self._cap = cap

    def shift(self, text_log_odds: float, features: Floats) -> float:
        """Change of the log-odds that the metadata brings, within ±cap; exactly 0 where all of it is absent."""
        return self._clip(self._shifts(text_log_odds, features[None, :])[0])

    def reasons(self, report: Report, text_log_odds: float, features: Floats) -> list[Reason]:
        """The features that move the log-odds by 0.1 or more, each taken alone, strongest first."""
        alone = np.full((len(FEATURES), len(FEATURES)), np.nan, dtype=np.float32)
        np.fill_diagonal(alone, features)
        moved = sorted(zip(self._shifts(text_log_odds, alone), FEATURES, strict=True), key=lambda pair: -abs(pair[0]))
        return [
            Reason(code=feature.code, text=feature.text(report), direction="raises" if shift > 0 else "lowers")
            for shift, feature in moved
            if abs(self._clip(shift)) >= 0.1
        ]

    def _shifts(self, text_log_odds: float, rows: Floats) -> list[float]:
        inputs = np.full((len(rows) + 1, len(FEATURES) + 1), np.nan, dtype=np.float32)  # the first row has no metadata
        inputs[:, 0] = text_log_odds
        inputs[1:, 1:] = rows
        probabilities = self._session.run(["probabilities"], {"features": inputs})[0][:, 1]
        without, *with_metadata = (logit(float(p)) for p in probabilities)
        return [value - without for value in with_metadata]

    def _clip(self, shift: float) -> float:
        return max(-self._cap, min(self._cap, shift))
