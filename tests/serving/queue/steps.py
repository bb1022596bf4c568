"""What tests of the queue do: send reports, claim, conclude, and look at how claims ended."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select

from serving.accounts.auth import Identity, authenticate
from serving.queue import claims
from serving.queue.claims import Claim
from serving.review.decisions import decide
from serving.runtime import Runtime
from serving.schemas import DecisionIn
from serving.store.tables import cases
from serving.store.tables import claims as history

Make = Callable[..., dict[str, Any]]
Accept = Callable[..., list[Any]]
ClientOf = Callable[[str], TestClient]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEASE = timedelta(minutes=15)
THREAT, SCAM, JOKE = "We will ambush you", "Your parcel waits", "good day"


def name_of(runtime: Runtime, held: Claim) -> str:
    with runtime.store.read() as connection:
        return str(connection.execute(select(cases.c.content_id).where(cases.c.id == held.case_id)).scalar_one())


def take(runtime: Runtime, who: Identity, now: datetime = NOW) -> Claim:
    held = claims.claim(runtime.store, runtime.scorer.policy, who, lease=LEASE, now=now)
    assert held is not None
    return held


def conclude(runtime: Runtime, who: Identity, held: Claim, outcome: str = "no_violation", **fields: Any) -> None:
    given = {"decision_id": held.id, "case_id": held.case_id, "claim_id": held.id, "token": held.token}
    values = {**given, "content_version": 1, "outcome": outcome, **fields}
    decide(runtime.store, runtime.scorer, who, DecisionIn(**values), NOW)


def send(runtime: Runtime, accept: Accept, report: Make, now: datetime = NOW, **texts: str | dict[str, Any]) -> None:
    """Take in a report for each name, of a text or of a report's fields."""
    items = []
    for name, given in texts.items():
        fields = {"text": given} if isinstance(given, str) else dict(given)
        content = {"id": name, **fields.pop("content", {})}
        items.append(report(name, fields.pop("text", JOKE), content=content, **fields))
    accept(runtime.store, runtime.scorer, items, now, 0)


def ended(runtime: Runtime) -> list[tuple[str | None, str | None]]:
    with runtime.store.read() as connection:
        rows = connection.execute(select(history.c.ending, history.c.reason).order_by(history.c.claimed_at))
        return [(row.ending, row.reason) for row in rows]


def token_of(runtime: Runtime, tokens: SimpleNamespace, role: str) -> Identity:
    return authenticate(runtime.store, getattr(tokens, role))
