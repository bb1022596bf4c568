"""Priority: expected harm of letting a case wait, the lane it belongs in, and when it is due. Plain arithmetic."""

from collections.abc import Sequence
from datetime import datetime

from models.policy import LANES, Lane, Policy
from models.report import Report
from models.score import CategoryScore, Component, Priority, SeverityScore
from models.taxonomy import Category, Severity, Taxonomy


def prioritise(
    report: Report,
    taxonomy: Taxonomy,
    policy: Policy,
    categories: Sequence[CategoryScore],
    severity: SeverityScore | None,
    violation: float,
    received_at: datetime,
) -> Priority:
    """Place one report. `value` is expected harm per unit of waiting; its components add up to it.

    `severity` is the model's own, None where it abstains. There the harm is that of a typical violation times
    `violation`, which is then the bundle's prevalence moved by the metadata.
    """
    target, spread = _harm(report, taxonomy, policy, categories, severity, violation)
    exposure, content = report.exposure, report.content
    age = None if content.created_at is None else (received_at - content.created_at).total_seconds() / 3600
    forecast = policy.forecast(exposure.views, exposure.views_per_hour, age, content.kind)
    spread *= forecast / 1000
    reliability = policy.reporters.weight(report.reporter.reports_filed, report.reporter.reports_upheld)
    components = [
        Component(name="target_harm", value=round(target, 4), contribution=round(target, 4)),
        Component(name="spread_harm", value=round(forecast, 1), contribution=round(spread, 4)),
        Component(
            name="reporter_reliability",
            value=round(reliability, 4),
            contribution=round((reliability - 1) * (target + spread), 4),
        ),
    ]
    lane = _lane(report, taxonomy, policy, categories, severity)
    return Priority(
        value=round(sum(component.contribution for component in components), 4),
        lane=lane,
        due_at=report.due_by or policy.due(lane, received_at),
        components=components,
    )


def of_case(priorities: Sequence[Priority]) -> Priority:
    """The priority of a case from those of its reports: the most harm, the most urgent lane, the earliest due time.

    Each may come from another report: a floor that one of them names says nothing of the harm that another one shows.
    """
    worst = max(priorities, key=lambda priority: priority.value)
    lane = min((priority.lane for priority in priorities), key=LANES.index)
    return worst.model_copy(update={"lane": lane, "due_at": min(priority.due_at for priority in priorities)})


def named(taxonomy: Taxonomy, categories: Sequence[CategoryScore]) -> list[Category]:
    """The categories that a rule, or a reason that no model could judge, settles: a case is at least as bad as they."""
    return [taxonomy[score.category] for score in categories if score.source in ("rule", "reason") and score.flagged]


def _harm(
    report: Report,
    taxonomy: Taxonomy,
    policy: Policy,
    categories: Sequence[CategoryScore],
    severity: SeverityScore | None,
    violation: float,
) -> tuple[float, float]:
    """Harm to the target, and per 1,000 more viewers: the greatest of what rules, reason and model say.

    A rule on a light category must not hide the serious one that the model sees.
    """
    if severity is None:
        target, spread = _typical_harm(report, taxonomy, policy, violation)
    else:
        target, spread = _modelled_harm(policy, categories, severity)
    for category in named(taxonomy, categories):
        clear = _clear_harm(policy, category)
        target, spread = max(target, clear[0]), max(spread, clear[1])
    return target, spread


def _clear_harm(policy: Policy, category: Category) -> tuple[float, float]:
    """Harm of a clear case of a category."""
    weight, harm = policy.severity_harm[category.base_severity], policy.of(category.key).harm
    return weight * harm.target, weight * harm.spread


def _typical_harm(report: Report, taxonomy: Taxonomy, policy: Policy, violation: float) -> tuple[float, float]:
    """Where the model abstains: P(violation) × harm of a typical case of the reason's category; without a reason, of
    the mean over all learnt ones."""
    reason = taxonomy.of_reason(report.reason)
    likely = [reason] if reason else [taxonomy[key] for key in taxonomy.learned]
    harms = [_clear_harm(policy, category) for category in likely]
    share = violation / len(likely)
    return share * sum(target for target, _ in harms), share * sum(spread for _, spread in harms)


def _modelled_harm(policy: Policy, categories: Sequence[CategoryScore], severity: SeverityScore) -> tuple[float, float]:
    """Σ P(severity) × harm of the severity × mean harm of the categories, weighted by their probability."""
    weights = [(policy.of(score.category).harm, score.probability) for score in categories if score.probability]
    mean = sum(share * weight for share, weight in zip(severity.distribution, policy.severity_harm, strict=True))
    total = sum(probability for _, probability in weights) or 1.0
    target = sum(probability * harm.target for harm, probability in weights) / total
    spread = sum(probability * harm.spread for harm, probability in weights) / total
    return mean * target, mean * spread


def _lane(
    report: Report,
    taxonomy: Taxonomy,
    policy: Policy,
    categories: Sequence[CategoryScore],
    severity: SeverityScore | None,
) -> Lane:
    """The most urgent of: the lanes of the severities, the flagged categories' service levels, and the floors."""
    flagged = [score.category for score in categories if score.flagged]
    reason = taxonomy.of_reason(report.reason)
    candidates: list[Lane] = [LANES[-1]]
    candidates += [policy.lane_of_severity(category.base_severity) for category in named(taxonomy, categories)]
    if severity is not None:
        candidates.append(policy.lane_of_severity(Severity[severity.level.upper()]))
    candidates += [policy.lane_of_category(key) for key in flagged]
    # Floors never wait for a model: what a reporter names, trusted flaggers (DSA Art. 22), authorities and courts.
    candidates += floors(policy, [*flagged, *([reason.key] if reason else [])])
    if report.reporter.trusted_flagger or report.source in ("trusted_flagger", "authority", "court"):
        candidates.append(policy.trusted_floor)
    if severity is None:  # abstained: somebody must look, soon
        candidates.append(policy.lane_of_category(reason.key) if reason else policy.abstained_floor)
    return policy.most_urgent(candidates)


def floors(policy: Policy, categories: Sequence[str]) -> list[Lane]:
    """The lanes that some categories may not fall below."""
    return [floor for key in categories if (floor := policy.of(key).floor)]
