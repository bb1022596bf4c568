"""A client of Frontline for intake systems: have reports scored, hand them in, follow what reviewers decide.

It needs httpx and nothing else of Frontline. `Frontline` and `AsyncFrontline` have the same calls. Reports and answers
are the JSON of the HTTP API, typed; whatever fails is an `ApiError`.
"""

from frontline_client.client import AsyncFrontline, Frontline
from frontline_client.errors import ApiError
from frontline_client.retries import Retries
from frontline_client.types import Decision, Report, Score

__all__ = ["ApiError", "AsyncFrontline", "Decision", "Frontline", "Report", "Retries", "Score"]
