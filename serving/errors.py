"""The errors of the service on top of those of the model: what a caller did that cannot be done."""

from models.errors import FrontlineError


class InvalidJson(FrontlineError):
    """A body that is not JSON."""

    code, status = "invalid_json", 400


class InvalidRequest(FrontlineError):
    """A body or parameter that does not fit the call."""

    code, status = "invalid_request", 422


class Unauthenticated(FrontlineError):
    """No token or session, or one that is unknown, revoked or over; or a sign-in that was refused."""

    code, status = "unauthenticated", 401


class Forbidden(FrontlineError):
    """A token whose role may not do this."""

    code, status = "forbidden", 403


class NotFound(FrontlineError):
    """Nothing has this id, or the token's role may not know of it."""

    code, status = "not_found", 404


class MethodNotAllowed(FrontlineError):
    """An address that does not take this method."""

    code, status = "method_not_allowed", 405


class ReportConflict(FrontlineError):
    """A known report_id with another body."""

    code, status = "report_conflict", 409


class ClaimLapsed(FrontlineError):
    """A claim that ran out, was released, or was never this reviewer's."""

    code, status = "claim_lapsed", 409


class DecisionConflict(FrontlineError):
    """A known decision_id with another body."""

    code, status = "decision_conflict", 409


class DecisionFinal(FrontlineError):
    """A decision that can no longer be taken back."""

    code, status = "decision_final", 409


class ContentChanged(FrontlineError):
    """A decision on a version of the content that is no longer the current one."""

    code, status = "content_changed", 409


class AppealConflict(FrontlineError):
    """A known appeal_id with another body."""

    code, status = "appeal_conflict", 409


class NotAppealable(FrontlineError):
    """An appeal of a decision that no longer stands, or on a case that is open anyhow."""

    code, status = "not_appealable", 409


class BodyTooLarge(FrontlineError):
    """A body over the limit."""

    code, status = "body_too_large", 413


class BodyTooSlow(FrontlineError):
    """A body that took too long to come."""

    code, status = "body_too_slow", 408


class TooManyReports(FrontlineError):
    """A batch over the limit."""

    code, status = "too_many_reports", 413


class UnsupportedMediaType(FrontlineError):
    """A body that does not say it is JSON, or a form's that does not say it is a form's."""

    code, status = "unsupported_media_type", 415


class ScoringFailed(FrontlineError):
    """A report that the scorer broke on; it fails alone, and the log has the cause."""

    code, status = "scoring_failed", 500


class Overloaded(FrontlineError):
    """More than the service takes on at once; `retry_after` says in how many seconds to come again."""

    code, status = "overloaded", 429

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManyTries(Overloaded):
    """More failed sign-ins under one name or from one address than are let pass."""

    code = "too_many_tries"


class ProviderFailed(FrontlineError):
    """The sign-on provider cannot be reached, or answers what it should not."""

    code, status = "provider_failed", 503


class DeadlineExceeded(FrontlineError):
    """A report whose turn came only after the caller's deadline."""

    code, status = "deadline_exceeded", 503


class NotReady(FrontlineError):
    """No verified bundle is loaded yet."""

    code, status = "not_ready", 503
