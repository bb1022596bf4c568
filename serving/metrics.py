"""What Prometheus is told: requests, stages of a score, texts known before, reports that wait, and what scores said.

No label holds what a caller could choose: it would show what was typed, and fill the memory with a series each.
"""

from opentelemetry import trace
from prometheus_client import Counter, Gauge, Histogram

from models import Bundle, FrontlineError, Score
from models.observer import STAGES, CacheEvent, Observer, Stage

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_REQUESTS = Histogram(
    "frontline_request_duration_seconds",
    "Duration of HTTP requests; status 0 is a request that ended without an answer.",
    ("method", "route", "status"),
)
_STAGES = Histogram(
    "frontline_stage_duration_seconds",
    "Time that one report spent in a stage of its scoring.",
    ("stage",),
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
_TEXTS = Counter(
    "frontline_cache_events_total",
    "Texts by what the cache did: hit, joined (a run already under way), miss, eviction.",
    ("event",),
)
_WAITING = Gauge(
    "frontline_reports_waiting", "Reports that wait to be scored, of all workers.", multiprocess_mode="livesum"
)
_SCORED = Counter("frontline_scores_total", "Scores by level of severity; `abstained` has none.", ("severity",))
_FLAGGED = Counter("frontline_flags_total", "Scores that flagged a category.", ("category",))
_REJECTED = Counter("frontline_rejections_total", "Reports without a score, alone or in a batch, by error.", ("code",))
_WARNINGS = Counter("frontline_warnings_total", "Warnings that scores came with.", ("warning",))
_BUNDLE = Gauge(
    "frontline_bundle_info", "1 for the bundle in force.", ("version", "digest"), multiprocess_mode="livemax"
)
_ABSTAINED = "abstained"


def count_request(method: str, route: str | None, status: int, seconds: float) -> None:
    """Count a request. `route` is the pattern, None where nothing matched."""
    _REQUESTS.labels(method if method in _METHODS else "other", route or "none", str(status)).observe(seconds)


def count_score(score: Score) -> None:
    """Count what a score said."""
    _SCORED.labels(score.severity.level if score.severity else _ABSTAINED).inc()
    for category in score.categories:
        if category.flagged:
            _FLAGGED.labels(category.category).inc()
    for warning in score.warnings:
        _WARNINGS.labels(warning.split(":")[0]).inc()


def count_rejection(error: FrontlineError) -> None:
    """Count a report that got no score."""
    _REJECTED.labels(error.code).inc()


def bundle_changed(old: Bundle | None, new: Bundle) -> None:
    """Another bundle is in force."""
    if old:
        _BUNDLE.labels(old.version, old.digest).set(0)
    _BUNDLE.labels(new.version, new.digest).set(1)


def reports_wait(number: int) -> None:
    """How many reports wait in this worker."""
    _WAITING.set(number)


class MetricsObserver(Observer):
    """Counts what a scorer tells, and notes the stages on the request's trace."""

    def __init__(self) -> None:
        self._stages = {stage: _STAGES.labels(stage) for stage in STAGES}

    def stage(self, stage: Stage, seconds: float) -> None:
        """See Observer."""
        self._stages[stage].observe(seconds)
        trace.get_current_span().add_event(stage, {"seconds": seconds})

    def cache(self, event: CacheEvent) -> None:
        """See Observer."""
        _TEXTS.labels(event).inc()
