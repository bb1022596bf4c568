"""Every error that Frontline raises on purpose: one base class, few leaves, a message that says what to do."""


class FrontlineError(Exception):
    """Base of all deliberate errors.

    `code` is stable and machine-readable, `status` the HTTP status that it becomes, `field` the dotted path of the
    offending input where there is one. Messages never quote report text.
    """

    code = "error"
    status = 500

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def as_dict(self, request_id: str | None = None) -> dict[str, object]:
        """The one error shape, without its outer `error` key."""
        return {"code": self.code, "message": self.message, "field": self.field, "request_id": request_id}


class InvalidReport(FrontlineError):
    """A report that does not fit the contract."""

    code, status = "invalid_report", 422


class InvalidTaxonomy(FrontlineError):
    """A taxonomy file that cannot be used."""

    code, status = "invalid_taxonomy", 500


class InvalidPolicy(FrontlineError):
    """A policy file that cannot be used."""

    code, status = "invalid_policy", 500


class BundleRefused(FrontlineError):
    """A bundle whose files, hashes, schema or golden outputs are not as its manifest says."""

    code, status = "bundle_refused", 503


class MissingData(FrontlineError):
    """A data file that a command needs is not where it was looked for."""

    code, status = "missing_data", 404


class InvalidIntent(FrontlineError):
    """A wish for a threshold that cannot be read, or that lacks what it needs."""

    code, status = "invalid_intent", 422


class NoThreshold(FrontlineError):
    """No threshold does what is asked of it, or there are too few answers to find one."""

    code, status = "no_threshold", 422
