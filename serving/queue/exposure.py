"""What reviewers were exposed to lately, so that nobody gets a long run of severe cases."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import Connection, select

from models.policy import Lane, Policy
from serving.accounts.auth import Identity
from serving.store.tables import claims

DAY = timedelta(hours=24)  # of no calendar: a day that ends in the middle of a shift would allow twice as much


@dataclass(frozen=True)
class Exposure:
    """The lane and the severity, where one is known, of each case that someone was given in 24 hours, newest first."""

    seen: tuple[tuple[Lane, int | None], ...]

    def severe(self, policy: Policy) -> int:
        """How many were severe."""
        return sum(policy.is_severe(*each) for each in self.seen)

    def in_a_row(self, policy: Policy) -> int:
        """How many of the last ones, without a lighter one in between."""
        return sum(1 for _ in takewhile(lambda each: policy.is_severe(*each), self.seen))


def exposure(connection: Connection, who: Identity, now: datetime) -> Exposure:
    """What someone was given in the 24 hours before."""
    given = select(claims.c.lane, claims.c.severity).where(claims.c.reviewer == who.id, claims.c.claimed_at > now - DAY)
    rows = connection.execute(given.order_by(claims.c.claimed_at.desc()))
    return Exposure(tuple((row.lane, row.severity) for row in rows))
