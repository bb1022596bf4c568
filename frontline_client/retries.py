"""When to ask again, and after how long: backoff with jitter, and no sooner than the service wants it."""

import random
from dataclasses import dataclass

from frontline_client.errors import NO_ANSWER, ApiError

STATUSES = frozenset({408, 429, 502, 503, 504})


@dataclass(frozen=True)
class Retries:
    """How often a call is asked again; none of the calls does anything twice for it, so each may be.

    Times are in seconds: the wait before the n-th retry is drawn from 0 to `first` · 2ⁿ⁻¹, at most `longest`, and comes
    on top of what `Retry-After` says. Where that is more than `longest`, the call fails at once.
    """

    times: int = 6  # 16 seconds on average, as a service that starts anew may take 7
    first: float = 0.5
    longest: float = 30

    def wait(self, failures: int, error: ApiError) -> float | None:
        """Seconds until the next try after so many failures, the last with this error; None for no more."""
        if failures > self.times or not (error.code == NO_ANSWER or error.status in STATUSES):
            return None
        told = error.retry_after or 0.0
        if told > self.longest:
            return None
        # Full jitter, or all whom one failure struck would come back at once.
        return told + random.uniform(0, min(self.longest, self.first * 2 ** (failures - 1)))  # noqa: S311
