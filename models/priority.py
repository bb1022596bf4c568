"""Priority: expected harm of letting a case wait, the lane it belongs in, and when it is due. Plain arithmetic."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from models.metadata import upheld_share
from models.report import Report
from models.score import CategoryScore, Component, Priority, SeverityScore
from models.taxonomy import Category, LaneLevel, Severity, Taxonomy

SEVERITY_HARM = (0.0, 1.0, 3.0, 9.0, 27.0)  # each step of severity does about three times the harm
FORECAST_HOURS = 12.0  # views still to come are those of the next hours at the present rate
UNKNOWN_VIEWS = 100.0  # forecast where the report does not say
PRIOR_UPHELD = 0.5  # mean of the prior in upheld_share: a reporter without history changes nothing


def prioritise(
    report: Report,
    taxonomy: Taxonomy,
    categories: Sequence[CategoryScore],
    severity: SeverityScore | None,
    violation: float,
    received_at: datetime,
) -> Priority:
    """Place one report. `value` is expected harm per unit of waiting; its components add up to it.

    `severity` is the model's own, None where it abstains. There the harm is that of a typical violation times
    `violation`, which is then the bundle's prevalence moved by the metadata.
    """
    target, spread = _harm(report, taxonomy, categories, severity, violation)
    views = report.exposure.views_per_hour
    forecast = UNKNOWN_VIEWS if views is None else views * FORECAST_HOURS
    spread *= forecast / 1000
    share = upheld_share(report.reporter.reports_filed, report.reporter.reports_upheld)
    reliability = 1.0 if share is None else 0.5 + 0.5 * share / PRIOR_UPHELD
    components = [
        Component(name="target_harm", value=round(target, 4), contribution=round(target, 4)),
        Component(name="spread_harm", value=round(forecast, 1), contribution=round(spread, 4)),
        Component(
            name="reporter_reliability",
            value=round(reliability, 4),
            contribution=round((reliability - 1) * (target + spread), 4),
        ),
    ]
    level = _lane(report, taxonomy, categories, severity)
    return Priority(
        value=round(sum(component.contribution for component in components), 4),
        lane=level.lane,
        due_at=report.due_by or received_at + timedelta(hours=level.service_level_hours),
        components=components,
    )


def of_case(priorities: Sequence[Priority], taxonomy: Taxonomy) -> Priority:
    """The priority of a case from those of its reports: its most urgent report speaks, the earliest due time binds."""
    order = [level.lane for level in taxonomy.lanes]
    first = min(priorities, key=lambda priority: (order.index(priority.lane), -priority.value))
    return first.model_copy(update={"due_at": min(priority.due_at for priority in priorities)})


def named(taxonomy: Taxonomy, categories: Sequence[CategoryScore]) -> list[Category]:
    """The categories that a rule, or a reason that no model could judge, settles: a case is at least as bad as they."""
    return [taxonomy[score.category] for score in categories if score.source in ("rule", "reason") and score.flagged]


def _harm(
    report: Report,
    taxonomy: Taxonomy,
    categories: Sequence[CategoryScore],
    severity: SeverityScore | None,
    violation: float,
) -> tuple[float, float]:
    """Harm to the target, and per 1,000 more viewers: the greatest of what rules, reason and model say.

    A rule on a light category must not hide the serious one that the model sees.
    """
    if severity is None:
        target, spread = _typical_harm(report, taxonomy, violation)
    else:
        target, spread = _modelled_harm(taxonomy, categories, severity)
    for category in named(taxonomy, categories):
        harm = SEVERITY_HARM[category.base_severity]
        target, spread = max(target, harm * category.harm.target), max(spread, harm * category.harm.spread)
    return target, spread


def _typical_harm(report: Report, taxonomy: Taxonomy, violation: float) -> tuple[float, float]:
    """Where the model abstains: P(violation) × harm of a typical case of the reason's category; without a reason, of
    the mean over all learnt ones."""
    reason = taxonomy.of_reason(report.reason)
    likely = [reason] if reason else [taxonomy[key] for key in taxonomy.learned]
    share = violation / len(likely)
    target = sum(SEVERITY_HARM[category.base_severity] * category.harm.target for category in likely)
    spread = sum(SEVERITY_HARM[category.base_severity] * category.harm.spread for category in likely)
    return share * target, share * spread


def _modelled_harm(
    taxonomy: Taxonomy, categories: Sequence[CategoryScore], severity: SeverityScore
) -> tuple[float, float]:
    """Σ P(severity) × harm of the severity × mean harm of the categories, weighted by their probability."""
    weights = {score.category: score.probability for score in categories if score.probability}
    mean = sum(share * weight for share, weight in zip(severity.distribution, SEVERITY_HARM, strict=True))
    total = sum(weights.values()) or 1.0
    target = sum(p * taxonomy[key].harm.target for key, p in weights.items()) / total
    spread = sum(p * taxonomy[key].harm.spread for key, p in weights.items()) / total
    return mean * target, mean * spread


def _lane(
    report: Report, taxonomy: Taxonomy, categories: Sequence[CategoryScore], severity: SeverityScore | None
) -> LaneLevel:
    """The most urgent of: the lanes of the severities, the flagged categories' service levels, and the floors."""
    flagged = [taxonomy[score.category] for score in categories if score.flagged]
    reason = taxonomy.of_reason(report.reason)
    candidates = [taxonomy.lanes[-1]]
    candidates += [_of_severity(taxonomy, category.base_severity) for category in named(taxonomy, categories)]
    if severity is not None:
        candidates.append(_of_severity(taxonomy, Severity[severity.level.upper()]))
    candidates += [_of_service_level(taxonomy, category) for category in flagged]
    # Floors never wait for a model: what a reporter names, trusted flaggers (DSA Art. 22), authorities and courts.
    floors = [category.floor for category in [*flagged, *([reason] if reason else [])] if category.floor]
    candidates += [taxonomy.lane(floor) for floor in floors]
    if report.reporter.trusted_flagger or report.source in ("trusted_flagger", "authority", "court"):
        candidates.append(taxonomy.lane("high"))
    if severity is None:  # abstained: somebody must look, soon
        candidates.append(_of_service_level(taxonomy, reason) if reason else taxonomy.lane("standard"))
    return taxonomy.most_urgent(candidates)


def _of_severity(taxonomy: Taxonomy, severity: Severity) -> LaneLevel:
    return next(level for level in taxonomy.lanes if level.min_severity is not None and severity >= level.min_severity)


def _of_service_level(taxonomy: Taxonomy, category: Category) -> LaneLevel:
    """The least urgent ordinary lane that still keeps the category's service level."""
    ordinary = [level for level in taxonomy.lanes if level.min_severity is not None]
    keeping = [level for level in ordinary if level.service_level_hours <= category.service_level_hours]
    return keeping[-1] if keeping else ordinary[0]
