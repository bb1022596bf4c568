"""Priority: plain arithmetic with floors that never wait for a model."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.policy import Policy
from models.priority import of_case, prioritise
from models.report import Report
from models.score import CategoryScore, Priority, SeverityScore
from models.severity import fixed, from_exceedance
from models.taxonomy import Severity, Taxonomy

Make = Callable[..., Report]
Place = Callable[..., Priority]
ORDER = ["specialist", "critical", "high", "standard", "low"]


def category(key: str, probability: float | None, *, flagged: bool = False, source: str = "model") -> CategoryScore:
    return CategoryScore(category=key, probability=probability, threshold=0.5, flagged=flagged, source=source)  # type: ignore[arg-type]


@pytest.fixture
def place(taxonomy: Taxonomy, policy: Policy, make_report: Make, now: datetime) -> Place:
    """The priority of a report with these fields, categories, severity and, where it is None, P(violation)."""

    def make(
        categories: list[CategoryScore], severity: SeverityScore | None, violation: float = 0.3, **fields: Any
    ) -> Priority:
        return prioritise(make_report("a text", **fields), taxonomy, policy, categories, severity, violation, now)

    return make


HARMLESS = from_exceedance(0.02, (0.1, 0.1, 0.1))
SERIOUS = from_exceedance(0.95, (0.9, 0.8, 0.1))


@pytest.mark.parametrize("reason", ["child_safety", "csam", "grooming", "sexual_minors"])
def test_a_child_safety_reason_goes_to_specialists_whatever_the_model_says(place: Place, reason: str) -> None:
    found = place([category("spam", 0.01)], HARMLESS, reason=reason)
    assert found.lane == "specialist"
    assert place([], None, reason=reason).lane == "specialist"


@pytest.mark.parametrize("reason", ["self_harm", "suicide"])
def test_a_self_harm_reason_is_critical_whatever_the_model_says(place: Place, reason: str) -> None:
    assert place([category("spam", 0.01)], HARMLESS, reason=reason).lane == "critical"
    assert place([], None, reason=reason).lane == "critical"


@pytest.mark.parametrize(
    "fields",
    [
        {"reporter": {"trusted_flagger": True}},
        {"source": "trusted_flagger"},
        {"source": "authority"},
        {"source": "court"},
    ],
)
def test_trusted_flaggers_are_at_least_high(place: Place, fields: dict[str, Any]) -> None:
    assert place([], HARMLESS, **fields).lane == "high"
    assert place([], None, **fields).lane == "high"
    assert place([category("self_harm", 0.9, flagged=True)], fixed(Severity.CRITICAL), **fields).lane == "critical"


@pytest.mark.parametrize("fields", [{"reporter": {"trusted_flagger": False}}, {"source": "user"}, {}])
def test_others_are_not(place: Place, fields: dict[str, Any]) -> None:
    assert place([], HARMLESS, **fields).lane == "low"


@pytest.mark.parametrize(
    ("level", "lane"), list(zip(Severity, ["low", "low", "standard", "high", "critical"], strict=True))
)
def test_the_severity_chooses_the_lane(place: Place, level: Severity, lane: str) -> None:
    assert place([], fixed(level)).lane == lane


def test_a_flagged_category_keeps_its_service_level(
    place: Place, taxonomy: Taxonomy, policy: Policy, now: datetime
) -> None:
    for key in taxonomy.learned:
        found = place([category(key, 0.6, flagged=True)], HARMLESS)
        assert found.due_at - now <= timedelta(hours=policy.of(key).service_level_hours)


def test_due_by_overrides_the_lane(place: Place) -> None:
    assert place([], HARMLESS, due_by="2026-11-22T09:30:00Z").due_at.isoformat() == "2026-11-22T09:30:00+00:00"
    later = place([], fixed(Severity.CRITICAL), due_by="2026-12-24T09:30:00Z")
    assert later.due_at.isoformat() == "2026-12-24T09:30:00+00:00"


def test_due_at_is_the_lanes_service_level(place: Place, now: datetime) -> None:
    assert place([], fixed(Severity.HIGH)).due_at == now + timedelta(hours=4)


def test_more_severe_is_more_urgent(place: Place) -> None:
    values = [place([category("harassment", 0.9)], fixed(level)).value for level in Severity]
    assert values == sorted(values)
    assert len(set(values)) == 5


def test_more_views_are_more_urgent_but_a_private_threat_still_counts(place: Place) -> None:
    threat = [category("violence_threat", 0.9)]
    values = [place(threat, SERIOUS, exposure={"views_per_hour": views}).value for views in (0, 10, 10_000)]
    assert 0 < values[0] < values[1] < values[2]


def test_an_unreliable_reporter_lowers_a_reliable_one_raises(place: Place) -> None:
    def value(upheld: int | None) -> float:
        reporter = {} if upheld is None else {"reports_filed": 40, "reports_upheld": upheld}
        return place([category("harassment", 0.9)], SERIOUS, reporter=reporter).value

    assert 0 < value(0) < value(None) < value(40)
    assert value(20) == pytest.approx(value(None))


def test_few_reports_prove_little(place: Place) -> None:
    def value(filed: int) -> float:
        reporter = {"reports_filed": filed, "reports_upheld": 0}
        return place([category("harassment", 0.9)], SERIOUS, reporter=reporter).value

    assert value(0) > value(1) > value(50)
    assert value(0) - value(1) < value(0) - value(50)


P = st.floats(0, 1)


@given(
    severity=st.none() | st.builds(from_exceedance, P, st.tuples(P, P, P)),
    violation=P,
    shares=st.tuples(P, P),
    reporter=st.tuples(st.integers(0, 100), st.integers(0, 100)),
    views=st.none() | st.floats(0, 1e6),
    reason=st.sampled_from([None, "spam", "child_safety", "suicide", "zorbleflax"]),
)
def test_components_add_up_and_the_value_is_not_negative(
    taxonomy: Taxonomy,
    policy: Policy,
    make_report: Make,
    now: datetime,
    severity: SeverityScore | None,
    violation: float,
    shares: tuple[float, float],
    reporter: tuple[int, int],
    views: float | None,
    reason: str | None,
) -> None:
    report = make_report(
        "a text",
        reason=reason,
        exposure={"views_per_hour": views},
        reporter={"reports_filed": reporter[0], "reports_upheld": reporter[1]},
    )
    categories = [category("spam", shares[0]), category("hate", shares[1])]
    found = prioritise(report, taxonomy, policy, categories, severity, violation, now)
    assert found.value == pytest.approx(sum(c.contribution for c in found.components), abs=1e-3)
    assert found.value >= 0
    assert [c.name for c in found.components] == ["target_harm", "spread_harm", "reporter_reliability"]


@given(
    key=st.sampled_from(["spam", "hate", "self_harm", "sexual_minors"]),
    source=st.sampled_from(["rule", "reason"]),
    severity=st.none() | st.builds(from_exceedance, P, st.tuples(P, P, P)),
    violation=P,
    share=P,
    reason=st.sampled_from([None, "spam", "threat"]),
)
def test_what_a_rule_or_a_reason_settles_never_lowers_a_case(
    taxonomy: Taxonomy,
    policy: Policy,
    make_report: Make,
    now: datetime,
    key: str,
    source: str,
    severity: SeverityScore | None,
    violation: float,
    share: float,
    reason: str | None,
) -> None:
    report, threat = make_report("a text", reason=reason), category("violence_threat", share, flagged=share > 0.5)

    def place(flagged: bool) -> Priority:
        named = category(key, None, flagged=flagged, source=source if flagged else "none")
        return prioritise(report, taxonomy, policy, [threat, named], severity, violation, now)

    assert place(True).value >= place(False).value
    assert ORDER.index(place(True).lane) <= ORDER.index(place(False).lane)


def test_a_rule_on_a_light_category_hides_no_threat(place: Place) -> None:
    threat = category("violence_threat", 0.97, flagged=True)
    alone = place([threat], SERIOUS)
    assert place([threat, category("spam", 0.2, flagged=True, source="rule")], SERIOUS).value >= 0.8 * alone.value
    assert place([threat, category("spam", None, flagged=True, source="rule")], SERIOUS).value == alone.value
    settled = place([category("spam", 0.2, flagged=True, source="rule")], HARMLESS)
    assert settled.value < alone.value / 10


def test_an_abstained_case_counts_what_its_metadata_and_its_views_say(place: Place) -> None:
    silent = [category("spam", None, source="none")]
    found = [
        place(silent, None, violation, exposure={"views_per_hour": views})
        for violation, views in ((0.0, 1e6), (0.2, 0), (0.4, 0), (0.4, 1000), (0.4, 1e6))
    ]
    values = [one.value for one in found]
    assert values == sorted(set(values)) and values[0] == 0
    assert {one.lane for one in found} == {"standard"}  # somebody must look


def test_without_a_reason_an_abstained_case_is_a_typical_one(place: Place, taxonomy: Taxonomy) -> None:
    reasons = [taxonomy[key].reasons[0] for key in taxonomy.learned]
    values = [place([], None, reason=reason).value for reason in reasons]
    assert place([], None).value == pytest.approx(sum(values) / len(values), abs=1e-3)


def test_an_abstained_case_counts_part_of_what_its_reason_would_do(place: Place) -> None:
    named = place([], None, reason="threat")
    known = place([category("violence_threat", 1.0, flagged=True)], fixed(Severity.HIGH))
    assert 0 < named.value < known.value
    assert named.lane == "high"


def test_a_case_takes_the_most_harm_the_most_urgent_lane_and_the_earliest_due_time(place: Place) -> None:
    low = place([category("spam", 0.9)], fixed(Severity.LOW), due_by="2026-11-22T09:05:00Z")
    high = place([category("spam", 0.9)], fixed(Severity.HIGH))
    higher = place([category("violence_threat", 0.9)], fixed(Severity.HIGH))
    found = of_case([low, high, higher])
    assert (found.lane, found.value) == ("high", higher.value)
    assert found.due_at == low.due_at
    unseen = place(
        [category("spam", 0.1)], fixed(Severity.LOW), reporter={"trusted_flagger": True}, exposure={"views": 0}
    )
    spreading = place([category("spam", 0.9)], fixed(Severity.LOW), exposure={"views": 10**6})
    found = of_case([spreading, unseen])
    assert (found.lane, found.value) == (unseen.lane, spreading.value)
    assert unseen.lane != spreading.lane and unseen.value < spreading.value
