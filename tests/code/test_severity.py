"""Severity: always a valid distribution whose first share is what the violation probability leaves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.severity import fixed, from_exceedance
from models.taxonomy import Severity

P = st.floats(0, 1)
EXCEED = st.tuples(P, P, P)


@given(P, EXCEED)
def test_a_distribution(violation: float, exceed: tuple[float, float, float]) -> None:
    found = from_exceedance(violation, exceed)
    assert sum(found.distribution) == pytest.approx(1, abs=1e-5)
    assert all(0 <= share <= 1 for share in found.distribution)
    assert found.distribution[0] == pytest.approx(1 - violation, abs=1e-6)
    assert found.expected == pytest.approx(sum(k * s for k, s in enumerate(found.distribution)), abs=2e-5)
    assert Severity[found.level.upper()] == min(int(found.expected + 0.5), 4)


@given(P, P, EXCEED)
def test_a_likelier_violation_is_not_less_severe(a: float, b: float, exceed: tuple[float, float, float]) -> None:
    low, high = sorted((a, b))
    assert from_exceedance(low, exceed).expected <= from_exceedance(high, exceed).expected


@given(P, EXCEED, P, st.integers(0, 2))
def test_more_of_any_step_is_not_less_severe(
    violation: float, exceed: tuple[float, float, float], other: float, step: int
) -> None:
    low, high = list(exceed), list(exceed)
    low[step], high[step] = sorted((exceed[step], other))
    assert from_exceedance(violation, low).expected <= from_exceedance(violation, high).expected + 1e-6


def test_by_hand() -> None:
    found = from_exceedance(0.8, (0.5, 0.5, 0.5))
    assert found.distribution == (0.2, 0.4, 0.2, 0.1, 0.1)
    assert found.expected == pytest.approx(1.5)
    assert found.level == "medium"


@pytest.mark.parametrize("level", list(Severity))
def test_a_fixed_severity(level: Severity) -> None:
    found = fixed(level)
    assert found.expected == level
    assert found.level == level.name.lower()
    assert found.distribution[level] == 1
