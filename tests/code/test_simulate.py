"""Simulated metadata: the documented dependencies, and no others."""

import numpy as np
import pytest

from models.metadata import FEATURES, featurise
from models.report import Report
from models.taxonomy import Taxonomy
from training.simulate import simulate_report

N = 4000


@pytest.fixture(scope="module")
def drawn(taxonomy: Taxonomy) -> dict[bool, list[Report]]:
    """Reports of violations of spam, and of others."""
    rng = np.random.default_rng(0)
    return {
        violation: [simulate_report(violation, ["spam"] if violation else [], taxonomy, rng) for _ in range(N)]
        for violation in (True, False)
    }


def values(reports: list[Report], code: str, taxonomy: Taxonomy) -> np.ndarray:
    column = [feature.code for feature in FEATURES].index(code)
    found = np.array([featurise(report, taxonomy)[column] for report in reports])
    return found[np.isfinite(found)]


@pytest.mark.parametrize(
    ("code", "direction"),
    [
        ("subject_account_age", -1),
        ("prior_violations", 1),
        ("followers", 0),
        ("reporter_account_age", 0),
        ("reporter_reliability", 1),
        ("reporter_is_target", 1),
        ("distinct_reporters", 1),
    ],
)
def test_the_documented_dependencies_and_no_others(
    drawn: dict[bool, list[Report]], taxonomy: Taxonomy, code: str, direction: int
) -> None:
    yes_, no_ = values(drawn[True], code, taxonomy), values(drawn[False], code, taxonomy)
    error = np.sqrt(yes_.var() / len(yes_) + no_.var() / len(no_))
    z = (yes_.mean() - no_.mean()) / error
    assert abs(z) < 3 if direction == 0 else z * direction > 5


def test_the_documented_shares(drawn: dict[bool, list[Report]], taxonomy: Taxonomy) -> None:
    empty = Report(report_id="simulated", content=drawn[True][0].content)
    assert np.mean([report == empty for report in drawn[False]]) == pytest.approx(0.25, abs=0.03)
    assert np.mean([r.subject.followers is None for r in drawn[True]]) == pytest.approx(0.25 + 0.75 * 0.3, abs=0.03)
    reasons = [taxonomy.of_reason(r.reason) for r in drawn[True] if r.reason]
    assert np.mean([c is not None and c.key == "spam" for c in reasons]) > 0.7


def test_no_text_and_never_a_category_that_is_not_learned(drawn: dict[bool, list[Report]], taxonomy: Taxonomy) -> None:
    found = [taxonomy.of_reason(r.reason) for reports in drawn.values() for r in reports if r.reason]
    assert {category.key if category else None for category in found} == set(taxonomy.learned)
    assert {r.content.text for reports in drawn.values() for r in reports} == {None}


def test_the_same_seed_draws_the_same(taxonomy: Taxonomy) -> None:
    def draw(seed: int) -> list[Report]:
        rng = np.random.default_rng(seed)
        return [simulate_report(i % 2 == 0, ["spam"], taxonomy, rng) for i in range(50)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
