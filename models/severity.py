"""Ordinal severity: conditional exceedance probabilities become a distribution over 0 none … 4 critical."""

from collections.abc import Sequence

from models.score import SeverityScore
from models.taxonomy import Severity

SEVERITIES = ("severity_2", "severity_3", "severity_4")  # outputs: P(≥2 | ≥1), P(≥3 | ≥2), P(≥4 | ≥3)


def from_exceedance(violation: float, exceed: Sequence[float]) -> SeverityScore:
    """Distribution from P(violation) and P(≥2 | ≥1), P(≥3 | ≥2), P(≥4 | ≥3).

    The conditional chain of CORN (Shi, Cao and Raschka 2021) keeps the distribution valid by construction, and its
    first link is the violation probability itself, so that the two axes of a score never contradict each other.
    """
    reach, distribution = 1.0, []
    for step in (violation, *exceed):
        distribution.append(reach * (1 - step))
        reach *= step
    return _score([*distribution, reach])


def fixed(level: Severity) -> SeverityScore:
    """The severity of a case that a rule or a reporter's reason settles."""
    return _score([float(k == level) for k in Severity])


def _score(distribution: list[float]) -> SeverityScore:
    a, b, c, d, e = (round(share, 6) for share in distribution)
    expected = sum(k * share for k, share in enumerate(distribution))
    level = Severity(min(int(expected + 0.5), 4)).name.lower()
    return SeverityScore(expected=round(expected, 6), level=level, distribution=(a, b, c, d, e))  # type: ignore[arg-type]
